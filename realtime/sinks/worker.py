"""The thread that writes one file, so that no disk and no encoder holds up the frames.

Between the caller and the thread is a queue of bounded length. What happens when it is full:

- a file is read (not live): the caller waits, so every frame is written;
- live, numbers: never dropped. The queue holds minutes of them; a disk that takes nothing for so long is an error;
- live, a video: whole frames are left out, counted in `dropped` and said in `notes`.

An error of the thread is raised by the next `write`, and by every one after it; where no `write` follows, by `close`.
The thread then closes its file, which stays readable up to the frame before the error.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

import numpy as np

from realtime.frame import Frame
from realtime.result import Result
from realtime.sinks.sink import Format, SinkError

PICTURES_WAITING = 4  # 1080p: 25 MB
RESULTS_WAITING = 64
RESULTS_WAITING_LIVE = 10_000  # 5 minutes at 30 per second; 3 kB per person each
FLUSH_S = 1.0
CLOSE_WAIT_S = 10.0  # an .npz is completed in a second per hour of its run
WAKE_S = 0.5  # a waiting caller looks up for Ctrl-C, which Windows needs
NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


class _End(Exception):  # noqa: N818 - not an error, like StopIteration
    """Everything is written and nothing more will come."""


class Worker:
    """A sink: hands frames to the thread that writes them. Frames are written once and in order."""

    def __init__(self, file: Format, *, live: bool, close_wait_s: float = CLOSE_WAIT_S) -> None:
        self.path = file.path
        self.dropped = 0
        self._file, self._live, self._close_wait_s = file, live, close_wait_s
        self._capacity = _capacity(live=live, pictures=file.shows_pictures)
        self._waiting: deque[tuple[Frame, Result]] = deque()
        self._in_hand = 0  # frames that the thread writes just now
        self._changed = threading.Condition()
        self._error: SinkError | None = None
        self._told = self._closing = self._given_up = False
        self._thread = threading.Thread(target=self._run, name=f"sink {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def notes(self) -> list[str]:
        """What was left out, if anything was."""
        if not self.dropped:
            return []
        frames = "1 frame is" if self.dropped == 1 else f"{self.dropped} frames are"
        return [f"{frames} not in {self.path}: encoding was slower than the camera"]

    def write(self, frame: Frame, result: Result) -> None:
        """Hands over one frame. Live, never waits. SinkError where it or an earlier one cannot be written."""
        with self._changed:
            self._check()
            if len(self._waiting) >= self._capacity and not self._made_room():
                self.dropped += 1
                return
            kept = frame if self._file.shows_pictures else replace(frame, image_bgr=NO_PICTURE)
            self._waiting.append((kept, result))
            self._changed.notify_all()

    def close(self) -> None:
        """Waits, not for ever, until all is written and the file complete. SinkError where something is missing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if not self._given_up:
            self._thread.join(self._close_wait_s)
        with self._changed:
            if self._thread.is_alive() and not self._given_up and self._error is None:
                self._give_up()
            if self._error is not None and not self._told:
                self._told = True
                raise self._error

    def _check(self) -> None:
        if self._error is not None:
            self._told = True
            raise self._error
        if self._closing:
            raise SinkError(f"{self.path} is closed already")

    def _made_room(self) -> bool:
        """Room in a full queue, or False where the frame is to be left out."""
        if self._live and self._file.shows_pictures:
            return False
        if self._live:
            self._error = SinkError(
                f"{self.path}: the disk takes nothing; {len(self._waiting)} frames wait for it; choose another place"
            )
        while len(self._waiting) >= self._capacity:
            self._check()
            self._changed.wait(WAKE_S)
        self._check()
        return True

    def _give_up(self) -> None:
        left, self._given_up = len(self._waiting) + self._in_hand, True
        self._waiting.clear()
        what = f"the last {left} frames were not written" if left else "the file was not completed"
        self._error = SinkError(f"{self.path}: {what} within {self._close_wait_s:g} s; is the disk slow or gone?")

    def _run(self) -> None:
        try:
            self._work()
            self._file.close()
        except Exception as error:  # noqa: BLE001 - the caller's next `write` or `close` raises it
            self._fail(error)

    def _work(self) -> None:
        due_s = time.monotonic() + FLUSH_S
        with suppress(_End):
            while True:
                if (item := self._take(due_s - time.monotonic())) is not None:
                    self._file.write(*item)
                if time.monotonic() >= due_s:
                    self._file.flush()
                    due_s = time.monotonic() + FLUSH_S

    def _take(self, timeout_s: float) -> tuple[Frame, Result] | None:
        """The next frame, None where none came in time. _End when there will be none."""
        with self._changed:
            self._in_hand = 0
            self._changed.wait_for(lambda: self._waiting or self._closing, max(timeout_s, 0.0))
            if not self._waiting:
                if self._closing:
                    raise _End
                return None
            self._in_hand = 1
            self._changed.notify_all()
            return self._waiting.popleft()

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        told = SinkError(f"{self.path} cannot be written on ({reason}); what came before is in it")
        told.__cause__ = error
        with self._changed:
            self._error = self._error or (error if isinstance(error, SinkError) else told)
            self._waiting.clear()
            self._changed.notify_all()
        with suppress(Exception):  # the first error is the one that is told
            self._file.close()


def _capacity(*, live: bool, pictures: bool) -> int:
    if pictures:
        return PICTURES_WAITING
    return RESULTS_WAITING_LIVE if live else RESULTS_WAITING
