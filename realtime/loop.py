"""The frame loop: while somebody looks at a result of a file, the next frame is with the engine.

Two orders of work. With one frame under way (latency) a frame's boxes come from the frame before it, and only what
needs no engine - smoothing, metres, drawing, saving, the window - runs while the engine computes. With two (throughput)
the engine never waits for the host; boxes are a frame older, widened, and a result comes a frame later.

Live, a result is given away before the next frame is taken: so its age has no part of the next frame's work in it, and
the next frame is as new as can be.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from realtime.frame import Frame
from realtime.handover import End
from realtime.pipeline import Pipeline
from realtime.result import Result
from realtime.tracker import Following

LATENCY, THROUGHPUT = 1, 2  # frames under way


@runtime_checkable
class Frames(Protocol):
    """What the loop needs of a `Capture`."""

    def poll(self) -> Frame | None:
        """A frame that waits, or None."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames as they come."""
        ...


@dataclass(frozen=True, slots=True)
class _Begun:
    pipeline: Pipeline
    following: Following


class Loop:
    """Takes frames through pipelines; iterate over `(frame, result)`.

    `pipeline_for` gives the pipeline of a frame's size (width, height): photos of a folder differ, streams may change.
    Where the frames end in an error, the results of those before it come first.
    """

    def __init__(
        self,
        capture: Frames,
        pipeline_for: Callable[[tuple[int, int]], Pipeline],
        *,
        under_way: int = LATENCY,
        live: bool = False,
    ) -> None:
        self._capture, self._pipeline_for = capture, pipeline_for
        self._under_way, self._live = under_way, live
        self._begun: deque[_Begun] = deque()
        self._waited = capture.frames()
        self._ended = False
        self._error: Exception | None = None
        self.pipeline: Pipeline | None = None  # of the newest frame
        self._size_px = (0, 0)

    def __iter__(self) -> Iterator[tuple[Frame, Result]]:
        while True:
            self._top_up()
            if not self._begun and not self._ended:
                self._begin(self._next(self._wait))
            if not self._begun:
                break
            oldest = self._begun.popleft()
            tracked = oldest.pipeline.track(oldest.following)
            if not self._live:
                self._top_up()
            result = oldest.pipeline.describe(tracked)
            if self._live:
                result = replace(result, latency_ms=(time.monotonic() - tracked.frame.time_s) * 1e3)
            yield tracked.frame, result
        if self._error is not None:
            raise self._error

    def _top_up(self) -> None:
        while len(self._begun) < self._under_way and not self._ended:
            frame = self._next(self._capture.poll)
            if frame is None:
                return
            self._begin(frame)

    def _wait(self) -> Frame | None:
        frame = next(self._waited, None)
        self._ended = frame is None
        return frame

    def _next(self, give: Callable[[], Frame | None]) -> Frame | None:
        try:
            return give()
        except End:
            self._ended = True
            return None
        except Exception as error:  # noqa: BLE001 - raised when the frames before it are through
            self._ended, self._error = True, error
            return None

    def _begin(self, frame: Frame | None) -> None:
        if frame is None:
            return
        size_px = (frame.image_bgr.shape[1], frame.image_bgr.shape[0])
        if self.pipeline is None or size_px != self._size_px:
            self._size_px, self.pipeline = size_px, self._pipeline_for(size_px)
        self._begun.append(_Begun(self.pipeline, self.pipeline.begin(frame, ahead=len(self._begun))))
