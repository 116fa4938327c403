"""The process of a window: it can stall, crash or be closed by hand, and its program goes on."""

from __future__ import annotations

import multiprocessing
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from realtime.signals import undisturbed

CLOSE_WAIT_S = 2.0

T = TypeVar("T")


class WindowProcess(ABC):
    """Starts the process; its window is open until somebody closes it or it fails."""

    def __init__(self, run: Callable[..., None], arguments: tuple[Any, ...], *, name: str) -> None:
        # spawn: a fork would carry the engine's threads and locks along
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=run, args=arguments, name=name, daemon=True)
        with undisturbed():  # inherited: Ctrl-C is for the program, which then closes its window
            self._process.start()
        self._open = True

    @abstractmethod
    def _ask_to_stop(self) -> None:
        """Tells the process that it is no longer wanted."""

    @abstractmethod
    def _complaint(self) -> str | None:
        """What the process says of its own end, if it says anything."""

    @property
    def closed(self) -> bool:
        """Whether there is no window any more: closed by the person, by `close`, or it failed."""
        return not (self._open and self._process.is_alive())

    @property
    def failure(self) -> str | None:
        """Why the window went away, if nobody closed it."""
        said = self._complaint()
        if said or not self._open or self._process.is_alive() or not self._process.exitcode:
            return said
        return f"the window's process ended with status {self._process.exitcode}"

    def send(self, number: int) -> None:
        """Sends a signal to the window's process: to see what its stall or end does to the program."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def close(self) -> None:
        """Closes the window and waits for its process to end; may be called twice."""
        if not self._open:
            return
        self._ask_to_stop()
        self._process.join(CLOSE_WAIT_S)
        if self._process.is_alive():
            self._process.kill()  # stalled: it would not heed a milder word
            self._process.join()
        self._open = False

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
