"""A plain window that shows pictures and hears keys, in a process of its own: OpenCV's, for commands that need no 3D.

The program and the window's process share one picture and a ring of keys; nobody waits for the other. A process of its
own because a stalled window must not stop a camera, and because Qt ends the whole process where a screen goes away.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.viewer.display import obstacle
from realtime.viewer.process import WindowProcess

PICTURE_SIZE = (1280, 960)  # the largest picture; larger ones are shrunk
WINDOW_PX = (1100, 760)  # a new window is at most so large
RING = 16  # keys between two looks of the program; older ones are lost
KEY_WAIT_MS = 15
ESCAPE = 27

_LAYOUT = np.dtype(
    [
        ("written", np.uint64),
        ("taken", np.uint64),
        ("size", np.int32, 2),
        ("bgr", np.uint8, PICTURE_SIZE[0] * PICTURE_SIZE[1] * 3),
        ("keys", np.uint64),
        ("ring", np.int32, RING),
        ("stop", np.uint8),
        ("failure", "S300"),
    ],
    align=True,
)


class Preview(WindowProcess):
    """The window as the program sees it. Where it cannot open, `failure` says why and `closed` is True."""

    def __init__(self, title: str) -> None:
        memory = multiprocessing.get_context("spawn").RawArray("B", _LAYOUT.itemsize)
        self._at = np.frombuffer(memory, dtype=_LAYOUT, count=1)
        self._keys_read = 0
        super().__init__(_run, (memory, title), name="preview")

    @property
    def wants(self) -> bool:
        """Whether the window has room for a picture: one that it would not show need not be drawn."""
        return not self.closed and bool(self._at["written"][0] == self._at["taken"][0])

    def show(self, image_bgr: UInt8[ndarray, "h w 3"]) -> None:
        """Hands a picture over, or does nothing where the window has not taken the last one. Never waits."""
        if not self.wants:
            return
        scale = min(PICTURE_SIZE[0] / image_bgr.shape[1], PICTURE_SIZE[1] / image_bgr.shape[0], 1.0)
        if scale < 1:
            image_bgr = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = image_bgr.shape[:2]
        self._at["size"][0] = width, height
        self._at["bgr"][0, : image_bgr.size] = image_bgr.ravel()
        self._at["written"] += 1

    def keys(self) -> list[str]:
        """What was pressed since the last call: letters in lower case, `esc`, `space`."""
        count = int(self._at["keys"][0])
        first = max(self._keys_read, count - RING)
        self._keys_read = count
        return [_name(int(self._at["ring"][0, n % RING])) for n in range(first, count)]

    @property
    def shown(self) -> int:
        """How many pictures the window has taken."""
        return int(self._at["taken"][0])

    def _ask_to_stop(self) -> None:
        self._at["stop"] = 1

    def _complaint(self) -> str | None:
        return bytes(self._at["failure"][0]).decode(errors="ignore") or None


def _name(key: int) -> str:
    return {ESCAPE: "esc", 32: "space"}.get(key, chr(key).lower() if 32 < key < 127 else str(key))


def _run(memory: Any, title: str) -> None:
    """The window's process: ends with the window, when the program says stop, or with the program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    at = np.frombuffer(memory, dtype=_LAYOUT, count=1)
    if (why := obstacle()) is not None:
        _fail(at, why)
    os.environ.setdefault("QT_LOGGING_RULES", "*=false")  # Qt misses fonts that OpenCV draws without
    try:
        _loop(at, title)
    except cv2.error as error:  # a build of OpenCV without windows, or no room for one
        _fail(at, str(error))


def _fail(at: ndarray, why: str) -> None:
    text = f"the window cannot be shown: {' '.join(why.split())}"
    at["failure"] = text.encode()[: _LAYOUT["failure"].itemsize]
    sys.exit(1)


def _loop(at: ndarray, title: str) -> None:
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    parent, first = multiprocessing.parent_process(), True
    while not at["stop"][0] and (parent is None or parent.is_alive()):
        if at["written"][0] != at["taken"][0]:
            image = _taken(at)
            if first:
                scale = min(WINDOW_PX[0] / image.shape[1], WINDOW_PX[1] / image.shape[0])
                cv2.resizeWindow(title, round(image.shape[1] * scale), round(image.shape[0] * scale))
            cv2.imshow(title, image)
            first = False
        key = cv2.waitKey(KEY_WAIT_MS)
        if key >= 0:
            count = int(at["keys"][0])
            at["ring"][0, count % RING] = key & 0xFF
            at["keys"] = count + 1
        if not first and not _visible(title):  # it was closed by hand
            return
        time.sleep(0.001)


def _visible(title: str) -> bool:
    try:
        return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt's way to say that the last window is gone
        return False


def _taken(at: ndarray) -> UInt8[ndarray, "h w 3"]:
    width, height = (int(n) for n in at["size"][0])
    image = at["bgr"][0, : width * height * 3].reshape(height, width, 3).copy()
    at["taken"][0] = at["written"][0]
    return image
