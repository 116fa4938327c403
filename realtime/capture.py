"""The capture thread: it drains the source without pause, so that no driver's buffer grows old frames."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

from realtime.frame import Absence, Frame, Undecoded
from realtime.handover import End, FrameQueue, LatestFrame
from realtime.sources import Source, SourceError

# A camera whose driver says nothing for so long, not even that it is gone, is dead; a file on a slow disk gets more.
# Sources give up a read of their own before, see `sources.device.SILENT_S` and `sources.container.READ_S`.
LIVE_TIMEOUT_S, FILE_TIMEOUT_S = 5.0, 30.0
JOIN_S = 2.0
# how long a thread of Python may keep another one waiting: Python's own 5 ms are as long as a frame's work
SWITCH_S = 5e-4


class Capture:
    """Frames of a source, read in a thread of its own. Closing it closes the source.

    What was compressed is decoded in the thread that takes it, so frames that are dropped cost no decoding.
    """

    def __init__(self, source: Source) -> None:
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._source = source
        self._handover = LatestFrame() if source.live else FrameQueue()
        self._timeout_s = LIVE_TIMEOUT_S if source.live else FILE_TIMEOUT_S
        self._captured = self._skipped = self._damaged = 0
        self._last_index: int | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[Frame]:
        """Every frame of a file, the newest of a camera.

        SourceError where it stalls, and whatever reading raised. A source that says it is gone and tries to come back
        is awaited for as long as it says so.
        """
        while True:
            try:
                frame = self._next()
            except End:
                return
            yield frame

    def poll(self) -> Frame | None:
        """The next frame if it is there already; waits for nothing. `End` after the last, errors as `frames` has."""
        while True:
            try:
                item = self._handover.take(0.0)
            except TimeoutError:
                return None
            if (frame := self._decoded(item)) is not None:
                return frame

    @property
    def captured(self) -> int:
        """Frames that the source has had so far, those that it lost on the way among them."""
        return self._captured

    @property
    def dropped(self) -> int:
        """Frames that nobody gets to see: replaced by newer ones, lost or damaged on the way."""
        return self._handover.dropped + self._skipped + self._damaged

    def end(self) -> None:
        """No more frames are wanted: whoever waits for one gets the end. Those that were handed over still come."""
        self._handover.close()

    def close(self) -> None:
        """Ends thread and source. A thread stuck in a driver is left behind; it is a daemon."""
        self._handover.close()
        self._source.close()
        self._thread.join(JOIN_S)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _next(self) -> Frame:
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            try:
                if left_s <= 0:  # frames come, but all are damaged
                    raise TimeoutError
                frame = self._decoded(self._handover.take(left_s))
            except TimeoutError:
                if not self._handover.excused:
                    break
                deadline_s = time.monotonic() + self._timeout_s
                continue
            if frame is not None:
                return frame
        raise SourceError(f"{self._source.name} gave no frame in {self._timeout_s:g} s; is it still connected?")

    def _decoded(self, item: Frame | Undecoded) -> Frame | None:
        if isinstance(item, Frame):
            return item
        frame = item.decoded()
        self._damaged += frame is None
        return frame

    def _run(self) -> None:
        try:
            for item in self._source.frames():
                if isinstance(item, Absence):
                    wanted = self._handover.excuse(item.for_s)
                else:
                    self._count(item.index)
                    wanted = self._handover.put(item)
                if not wanted:
                    return
            self._handover.close()
        except BaseException as error:  # noqa: BLE001 - handed over: the reader raises it
            self._handover.close(error)

    def _count(self, index: int) -> None:
        gap = 0 if self._last_index is None else max(index - self._last_index - 1, 0)
        self._skipped += gap
        self._captured += gap + 1
        self._last_index = index
