"""Which board a picture shows when nobody has said so: chessboards by their corners, ChArUco boards by their markers.

Marker numbers run row by row over the white squares, so their places tell how many squares a row has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from calib import charuco, chessboard
from calib.board import CORNERS_MAX, CORNERS_MIN, Board

# the largest of each family: its first markers are those of the smaller ones
FAMILIES = ("4X4_1000", "5X5_1000", "6X6_1000", "7X7_1000", "APRILTAG_36h11", "ARUCO_MIP_36h12", "ARUCO_ORIGINAL")
NESTED = (50, 100, 250, 1000)
MARKERS_MIN = 6  # fewer fit several layouts
SQUARES_MAX = 16  # in a row
MISFIT_MAX = 0.12  # of a marker's side: mean distance of its corners from their places
MISPLACED = 0.5  # of its side: a marker whose corners lie so far from their places was misread
CLEARLY = 2.0  # how much worse every other layout must fit
RATIOS = np.arange(0.5, 0.95, 0.025)  # marker to square
CHESSBOARD_PX = (640, 1280)  # longer sides of the picture in which a chessboard of any size is looked for


@dataclass(frozen=True, slots=True)
class Recognised:
    """A board as far as a picture tells: not how large its squares are."""

    kind: Literal["chessboard", "charuco"]
    columns: int  # inner corners
    rows: int  # charuco: at least so many; the lowest rows may be out of the picture
    marker_ratio: float | None = None  # charuco: marker to square
    dictionary: str | None = None  # charuco: the smallest that holds its markers
    inverted: bool = False
    mirrored: bool = False
    legacy: bool = False

    def board(self, square_m: float) -> Board:
        """The same with squares of this side."""
        sides = (square_m, square_m)
        if self.kind == "chessboard" or self.dictionary is None:
            return Board("chessboard", self.columns, self.rows, sides)
        marker_m = square_m * (self.marker_ratio or 0.75)
        return Board("charuco", self.columns, self.rows, sides, marker_m, self.dictionary)

    @property
    def size_text(self) -> str:
        """As a person types it after --board."""
        return self.board(1.0).size_text


def recognise(gray: UInt8[ndarray, "h w"]) -> Recognised | None:
    """The board in a grey picture; None where none is seen whole enough to tell."""
    return recognise_charuco(gray) or recognise_chessboard(gray)


def recognise_chessboard(gray: UInt8[ndarray, "h w"]) -> Recognised | None:
    """A chessboard of at least 3 by 3 inner corners."""
    grid = largest_anywhere(gray)
    if grid is None:
        return None
    rows, columns = grid.shape[:2]
    return Recognised("chessboard", max(columns, rows), min(columns, rows))


def recognise_charuco(gray: UInt8[ndarray, "h w"], *, thorough: bool = True) -> Recognised | None:
    """A ChArUco board of which at least six markers in two rows are seen; `thorough` also doubles the picture."""
    for scale in charuco.scales(gray, thorough):
        for family in FAMILIES:
            markers = charuco.read_markers(gray, family, scale)
            if markers is None or len(markers.ids) < MARKERS_MIN or (fit := _best_layout(markers)) is None:
                continue
            named = _named(markers, fit, family)
            if fit.placed.sum() >= MARKERS_MIN and CORNERS_MIN <= named.rows <= CORNERS_MAX:
                return named
    return None


def largest_anywhere(gray: UInt8[ndarray, "h w"]) -> chessboard.Grid | None:
    """The largest chessboard that is found at any of the scales."""
    views_px = sorted({min(view_px, max(gray.shape)) for view_px in CHESSBOARD_PX})
    grids = [grid for view_px in views_px if (grid := chessboard.largest(gray, view_px)) is not None]
    return max(grids, key=lambda grid: grid.size, default=None)


@dataclass(frozen=True, slots=True)
class _Fit:
    squares: int  # in a row
    white_first: bool  # whether the upper left square is white
    ratio: float
    misfit: float
    placed: Bool[ndarray, "markers"]  # those that lie where the layout puts them: others were misread


def _named(markers: charuco.Markers, fit: _Fit, family: str) -> Recognised:
    last = int(_places(markers.ids[fit.placed], fit.squares, fit.white_first)[:, 1].max(initial=0))
    squares_y = last + 1 + (fit.white_first and last % 2 == 0)  # the old layout begins white for even rows alone
    name, _, size = family.rpartition("_")
    if size == "1000":
        count = fit.squares * squares_y // 2
        family = f"{name}_{min(size for size in NESTED if size >= min(count, NESTED[-1]))}"
    return Recognised(
        "charuco",
        fit.squares - 1,
        squares_y - 1,
        marker_ratio=fit.ratio,
        dictionary=family,
        inverted=markers.side.inverted,
        mirrored=markers.side.mirrored,
        legacy=fit.white_first,
    )


def _best_layout(markers: charuco.Markers) -> _Fit | None:
    """The number of squares in a row and the first one's colour that put all markers on one plane."""
    fits = [
        fit
        for squares in range(4, SQUARES_MAX + 1)
        for white_first in (False, True)
        if (fit := _fit(markers, squares, white_first)) is not None
    ]
    fits.sort(key=lambda fit: fit.misfit)
    if not fits or fits[0].misfit > MISFIT_MAX:
        return None
    if len(fits) > 1 and fits[1].misfit < CLEARLY * fits[0].misfit:
        return None
    return fits[0]


def _fit(markers: charuco.Markers, squares: int, white_first: bool) -> _Fit | None:
    """How well one layout holds; None where the markers stand in one line of it."""
    middles = _places(markers.ids, squares, white_first) + 0.5
    if np.linalg.matrix_rank(middles - middles.mean(axis=0), tol=1e-6) < 2:
        return None
    H, _ = cv2.findHomography(middles, markers.corners.mean(axis=1), cv2.RANSAC, 3.0 * markers.side.scale)
    if H is None:
        return None
    around = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    side_px = np.linalg.norm(np.diff(markers.corners, axis=1), axis=-1).mean(axis=1)
    best, placed = (np.inf, 0.0), np.zeros(len(middles), dtype=bool)
    for ratio in RATIOS:
        places = middles[:, None] + ratio * around
        px = cv2.perspectiveTransform(places.reshape(-1, 1, 2), H).reshape(-1, 4, 2)
        off = np.linalg.norm(px - markers.corners, axis=-1).mean(axis=1) / side_px
        misfit = float(np.minimum(off, 1).mean())
        if misfit < best[0]:
            best, placed = (misfit, float(ratio)), off < MISPLACED
    # OpenCV's corners of a marker lie on its outermost black pixels, half a pixel inside of its outline
    ratio = best[1] * (1 + 1 / float(np.median(side_px)))
    return _Fit(squares, white_first, ratio, best[0], placed)


def _places(ids: ndarray, squares: int, white_first: bool) -> ndarray:
    """Column and row of the white square that each marker stands in; (n, 2) as floats."""
    first = (squares + white_first) // 2  # white squares in an even row
    pair, rest = np.divmod(ids, squares)  # two rows hold as many white squares as one row has squares
    lower = rest >= first
    within = np.where(lower, rest - first, rest)
    column = 2 * within + (lower ^ (not white_first))
    return np.column_stack([column, 2 * pair + lower]).astype(np.float64)
