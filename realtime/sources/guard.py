"""Letting go of a device or connection that another thread may be inside of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Guard:
    """One thread reads, any thread may close.

    Drivers and decoders crash when they are taken away from under a read, and a read can last for ever. So `close`
    does not wait: it lets go if nobody is inside, else whoever is inside does on coming out.
    """

    def __init__(self, let_go: Callable[[], object]) -> None:
        self.closed = threading.Event()  # wakes whoever waits for the device to come back
        self._let_go = let_go
        self._lock = threading.Lock()
        self._busy = self._gone = False

    @contextmanager
    def inside(self) -> Iterator[bool]:
        """Around each call into the driver. False when all is closed and the driver must be left alone."""
        with self._lock:
            allowed = self._busy = not self.closed.is_set()
        try:
            yield allowed
        finally:
            with self._lock:
                self._busy = False
                self._finish()

    def close(self) -> None:
        """May be called twice."""
        with self._lock:
            self.closed.set()
            self._finish()

    def _finish(self) -> None:
        if self.closed.is_set() and not self._busy and not self._gone:
            self._gone = True
            self._let_go()
