"""What looking for a board in a picture gives: its corners, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

Cause = Literal[
    "nothing",  # no sign of a board
    "other size",  # another number of corners or squares
    "other kind",  # a chessboard instead of a ChArUco board, or the reverse
    "mirrored",
    "blurred",
    "too far",
    "cut off",  # part of it is out of the picture, or covered
    "too dark",
    "too bright",
]


@dataclass(frozen=True, slots=True)
class Detection:
    """Corners of a board. ValueError where their numbers differ or a corner is not finite."""

    px: Float64[ndarray, "n 2"]  # whole picture, pixel centres are integers
    ids: Int64[ndarray, "n"]  # rows of board.points_m(), increasing
    mirrored: bool  # the picture shows the pattern mirrored; ids stay those of the front
    inverted: bool  # white on black
    legacy: bool  # ChArUco as OpenCV laid it out before 4.6
    size_px: tuple[int, int]  # width and height of the picture
    sharpness_px: float | None = None  # 10 to 90 % of an edge's rise; None where it was not measured
    square_px: float | None = None  # side of the smallest square; None where it was not measured
    dictionary: str | None = None  # charuco: of the markers that were read, OpenCV's name without DICT_

    def __post_init__(self) -> None:
        if self.px.shape != (len(self.ids), 2) or not np.isfinite(self.px).all():
            raise ValueError(f"each id needs one finite corner, got {self.px.shape = }, {len(self.ids) = }")


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why the board was not found, and what to do about it."""

    reason: Cause
    text: str  # one sentence
    found_size: tuple[int, int] | None = None  # inner corners, columns and rows, of the board that is there instead
