"""Calibration boards: a chessboard by its inner corners, or a ChArUco board by its squares.

Board axes: x along a row of corners, y down the rows, z into the board; the first corner is the origin. Metres.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.errors import UserError

CORNERS_MIN, CORNERS_MAX = 3, 40
DICTIONARY = "4X4_50"


@dataclass(frozen=True, slots=True)
class Board:
    """A planar target. `columns` and `rows` count inner corners, for both kinds."""

    kind: Literal["chessboard", "charuco"]
    columns: int
    rows: int
    square_m: tuple[float, float]  # along x and along y: printers stretch
    marker_m: float | None = None  # charuco: side of a marker
    dictionary: str = DICTIONARY  # charuco: OpenCV's name without DICT_

    def __post_init__(self) -> None:
        if not (CORNERS_MIN <= self.columns <= CORNERS_MAX and CORNERS_MIN <= self.rows <= CORNERS_MAX):
            raise UserError(f"a board has {CORNERS_MIN} to {CORNERS_MAX} inner corners a side, not {self.size_text}")
        if not all(0 < side < float("inf") for side in self.square_m):
            raise UserError(f"a square has a positive side, not {min(self.square_m) * 1000:g} mm")
        if self.kind == "charuco" and not 0 < (self.marker_m or 0) < min(self.square_m):
            raise UserError("the marker of a ChArUco board is smaller than its square; give --marker MM")
        if self.kind == "charuco" and not hasattr(cv2.aruco, f"DICT_{self.dictionary}"):
            raise UserError(f"there are no markers named {self.dictionary}; OpenCV knows 4X4_50, 5X5_100, 6X6_250 ...")

    @property
    def size_text(self) -> str:
        """As a person types it: inner corners of a chessboard, squares of a ChArUco board."""
        if self.kind == "charuco":
            dictionary = "" if self.dictionary == DICTIONARY else f":{self.dictionary}"
            return f"charuco:{self.columns + 1}x{self.rows + 1}{dictionary}"
        return f"{self.columns}x{self.rows}"

    @property
    def symmetric(self) -> bool:
        """Whether half a turn brings the board onto itself: then two cameras may read it the opposite way round."""
        return self.kind == "chessboard" and (self.columns - self.rows) % 2 == 0

    def points_m(self) -> Float64[ndarray, "corners 3"]:
        """The inner corners, row by row, z = 0."""
        x, y = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        flat = np.column_stack([x.ravel() * self.square_m[0], y.ravel() * self.square_m[1], np.zeros(x.size)])
        return flat.astype(np.float64)


def parse_board(text: str, *, square_mm: float, marker_mm: float | None = None) -> Board:
    """`9x6` (inner corners), `charuco:7x5` (squares) or `charuco:7x5:5X5_100`. UserError says what is understood."""
    found = re.fullmatch(r"(?:(\d+)x(\d+)|charuco:(\d+)x(\d+)(?::(?:dict_)?(\w+))?)", text.strip().lower())
    if not found:
        raise UserError(f"--board {text} is not understood; give inner corners as 9x6, or squares as charuco:7x5")
    square_m = square_mm / 1000
    if found[1]:
        return Board("chessboard", int(found[1]), int(found[2]), (square_m, square_m))
    marker_m = (0.75 * square_mm if marker_mm is None else marker_mm) / 1000
    dictionary = _dictionary_name(found[5]) if found[5] else DICTIONARY
    return Board("charuco", int(found[3]) - 1, int(found[4]) - 1, (square_m, square_m), marker_m, dictionary)


def _dictionary_name(text: str) -> str:
    """OpenCV's spelling: APRILTAG_36h11 has small letters in it."""
    names = {name.lower(): name for name in dir(cv2.aruco) if name.startswith("DICT_")}
    return names.get(f"dict_{text}", text).removeprefix("DICT_")
