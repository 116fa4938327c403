"""One camera of a recording: the thread that reads it, what became of it, and its coming back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from realtime.frame import Absence
from realtime.recorder.compressed import Compressed
from realtime.recorder.frame_writer import FrameWriter
from realtime.recorder.health import Health
from realtime.sources import Source, SourceError

log = logging.getLogger(__name__)

# without a frame for so long a camera is lost, whatever its driver says
SILENT_S = 2.0
RETRY_S = 1.0
JOIN_S = 1.0
State = Literal["fine", "gone", "silent", "ended", "failed"]


class Lane:
    """Reads a source without pause. From `record` on its frames go to a writer.

    `again` opens the camera anew after its driver fell silent: then the thread that is stuck in it is left behind, and
    a new one reads. What comes back is a new segment.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        again: Callable[[], Source] | None = None,
        silent_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.source, self.segment = name, source, 0
        self.health = Health(source.rate)
        self.newest: Compressed | None = None  # for a preview
        self.error: Exception | None = None
        self._again, self._silent_s, self._clock = again, silent_s or SILENT_S, clock
        self._writer: FrameWriter | None = None
        self._from_s = self._until_s = float("inf")
        self._last_s = clock()
        self._away = self._ended = False
        self._reading = 0  # which thread's frames count
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to read."""
        self._last_s = self._clock()
        self._thread = threading.Thread(target=self._run, args=(self._reading, None), name="read camera", daemon=True)
        self._thread.start()

    def record(self, writer: FrameWriter, *, from_s: float, until_s: float = float("inf")) -> None:
        """Frames from now on go into the take, those that were taken in this time."""
        self.health.begin()
        self._from_s, self._until_s = from_s, until_s
        self._writer = writer

    @property
    def state(self) -> State:
        """What became of the camera."""
        if self.error is not None:
            return "failed"
        if self._ended:
            return "ended"
        if self._away:
            return "gone"
        return "silent" if self._clock() - self._last_s > self._silent_s else "fine"

    @property
    def lost_s(self) -> float:
        """For how long no frame came, 0 while all is well."""
        return 0.0 if self.state == "fine" else self._clock() - self._last_s

    @property
    def is_through(self) -> bool:
        """Whether it has read everything of the time that is to be recorded."""
        return self.newest is not None and self.newest.time_s >= self._until_s

    def watch(self) -> None:
        """To be called now and then: a camera whose driver hangs is opened anew, by a thread of its own."""
        if self._again is None or self._closed.is_set() or self.state != "silent":
            return
        log.warning("%s gives no picture any more; trying to open it anew", self.name)
        self._away = True
        self._reading += 1
        self.source.close()  # or its reader does, when the driver lets it go
        self._thread = threading.Thread(
            target=self._run, args=(self._reading, self._again), name="read camera", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """No more frames go into the take."""
        self._writer = None

    def close(self) -> None:
        """Ends the reading. A thread that is stuck in a driver is left behind; it is a daemon."""
        self._closed.set()
        self._writer = None
        self.source.close()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self, reading: int, again: Callable[[], Source] | None) -> None:
        try:
            if again is not None and not self._reopened(reading, again):
                return
            for item in self.source.frames():
                if reading != self._reading or self._closed.is_set():
                    return
                if isinstance(item, Absence):
                    self._went()
                else:
                    self._came(Compressed(item))
            self._ended = True
        except Exception as error:  # noqa: BLE001 - the recorder looks at it
            if reading == self._reading:
                self.error = error

    def _reopened(self, reading: int, again: Callable[[], Source]) -> bool:
        while reading == self._reading and not self._closed.wait(RETRY_S):
            try:
                source = again()
            except SourceError:
                continue
            if self._closed.is_set():
                source.close()
                return False
            self.source = source
            return True
        return False

    def _went(self) -> None:
        self._away = True
        self.health.away()

    def _came(self, frame: Compressed) -> None:
        self._last_s = self._clock()
        if self._away:
            self._away = False
            self.segment += 1
            self.health.away()
        self.health.seen(frame.index, frame.time_s)
        self.newest = frame
        writer = self._writer
        if writer is not None and self._from_s <= frame.time_s < self._until_s:
            writer.put(frame, segment=self.segment)
