"""The process of the window: its loop, and the window itself. Open3D is imported nowhere else.

Axes are the camera's: x right, y down, z forward.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.errors import library_advice
from realtime.viewer.display import obstacle
from realtime.viewer.keys import Action, listen
from realtime.viewer.slot import COMMANDS, Picture, View, ViewSlot
from realtime.viewer.stage_set import StageSet

SCREENSHOTS = Path("screenshots")
NOTE_S = 4.0
IDLE_S = 0.004
# after a drawing the process rests at least this share of the CPU time that it took: three quarters of a core at most
REST_SHARE = 0.33
PARENT_EVERY_S = 0.25
M_MMAP_THRESHOLD, LARGE_BYTES = -3, 1 << 16  # of glibc's malloc.h; smaller than any texture


def run_window(memory: Any, title: str, size_px: tuple[int, int]) -> None:
    """The process: shows what comes until the window is closed, the program says stop, or the program is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then closes this window
    slot = ViewSlot(memory)
    _return_memory()
    try:
        window = Window(title, size_px, slot)
        _loop(window, slot)
        window.close()
    except RuntimeError as error:
        slot.failure = f"the window cannot be shown: {error}"
        sys.exit(1)
    except ImportError as error:
        slot.failure = f"the window cannot be shown: {library_advice(error) or error}"
        sys.exit(1)
    except Exception as error:  # noqa: BLE001 - handed over: the program reads it as `Viewer.failure`
        slot.failure = f"the window cannot be shown: {type(error).__name__}: {error}"
        sys.exit(1)


def _return_memory() -> None:
    """Has glibc give large blocks back at once: else the textures of each drawing leave holes, 0.15 MB every time."""
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def _loop(window: Window, slot: ViewSlot) -> None:
    parent, asked_s = multiprocessing.parent_process(), -np.inf
    while not slot.stop:
        begin_s, begin_cpu_s = time.monotonic(), time.process_time()
        if begin_s - asked_s > PARENT_EVERY_S:
            if parent is not None and not parent.is_alive():
                return
            asked_s = begin_s
        view = slot.read()
        changed = window.update(view, slot.read_picture(), begin_s)
        if not window.refresh():
            return
        if view is not None:
            slot.count_drawn()
        drawn_s = time.process_time() - begin_cpu_s if changed else 0.0
        time.sleep(max(IDLE_S, REST_SHARE * drawn_s))


class Window:
    """An Open3D `Visualizer` with keys. `slot` gets those that are the program's to obey."""

    def __init__(self, title: str, size_px: tuple[int, int], slot: ViewSlot | None = None) -> None:
        if (why := obstacle()) is not None:
            raise RuntimeError(why)
        import open3d

        open3d.utility.set_verbosity_level(open3d.utility.VerbosityLevel.Error)
        self._vis = open3d.visualization.VisualizerWithKeyCallback()
        if not self._vis.create_window(title, *size_px):
            raise RuntimeError("Open3D opened none on this screen; use --view none")
        self._slot = slot
        self._pressed: list[Action] = []
        self._quit = False
        self._note_until_s = -np.inf
        self._live = False
        self.set = StageSet(open3d, self._vis, title)
        listen(self._vis, self.press)

    def press(self, action: Action) -> None:
        """As if the key had been pressed; `update` obeys."""
        self._pressed.append(action)

    def update(self, view: View | None, picture: Picture | None, now_s: float) -> bool:
        """Takes what came, obeys the keys, and moves everything to a new state: whether anything changed.

        `refresh` shows it.
        """
        if view is not None and view.status is not None:
            self._live = view.status.live
        pressed, self._pressed = self._pressed, []
        for action in pressed:
            self._obey(action, now_s)
        if self.set.note and now_s > self._note_until_s:
            self.set.note = ""
        return self.set.update(view, picture, now_s, hurry=bool(pressed))

    def refresh(self) -> bool:
        """Lets the window live: mouse, keys, drawing where something changed. False once it is closed."""
        return self._vis.poll_events() and not self._quit

    def picture(self) -> UInt8[ndarray, "h w 3"]:
        """What the window shows, RGB."""
        return (np.asarray(self._vis.capture_screen_float_buffer(True)) * 255).astype(np.uint8)

    def close(self) -> None:
        """Closes the window."""
        self._vis.destroy_window()

    def _obey(self, action: Action, now_s: float) -> None:
        if action == "quit":
            self._quit = True
        elif action == "screenshot":
            self._screenshot(now_s)
        elif not (self._live and action in ("pause", "step")):  # a camera cannot wait
            self.set.toggle(action, now_s)
            if action in COMMANDS and self._slot is not None:
                self._slot.command(action)

    def _screenshot(self, now_s: float) -> None:
        path = SCREENSHOTS / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.png"
        if path.exists():  # a key can be pressed twice in a second
            path = SCREENSHOTS / f"{datetime.now():%Y-%m-%d_%H-%M-%S_%f}.png"
        try:
            SCREENSHOTS.mkdir(exist_ok=True)
            written, png = cv2.imencode(".png", self.picture()[..., ::-1])
            assert written
            path.write_bytes(png.tobytes())
            self.set.note = f"saved {path}"
        except OSError as error:
            self.set.note = f"{path} cannot be written: {error.strerror}"
        self._note_until_s = now_s + NOTE_S
