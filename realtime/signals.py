"""Ctrl-C and SIGTERM as a wish to end, heard between frames instead of anywhere.

Python raises KeyboardInterrupt wherever the main thread happens to be: between two files that should hold the same
frame, or in a callback that swallows it. Here a signal calls a function and nothing is torn.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# who asks again after so long is not heard: then the usual KeyboardInterrupt ends what hangs
PATIENCE_S = 2.0


@contextmanager
def once_on_signal(end: Callable[[], None]) -> Iterator[None]:
    """The first signal calls `end`, in the main thread; another one after `PATIENCE_S` raises KeyboardInterrupt."""
    first_s: list[float] = []

    def heard(number: int, stack: object) -> None:
        if not first_s:
            first_s.append(time.monotonic())
            end()
        elif time.monotonic() - first_s[0] > PATIENCE_S:
            raise KeyboardInterrupt

    with _handled(heard):
        yield


@contextmanager
def leaving_at_once(last_words: str) -> Iterator[None]:
    """A signal ends the process with status 0: for a start-up in which nothing has been written yet."""

    def heard(number: int, stack: object) -> None:
        os.write(1, f"{last_words}\n".encode())
        os._exit(0)

    with _handled(heard):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals are not heard: for work that is short and must be whole. New processes inherit that."""
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def _handled(handler: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's alone
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
