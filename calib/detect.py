"""Looking for a known board in a picture: its corners under their own numbers, or why it was not found."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from calib import absence, charuco, chessboard
from calib.board import Board
from calib.detection import Detection, NotFound
from calib.errors import UserError
from calib.recognise import Recognised, recognise, recognise_charuco

DARK_FRAME = 0.25  # of the way from black to white, in the margin of a board that is white on black

__all__ = ["Detection", "NotFound", "Recognised", "detect", "gray_of", "recognise"]


def detect(
    image: UInt8[ndarray, "h w"] | UInt8[ndarray, "h w c"] | None,
    board: Board,
    *,
    effort: Literal["full", "preview"] = "full",
    explain: bool = True,
) -> Detection | NotFound:
    """Find `board` in a grey or BGR picture.

    `full` gives the most exact corners and, with `explain`, finds out why there is no board, which takes longer than
    to look for it; `preview` keeps up with a camera and does neither. One core takes 0.05 to 0.2 s where the board is
    seen and up to 3 s at 1920x1080 where it is not; a preview at most 0.1 s.
    UserError where there is no picture to look at.
    """
    gray = gray_of(image)
    thorough = effort == "full"
    seen = _chessboard(gray, board, thorough) if board.kind == "chessboard" else _charuco(gray, board, thorough)
    if seen is not None:
        return absence.too_blurred(seen) or seen
    if thorough and explain:
        return absence.explain(gray, board)
    return absence.badly_exposed(gray) or absence.nothing(board)


def gray_of(image: ndarray | None) -> UInt8[ndarray, "h w"]:
    """A grey picture of 8 bits. UserError where this is none."""
    if image is None or image.size == 0:
        raise UserError("a picture is empty or could not be read: record it anew, or take it out of the folder")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise UserError(f"a picture of {image.dtype} {image.shape} is not grey or BGR of 8 bits: convert it first")
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.shape[2] == 1:
        return np.ascontiguousarray(image[..., 0])
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if image.shape[2] == 3 else cv2.COLOR_BGRA2GRAY)


def _chessboard(gray: UInt8[ndarray, "h w"], board: Board, thorough: bool) -> Detection | None:
    find = chessboard.find if thorough else chessboard.find_quickly
    grid = find(gray, board.columns, board.rows)
    if grid is None:
        return None
    h, w = gray.shape
    ids = np.arange(board.columns * board.rows, dtype=np.int64)
    # a chessboard is its own mirror image and, half a turn on, its own negative: only its margin tells
    inverted = float((chessboard.frame(gray, grid) < DARK_FRAME).mean()) > 0.8
    sharpness, side = chessboard.sharpness_px(gray, grid), chessboard.square_px(grid)
    return Detection(grid.reshape(-1, 2), ids, False, inverted, False, (w, h), sharpness_px=sharpness, square_px=side)


def _charuco(gray: UInt8[ndarray, "h w"], board: Board, thorough: bool) -> Detection | None:
    seen = charuco.find(gray, board, thorough=thorough)
    if seen is not None or not thorough:
        return seen
    other = recognise_charuco(gray, thorough=False)  # the same layout of another dictionary is the same board
    if other is None or other.dictionary is None or (other.columns, other.rows) != (board.columns, board.rows):
        return None
    return charuco.find(gray, replace(board, dictionary=other.dictionary), thorough=True)
