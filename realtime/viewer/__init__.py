"""The window as the program sees it: a process of its own that can stall, crash or be closed without harm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from numpy import ndarray

from realtime.result import Result, Status
from realtime.viewer.display import has_screen
from realtime.viewer.process import WindowProcess
from realtime.viewer.slot import Command, ViewSlot
from realtime.viewer.window import run_window

__all__ = ["NO_SCREEN", "Command", "Viewer", "Window", "default_size", "has_screen", "open_viewer"]

NO_SCREEN = "no screen: running headless"
# drawn by a graphics card, and by the CPU, where a larger window takes more than half a core at 30 redraws a second
SIZE_PX, SIZE_WITHOUT_CARD_PX = (1280, 720), (960, 540)


@runtime_checkable
class Window(Protocol):
    """What a run needs of its window."""

    @property
    def closed(self) -> bool:
        """Whether there is none any more."""
        ...

    @property
    def failure(self) -> str | None:
        """Why it went away, if nobody closed it."""
        ...

    def show(self, result: Result, image_bgr: UInt8[ndarray, "h w 3"] | None, status: Status | None) -> None:
        """Hands over the newest result; never waits."""
        ...

    def commands(self) -> list[Command]:
        """What was pressed since the last call."""
        ...

    def close(self) -> None:
        """Closes it; may be called twice."""
        ...


class Viewer(WindowProcess):
    """A window with the skeletons in space, the picture and the numbers beside them. Made by `open_viewer`."""

    def __init__(self, *, title: str, size_px: tuple[int, int]) -> None:
        self._slot = ViewSlot()
        super().__init__(run_window, (self._slot.memory, title, size_px), name="viewer")

    def show(
        self,
        result: Result,
        image_bgr: UInt8[ndarray, "h w 3"] | None = None,
        status: Status | None = None,
    ) -> None:
        """Hands over the newest result, its frame's picture as it was captured, and how the run is doing. Never waits.

        The window draws the skeletons on the picture and mirrors it. While a run is paused, show the last frame again
        whenever the status changes.
        """
        if self.closed:
            return
        if image_bgr is not None:
            self._slot.write_picture(result, image_bgr)
        self._slot.write(result, status)

    def commands(self) -> list[Command]:
        """What the person pressed since the last call, in order. Quitting is not among them: see `closed`."""
        return self._slot.commands()

    @property
    def drawn(self) -> int:
        """How many results the window has drawn; those it had no time for are left out."""
        return self._slot.drawn

    def _ask_to_stop(self) -> None:
        self._slot.stop = True

    def _complaint(self) -> str | None:
        return self._slot.failure


def open_viewer(*, title: str = "pose", size_px: tuple[int, int] | None = None) -> Viewer | None:
    """The window, or None where there is no screen: say `NO_SCREEN` then. It opens in the background in some seconds.

    A program that calls this needs `if __name__ == "__main__":` around its start, as always with processes.
    """
    return Viewer(title=title, size_px=size_px or default_size()) if has_screen() else None


def default_size() -> tuple[int, int]:
    """Width and height of a new window: smaller where no graphics card draws it."""
    if not sys.platform.startswith("linux"):
        return SIZE_PX
    cards = [*Path("/dev/dri").glob("renderD*"), *Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")]
    return SIZE_PX if cards else SIZE_WITHOUT_CARD_PX
