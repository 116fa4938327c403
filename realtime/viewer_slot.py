"""The newest result, in memory that the program and its window's process share. Newest wins, nobody waits.

One writer, one reader. The writer makes `sequence` odd, writes, and makes it even; a reader that sees it odd, or
changed under its hands, reads again.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

PEOPLE_MAX = 4
PICTURE_SIZE = (640, 480)  # the largest picture, width and height; larger ones are shrunk
READ_TRIES = 5

_LAYOUT = np.dtype(
    [
        ("sequence", np.uint64),
        ("stop", np.uint8),
        ("people", np.int32),
        ("joints_m", np.float32, (PEOPLE_MAX, 16, 3)),
        ("picture_size", np.int32, 2),
        ("picture_bgr", np.uint8, PICTURE_SIZE[0] * PICTURE_SIZE[1] * 3),
        ("drawn", np.uint64),
        ("failure", "S400"),
    ]
)


@dataclass(frozen=True, slots=True)
class View:
    """What the window draws."""

    joints_m: Float32[ndarray, "people 16 3"]  # camera axes
    picture_bgr: UInt8[ndarray, "h w 3"] | None


class ViewSlot:
    """A place for one `View`. Hand `memory` to the other process and make a second `ViewSlot` of it there."""

    def __init__(self, memory: Any = None) -> None:
        self.memory = RawArray("B", _LAYOUT.itemsize) if memory is None else memory
        self._at = np.frombuffer(self.memory, dtype=_LAYOUT, count=1)
        self._read_sequence = 0

    def write(self, joints_m: Float32[ndarray, "people 16 3"], picture_bgr: UInt8[ndarray, "h w 3"] | None) -> None:
        """Replaces what lies here; people past `PEOPLE_MAX` are left out."""
        count = min(len(joints_m), PEOPLE_MAX)
        small = None if picture_bgr is None else _shrunk(picture_bgr)
        self._at["sequence"] += 1
        self._at["people"] = count
        self._at["joints_m"][0, :count] = joints_m[:count]
        self._at["picture_size"][0] = (0, 0) if small is None else small.shape[1::-1]
        if small is not None:
            self._at["picture_bgr"][0, : small.size] = small.ravel()
        self._at["sequence"] += 1

    def read(self) -> View | None:
        """What lies here, or None where nothing came since the last read (or the writer is always in the middle)."""
        for _ in range(READ_TRIES):
            before = int(self._at["sequence"][0])
            if before == self._read_sequence:
                return None
            if before % 2:
                continue
            view = self._copy()
            if int(self._at["sequence"][0]) == before:
                self._read_sequence = before
                return view
        return None

    def _copy(self) -> View:
        count = int(self._at["people"][0])
        width, height = (int(n) for n in self._at["picture_size"][0])
        picture = self._at["picture_bgr"][0, : width * height * 3].reshape(height, width, 3).copy()
        return View(self._at["joints_m"][0, :count].copy(), picture if picture.size else None)

    @property
    def stop(self) -> bool:
        """Whether the window is asked to close."""
        return bool(self._at["stop"][0])

    @stop.setter
    def stop(self, value: bool) -> None:
        self._at["stop"] = value

    @property
    def drawn(self) -> int:
        """How many results the window has drawn."""
        return int(self._at["drawn"][0])

    def count_drawn(self) -> None:
        """One more."""
        self._at["drawn"] += 1

    @property
    def failure(self) -> str | None:
        """Why the window could not go on, one line."""
        text = bytes(self._at["failure"][0]).decode(errors="replace")
        return text or None

    @failure.setter
    def failure(self, text: str) -> None:
        self._at["failure"] = " ".join(text.split()).encode()[: _LAYOUT["failure"].itemsize]


def _shrunk(picture_bgr: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "h2 w2 3"]:
    height, width = picture_bgr.shape[:2]
    scale = min(PICTURE_SIZE[0] / width, PICTURE_SIZE[1] / height)
    if scale >= 1:
        return picture_bgr
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(picture_bgr, size, interpolation=cv2.INTER_AREA)
