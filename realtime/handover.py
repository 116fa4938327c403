"""Frames from a capture thread to the main thread: the newest for a camera, every one for a file.

`take` has four endings: a frame, `End`, the capture thread's own exception, a TimeoutError. `take(0)` does not wait.
A writer whose source is gone but may come back says so with `excuse`; a reader that meets a timeout asks `excused`.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from realtime.frame import Frame, Undecoded


class End(Exception):  # noqa: N818 - not an error, like StopIteration
    """The source has no more frames."""


class FrameQueue:
    """At most `capacity` frames wait; `put` waits for room, so none is lost."""

    def __init__(self, capacity: int = 4) -> None:
        self._waiting: deque[Frame | Undecoded] = deque()
        self._capacity = capacity
        self._closed = False
        self._error: BaseException | None = None
        self._excused_until_s = 0.0
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, frame: Frame | Undecoded) -> bool:
        """Hands a frame over; False when the reader is gone and the rest is not wanted."""
        with self._changed:
            self._make_room()
            if self._closed:
                return False
            self._waiting.append(frame)
            self._excused_until_s = 0.0
            self._changed.notify_all()
            return True

    def _make_room(self) -> None:
        self._changed.wait_for(lambda: self._closed or len(self._waiting) < self._capacity)

    def excuse(self, for_s: float) -> bool:
        """No frame may come for so long, and that is known; False as for `put`. The next frame ends it."""
        with self._changed:
            self._excused_until_s = time.monotonic() + for_s
            return not self._closed

    @property
    def excused(self) -> bool:
        """Whether a timeout means that the source is awaited, not that it is dead."""
        with self._changed:
            return time.monotonic() < self._excused_until_s

    def take(self, timeout_s: float) -> Frame | Undecoded:
        """The next frame. Frames that were handed over before the end, or before an error, still come first."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._waiting:
                if self._error is not None:
                    raise self._error
                if self._closed:
                    raise End
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError(f"no frame within {timeout_s:g} s")
                self._changed.wait(left_s)
            frame = self._waiting.popleft()
            self._changed.notify_all()
            return frame

    def close(self, error: BaseException | None = None) -> None:
        """No more frames: the end, or an error that the reader will raise. The first ending counts."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            self._changed.notify_all()


class LatestFrame(FrameQueue):
    """One place; a newer frame replaces the one that waits, which then counts as dropped."""

    def __init__(self) -> None:
        super().__init__(capacity=1)

    def _make_room(self) -> None:
        if self._waiting and not self._closed:
            self._waiting.popleft()
            self.dropped += 1
