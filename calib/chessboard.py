"""Chessboards in a picture, their corners in one order for all views.

A `Grid` is (rows, columns, 2), pixels. Its first corner touches the outer black square that stands at the upper left
when columns run to the right: a board that is not symmetric has one such corner, so every view names it alike.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

Grid = Float64[ndarray, "rows columns 2"]

QUICK = cv2.CALIB_CB_NORMALIZE_IMAGE
EXACT = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
PREVIEW_PX = 640  # longer side of the picture on which a board is looked for first
SIDE_MIN_PX = 48  # OpenCV raises on smaller pictures
CROP_SQUARES = 2.0  # around the corners: the outer squares and their white margin


def find(gray: UInt8[ndarray, "h w"], columns: int, rows: int) -> Grid | None:
    """The corners, as exactly as they can be had: first where the board is, then those in full resolution."""
    if min(gray.shape) < SIDE_MIN_PX:
        return None
    rough = find_quickly(gray, columns, rows)
    if rough is not None:
        left, top, right, bottom = _surroundings(rough, gray.shape)
        exact = _search(gray[top:bottom, left:right], columns, rows, EXACT)
        if exact is not None:
            return exact + np.array([left, top])
    return _search(gray, columns, rows, EXACT)


def find_quickly(gray: UInt8[ndarray, "h w"], columns: int, rows: int) -> Grid | None:
    """The corners in a reduced picture, then moved to the nearest saddle in the whole one: for a live preview."""
    if min(gray.shape) < SIDE_MIN_PX:
        return None
    small, scale = reduced(gray, PREVIEW_PX)
    grid = _search(small, columns, rows, QUICK)
    if grid is None or scale == 1:
        return grid
    return _refined(gray, (grid + 0.5) * scale - 0.5)


def largest(gray: UInt8[ndarray, "h w"]) -> Grid | None:
    """The largest board of at least 3 by 3 inner corners, whatever its size."""
    if min(gray.shape) < SIDE_MIN_PX:
        return None
    flags = QUICK | cv2.CALIB_CB_LARGER
    found, corners, meta = cv2.findChessboardCornersSBWithMeta(gray, (3, 3), flags)
    if not found:
        return None
    return canonical(gray, corners.reshape(*meta.shape[:2], 2).astype(np.float64))


def canonical(gray: UInt8[ndarray, "h w"], grid: Grid) -> Grid:
    """The same corners, columns clockwise before rows, from the corner at an outer black square.

    Of two equal ways to read a symmetric board the one whose columns run more to the right is taken.
    """
    (right, down) = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    if right[0] * down[1] - right[1] * down[0] < 0:
        grid = grid[:, ::-1]
    turns = (0, 2) if grid.shape[0] != grid.shape[1] else (0, 1, 2, 3)
    ways = [np.rot90(grid, turn) for turn in turns]
    black = [_first_is_black(gray, way) for way in ways]
    if any(black):
        ways = [way for way, is_black in zip(ways, black, strict=True) if is_black]
    return np.ascontiguousarray(max(ways, key=lambda way: _eastward(way)))


def sharpness_px(gray: UInt8[ndarray, "h w"], grid: Grid) -> float | None:
    """Width of the edges' rise from 10 to 90 %, the worse of both directions; None where it cannot be measured."""
    rows, columns = grid.shape[:2]
    corners = np.ascontiguousarray(grid.reshape(-1, 1, 2), dtype=np.float32)
    widths = []
    for vertical in (False, True):
        (width, *_), _ = cv2.estimateChessboardSharpness(gray, (columns, rows), corners, 0.8, vertical)
        widths.append(float(width))
    worst = max(widths)
    return worst if np.isfinite(worst) and worst > 0 else None


def square_px(grid: Grid) -> float:
    """The side of the smallest square."""
    return float(min(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).min() for axis in (0, 1)))


def reduced(gray: UInt8[ndarray, "h w"], longer_side_px: int) -> tuple[UInt8[ndarray, "sh sw"], float]:
    """The picture with at most this longer side, and how many of its pixels one of the new ones spans."""
    scale = max(gray.shape) / longer_side_px
    if scale <= 1:
        return gray, 1.0
    h, w = gray.shape
    small = cv2.resize(gray, (round(w / scale), round(h / scale)), interpolation=cv2.INTER_AREA)
    return small, scale


def _search(gray: UInt8[ndarray, "h w"], columns: int, rows: int, flags: int) -> Grid | None:
    if min(gray.shape) < SIDE_MIN_PX:
        return None
    found, corners = cv2.findChessboardCornersSB(np.ascontiguousarray(gray), (columns, rows), flags=flags)
    if not found:
        return None
    return canonical(gray, corners.reshape(rows, columns, 2).astype(np.float64))


def _refined(gray: UInt8[ndarray, "h w"], grid: Grid) -> Grid:
    half = int(np.clip(square_px(grid) / 3, 2, 8))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01)
    corners = np.ascontiguousarray(grid.reshape(-1, 1, 2), dtype=np.float32)
    return cv2.cornerSubPix(gray, corners, (half, half), (-1, -1), criteria).reshape(grid.shape).astype(np.float64)


def _surroundings(grid: Grid, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the corners with their outer squares and some white."""
    square = max(np.linalg.norm(np.diff(grid, axis=axis), axis=-1).max() for axis in (0, 1))
    low = np.maximum(np.floor(grid.min(axis=(0, 1)) - CROP_SQUARES * square), 0).astype(int)
    high = np.minimum(np.ceil(grid.max(axis=(0, 1)) + CROP_SQUARES * square) + 1, shape[1::-1]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _first_is_black(gray: UInt8[ndarray, "h w"], grid: Grid) -> bool:
    """Whether the squares of the first one's colour are the darker ones."""
    middles = (grid[:-1, :-1] + grid[:-1, 1:] + grid[1:, :-1] + grid[1:, 1:]) / 4
    levels = cv2.remap(gray, middles.astype(np.float32), np.empty(0), cv2.INTER_LINEAR)
    even = np.add.outer(np.arange(levels.shape[0]), np.arange(levels.shape[1])) % 2 == 0
    return float(levels[even].mean()) < float(levels[~even].mean())


def _eastward(grid: Grid) -> float:
    along = grid[0, -1] - grid[0, 0]
    return float(along[0] / np.linalg.norm(along))
