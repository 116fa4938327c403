"""Chessboards in a picture, their corners in one order for all views.

A `Grid` is (rows, columns, 2), pixels. Its first corner touches the outer black square that stands at the upper left
when columns run to the right: a board that is not symmetric has one such corner, so every view names it alike.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from calib.board import CORNERS_MAX

Grid = Float64[ndarray, "rows columns 2"]

NORMALIZED, EXHAUSTIVE = cv2.CALIB_CB_NORMALIZE_IMAGE, cv2.CALIB_CB_EXHAUSTIVE
QUICK = (NORMALIZED, 0)  # normalising helps flat pictures and harms infrared ones: each finds what the other misses
PATIENT = (NORMALIZED, 0, NORMALIZED | EXHAUSTIVE, EXHAUSTIVE)
PREVIEW_PX = 640  # longer side of the picture on which a board is looked for first
SIDE_MIN_PX = 48  # OpenCV raises on smaller pictures
SEED = (3, 3)  # corners of the least piece of a board
WINDOW = 2.7  # squares per half window of the sub-pixel search: larger ones reach the next edge
WINDOW_PX = (2, 11)
BEYOND = 1.3  # squares from the outer corners: in the margin that every board has
MOVED_MAX = 0.3  # of a square: a corner that the sub-pixel search takes farther was none
BESIDE = 0.35  # of a square from a corner, where its four squares are compared
CONTRAST_MIN = 0.2  # of the board's, at every corner
SHARPNESS_SQUARE_PX = 12
CARRIED_ON = 0.95  # of the squares beyond a line of corners look as a board that goes on


def find(gray: UInt8[ndarray, "h w"], columns: int, rows: int) -> Grid | None:
    """The corners of a board of this size: of the reduced picture, else the whole one, else pieces that are grown."""
    if (grid := find_quickly(gray, columns, rows)) is not None:
        return grid
    for flags in PATIENT:
        grid = _search(gray, columns, rows, flags)
        if grid is not None and (whole := _accepted(gray, grid, columns, rows)) is not None:
            return whole
    for view_px in (max(gray.shape), PREVIEW_PX):
        grid = largest(gray, view_px)
        if grid is not None and fits(grid, columns, rows):
            return _turned(gray, grid, columns, rows)
    return None


def find_quickly(gray: UInt8[ndarray, "h w"], columns: int, rows: int) -> Grid | None:
    """The corners found in a reduced picture and refined in the whole one: for a live preview."""
    small, scale = reduced(gray, PREVIEW_PX)
    for flags in QUICK:
        grid = _search(small, columns, rows, flags)
        if grid is not None:
            return _accepted(gray, refined(gray, (grid + 0.5) * scale - 0.5), columns, rows)
    return None


def largest(gray: UInt8[ndarray, "h w"], view_px: int = PREVIEW_PX) -> Grid | None:
    """The largest board whatever its size, looked for in a picture reduced to this longer side."""
    small, scale = reduced(gray, view_px)
    grids = []
    for flags in QUICK:
        grid = _search(small, *SEED, flags | cv2.CALIB_CB_LARGER)
        if grid is not None:
            piece = refined(gray, (grid + 0.5) * scale - 0.5)
            grids += [way for way in (piece, grown(gray, piece)) if alternates(gray, way)]
    return canonical(gray, max(grids, key=lambda grid: grid.size)) if grids else None


def fits(grid: Grid, columns: int, rows: int) -> bool:
    """Whether a board has this size, whichever way round."""
    return sorted(grid.shape[:2]) == sorted((columns, rows))


def grown(gray: UInt8[ndarray, "h w"], grid: Grid) -> Float64[ndarray, "r c 2"]:
    """A piece of a board carried on to all sides for as long as its squares alternate.

    OpenCV also finds a small board in a larger one, and with CALIB_CB_LARGER often only a piece of it.
    """
    stuck = 0
    while stuck < 4 and max(grid.shape) < CORNERS_MAX:
        line = _next_line(gray, grid)
        stuck = 0 if line is not None else stuck + 1
        if line is not None:
            grid = np.concatenate([line[None], grid])
        grid = np.rot90(grid)
    return np.ascontiguousarray(grid)


def _next_line(gray: UInt8[ndarray, "h w"], grid: Grid) -> Float64[ndarray, "columns 2"] | None:
    """The corners above the first row, where the board goes on there."""
    line = 3 * grid[0] - 3 * grid[1] + grid[2]
    beyond = line + (line - grid[0]) / 2
    if (np.minimum(line, beyond) < 0).any() or (np.maximum(line, beyond) > np.array(gray.shape[::-1]) - 1).any():
        return None
    with_line = np.concatenate([line[None], grid[:2]])
    line = refined(gray, with_line)[0]
    beyond = (line[:-1] + line[1:]) / 2 + (line - grid[0])[:-1] / 4 + (line - grid[0])[1:] / 4
    middles = squares(np.concatenate([line[None], grid[:2]]))
    other, alike = levels_at(gray, middles).astype(float)
    level = levels_at(gray, beyond).astype(float)
    goes_on = np.abs(level - alike) < np.abs(level - other)
    return line if goes_on.mean() > CARRIED_ON else None


def refined(gray: UInt8[ndarray, "h w"], grid: Grid) -> Grid:
    """Corners moved to the saddle of grey levels nearby: half the error of what the search gives."""
    side_px = square_px(grid)
    half = int(np.clip(side_px / WINDOW, *WINDOW_PX))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 0.001)
    corners = np.ascontiguousarray(grid.reshape(-1, 1, 2), dtype=np.float32)
    exact = cv2.cornerSubPix(gray, corners, (half, half), (-1, -1), criteria).reshape(grid.shape).astype(np.float64)
    moved = np.linalg.norm(exact - grid, axis=-1, keepdims=True)
    return np.where(moved < MOVED_MAX * side_px + 1, exact, grid)


def alternates(gray: UInt8[ndarray, "h w"], grid: Grid) -> bool:
    """Whether black and white meet crosswise at every corner: OpenCV also guesses corners that a hand covers."""
    down, right = np.gradient(grid, axis=0), np.gradient(grid, axis=1)
    across = [levels_at(gray, grid + BESIDE * (a * right + b * down)).astype(float) for a, b in ((1, 1), (-1, -1))]
    beside = [levels_at(gray, grid + BESIDE * (a * right + b * down)).astype(float) for a, b in ((1, -1), (-1, 1))]
    sign = np.where(np.add.outer(np.arange(grid.shape[0]), np.arange(grid.shape[1])) % 2 == 0, 1.0, -1.0)
    contrast = sign * (sum(across) - sum(beside)) / 2
    typical = float(np.median(contrast))
    return abs(typical) > 2 and bool((contrast / typical > CONTRAST_MIN).all())


def squares(grid: Grid) -> Float64[ndarray, "r c 2"]:
    """The middles of the squares between the corners."""
    return (grid[:-1, :-1] + grid[:-1, 1:] + grid[1:, :-1] + grid[1:, 1:]) / 4


def canonical(gray: UInt8[ndarray, "h w"], grid: Grid) -> Float64[ndarray, "r c 2"]:
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
    low = np.maximum(np.floor(grid.min(axis=(0, 1))).astype(int) - 2, 0)
    high = np.ceil(grid.max(axis=(0, 1))).astype(int) + 3
    scale = 1 if square_px(grid) > SHARPNESS_SQUARE_PX else 3  # OpenCV measures no edge of a small square
    part = gray[low[1] : high[1], low[0] : high[0]]
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    corners = ((grid - low + 0.5) * scale - 0.5).reshape(-1, 1, 2).astype(np.float32)
    widths = []
    for vertical in (False, True):
        measured, _ = cv2.estimateChessboardSharpness(part, (columns, rows), corners, 0.8, vertical)
        widths.append(float(np.ravel(measured)[0]) / scale)
    return max(widths) if 0 < max(widths) < max(gray.shape) else None


def ring(grid: Grid, out: float) -> Float64[ndarray, "n 2"]:
    """Points beside the outer corners, so many squares outside of them, carried on in straight lines."""
    turned = [np.rot90(grid, turn) for turn in range(4)]
    lines = [side[0] + out * (side[0] - side[1]) for side in turned]
    return np.concatenate([(line[:-1] + line[1:]) / 2 for line in lines])


def frame(gray: UInt8[ndarray, "h w"], grid: Grid) -> Float64[ndarray, "n"]:
    """How white it is beyond the outer squares: 0 as a black square, 1 as a white one."""
    black, white = np.percentile(levels_at(gray, squares(grid)), (15, 85))
    return (levels_at(gray, ring(grid, BEYOND)) - black) / max(white - black, 1.0)


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
    """What OpenCV finds, refined."""
    if min(gray.shape) < SIDE_MIN_PX:
        return None
    found, corners, meta = cv2.findChessboardCornersSBWithMeta(gray, (columns, rows), flags)
    if not found:
        return None
    return refined(gray, corners.reshape(*meta.shape[:2], 2).astype(np.float64))


def _accepted(gray: UInt8[ndarray, "h w"], grid: Grid, columns: int, rows: int) -> Float64[ndarray, "r c 2"] | None:
    """A board of this size that ends where it should and shows all its corners."""
    grid = grown(gray, grid)
    return _turned(gray, grid, columns, rows) if fits(grid, columns, rows) and alternates(gray, grid) else None


def _turned(gray: UInt8[ndarray, "h w"], grid: Grid, columns: int, rows: int) -> Float64[ndarray, "r c 2"]:
    """The corners in canonical order with this many columns."""
    return canonical(gray, grid if grid.shape[:2] == (rows, columns) else np.rot90(grid))


def levels_at(gray: UInt8[ndarray, "h w"], px: Float64[ndarray, "*n 2"]) -> UInt8[ndarray, "*n"]:
    """Grey levels between pixels; 0 outside of the picture."""
    # an empty second map, as OpenCV's stubs ask for, makes remap of one map with two channels read garbage
    flat = px.reshape(1, -1, 2).astype(np.float32)
    levels = cv2.remap(gray, flat[..., 0].copy(), flat[..., 1].copy(), cv2.INTER_LINEAR)
    return levels.reshape(px.shape[:-1])


def _first_is_black(gray: UInt8[ndarray, "h w"], grid: Grid) -> bool:
    """Whether the squares of the first one's colour are the darker ones."""
    levels = levels_at(gray, squares(grid))
    even = np.add.outer(np.arange(levels.shape[0]), np.arange(levels.shape[1])) % 2 == 0
    return float(levels[even].mean()) < float(levels[~even].mean())


def _eastward(grid: Grid) -> float:
    along = grid[0, -1] - grid[0, 0]
    return float(along[0] / np.linalg.norm(along))
