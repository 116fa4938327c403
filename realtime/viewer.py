"""The window as the program sees it: a process of its own that can stall, crash or be closed without harm."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.result import Result
from realtime.viewer_slot import ViewSlot
from realtime.viewer_window import run_window

NO_SCREEN = "no screen: running headless"
CLOSE_WAIT_S = 2.0
# where a person stands whose distance nobody knows
UNKNOWN_ROOT_M = (0.0, 0.0, 3.0)


class Viewer:
    """A window with the skeletons in space and the picture beside them. Made by `open_viewer`."""

    def __init__(self, *, title: str, size_px: tuple[int, int]) -> None:
        self._slot = ViewSlot()
        # spawn: a fork would carry the engine's threads and locks along
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(
            target=run_window, args=(self._slot.memory, title, size_px), name="viewer", daemon=True
        )
        self._process.start()
        self._open = True

    def show(self, result: Result, picture_bgr: UInt8[ndarray, "h w 3"] | None = None) -> None:
        """Hands over the newest result and picture (drawn on as you like). Never waits."""
        if self.closed:
            return
        poses = [p.offsets_m + (UNKNOWN_ROOT_M if p.root_m is None else p.root_m) for p in result.people]
        self._slot.write(np.array(poses, np.float32).reshape(-1, 16, 3), picture_bgr)

    @property
    def closed(self) -> bool:
        """Whether there is no window any more: closed by the person, by `close`, or crashed."""
        return not (self._open and self._process.is_alive())

    @property
    def drawn(self) -> int:
        """How many results the window has drawn; those it had no time for are left out."""
        return self._slot.drawn

    @property
    def failure(self) -> str | None:
        """Why the window went away, if nobody closed it."""
        if self._slot.failure or not self._open or self._process.is_alive() or not self._process.exitcode:
            return self._slot.failure
        return f"the window's process ended with status {self._process.exitcode}"

    def close(self) -> None:
        """Closes the window and waits for its process to end; may be called twice."""
        if not self._open:
            return
        self._slot.stop = True
        self._process.join(CLOSE_WAIT_S)
        if self._process.is_alive():
            self._process.kill()  # stalled: it would not heed a milder word
            self._process.join()
        self._open = False

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_viewer(*, title: str = "pose", size_px: tuple[int, int] = (1280, 720)) -> Viewer | None:
    """The window, or None where there is no screen: say `NO_SCREEN` then. It opens in the background in some seconds.

    A program that calls this needs `if __name__ == "__main__":` around its start, as always with processes.
    """
    return Viewer(title=title, size_px=size_px) if has_screen() else None


def has_screen() -> bool:
    """Whether a window can be opened. On Linux the display must answer: Open3D would draw unseen otherwise."""
    if not sys.platform.startswith("linux"):
        return True
    if os.environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(os.environ.get("DISPLAY")) and _x_answers()


def _x_answers() -> bool:
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False  # the window needs the same library
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)
