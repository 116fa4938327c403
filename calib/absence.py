"""Why a board was not found: another size or kind, blurred, too far, cut off, too dark. Costs a few searches more."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from calib import chessboard
from calib.board import Board
from calib.chessboard import Grid
from calib.detection import Detection, NotFound
from calib.recognise import Recognised, largest_anywhere, recognise_charuco

DARK, BRIGHT = 60, 195  # of 255: the lightest or the darkest hundredth of the picture
BLURRED_PX = 10.0  # 10 to 90 % of an edge: corners are pixels off; 6 px of a 1920 px phone video still calibrate
# of a square's side: then neighbouring edges pull at a corner. Measured by `tests.calib.detection_table`: corners are
# 0.1 px off at 0.3 of a square, 0.2 at 0.45, 0.4 at 0.55, and 0.5 to 1.3 from 0.6 on, at every distance
BLURRED_SQUARES = 0.55
BLURRED_VIEW_PX = (480, 240)  # longer sides at which a blurred board may still be read
FAR_SCALE = 2
FAR_VIEW_PX = 2600
NEAR_EDGE_SQUARES = 1.6  # from a corner to the picture's edge: no room for its outer square and some white
WHITE = 0.75  # of the way from the black to the white squares


def explain(gray: UInt8[ndarray, "h w"], board: Board) -> NotFound:
    """The likeliest reason that `board` was not found in a grey picture."""
    exposure = badly_exposed(gray)
    if exposure is not None:
        return exposure
    other = _other_markers(gray, board) or _other_chessboard(gray, board)
    if other is not None:
        return other
    if board.kind == "chessboard":
        return _blurred(gray, board) or _far(gray, board) or nothing(board)
    return nothing(board)


def nothing(board: Board) -> NotFound:
    """No sign of a board."""
    return NotFound("nothing", f"no board of {board.size_text} is seen: show all of it with its white margin, in light")


def badly_exposed(gray: UInt8[ndarray, "h w"]) -> NotFound | None:
    """Whether a picture is too dark or too bright to show anything."""
    levels = gray[::4, ::4]
    if np.percentile(levels, 99) < DARK:
        return NotFound("too dark", "the picture is too dark to see a board: add light or open the lens")
    if np.percentile(levels, 1) > BRIGHT:
        return NotFound("too bright", "the picture is overexposed: less light, or a shorter exposure")
    return None


def _other_markers(gray: ndarray, board: Board) -> NotFound | None:
    """A ChArUco board where a chessboard was asked for, or one of another layout."""
    seen = recognise_charuco(gray, thorough=False)
    if seen is None:
        return None
    size = (seen.columns, seen.rows)
    if board.kind == "chessboard":
        text = f"a ChArUco board was found, not a chessboard: give --board {seen.size_text}"
        return NotFound("other kind", text, size)
    if seen.columns == board.columns and seen.rows <= board.rows and seen.dictionary == board.dictionary:
        return None
    text = f"a board of {seen.size_text} was found, not {board.size_text}: give --board {seen.size_text}"
    return NotFound("other size", text, size)


def _other_chessboard(gray: ndarray, board: Board) -> NotFound | None:
    grid = largest_anywhere(gray)
    if grid is None:
        return None
    seen = Recognised("chessboard", max(grid.shape[:2]), min(grid.shape[:2]))
    size = (seen.columns, seen.rows)
    if board.kind == "charuco":
        text = f"a chessboard was found, not a ChArUco board: give --board {seen.size_text}"
        return NotFound("other kind", text, size)
    asked = (max(board.columns, board.rows), min(board.columns, board.rows))
    part = size[0] <= asked[0] and size[1] <= asked[1]
    if part and _at_the_edge(gray, grid):
        text = (
            f"only {seen.size_text} of the {board.size_text} inner corners are in the picture: move the board inwards"
        )
        return NotFound("cut off", text, size)
    if part and not _framed_in_white(gray, grid):
        text = f"only {seen.size_text} of the {board.size_text} inner corners are clear: uncover the board, avoid glare"
        return NotFound("cut off", text, size)
    text = f"a board of {seen.size_text} inner corners was found, not {board.size_text}: give --board {seen.size_text}"
    return NotFound("other size", text, size)


def _at_the_edge(gray: ndarray, grid: Grid) -> bool:
    ring = chessboard.ring(grid, NEAR_EDGE_SQUARES)
    return bool(((ring < 0) | (ring > np.array(gray.shape[1::-1]) - 1)).any())


def _framed_in_white(gray: ndarray, grid: Grid) -> bool:
    """Whether paper shows beyond the outer squares: then the board ends there."""
    return float((chessboard.frame(gray, grid) > WHITE).mean()) > 0.8


def too_blurred(seen: Detection) -> NotFound | None:
    """Whether a board's corners are guesses, though it was found."""
    if seen.sharpness_px is None:
        return None
    if seen.sharpness_px >= BLURRED_PX:
        return _blurred_by(seen.sharpness_px)
    if seen.square_px is None or seen.sharpness_px < BLURRED_SQUARES * seen.square_px:
        return None
    text = (
        f"the board is too blurred for its size (edges {seen.sharpness_px:.0f} px wide, squares {seen.square_px:.0f})"
    )
    return NotFound("blurred", f"{text}: hold it still, check the focus, or come nearer")


def _blurred_by(width_px: float | None) -> NotFound:
    how = "" if width_px is None else f" (edges {width_px:.0f} px wide)"
    return NotFound("blurred", f"the board is there but blurred{how}: hold it still, add light, check the focus")


def _blurred(gray: ndarray, board: Board) -> NotFound | None:
    for view_px in BLURRED_VIEW_PX:
        small, scale = chessboard.reduced(gray, view_px)
        grid = chessboard.find_quickly(small, board.columns, board.rows)
        if grid is not None and scale > 1:
            return _blurred_by(chessboard.sharpness_px(gray, (grid + 0.5) * scale - 0.5))
    return None


def _far(gray: ndarray, board: Board) -> NotFound | None:
    if max(gray.shape) * FAR_SCALE > FAR_VIEW_PX:
        return None
    large = cv2.resize(gray, None, fx=FAR_SCALE, fy=FAR_SCALE, interpolation=cv2.INTER_CUBIC)
    grid = chessboard.largest(large, max(large.shape))
    if grid is None:
        return None
    side_px = chessboard.square_px(grid) / FAR_SCALE
    text = f"the board is too far, its squares only {side_px:.0f} px: come nearer, or print it larger"
    return NotFound("too far", text, (grid.shape[1], grid.shape[0]))
