"""Where a flat board is, from one picture of it: always both answers.

A plane seen with little perspective fits two poses almost equally, mirrored about the line of sight (Schweighofer and
Pinz 2006; solved in closed form by IPPE, Collins and Bartoli 2014). Which one holds is decided over views and cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.board import Board
from calib.camera import Camera, rigid
from calib.detection import Detection

CORNERS_MIN = 6  # fewer do not fix a pose with something to spare


@dataclass(frozen=True, slots=True)
class Look:
    """One camera's view of the board: rays, the ways its corners may be numbered, and the poses that fit."""

    px: Float64[ndarray, "n 2"]
    rays: Float64[ndarray, "n 2"]
    numberings: Int64[ndarray, "turns n"]  # ids of the corners; more than one for a symmetric board
    cam_from_board: Float64[ndarray, "poses 4 4"]  # of the first numbering, best first
    rms_px: Float64[ndarray, "poses"]


def look_at(detection: Detection, board: Board, camera: Camera) -> Look | None:
    """Both poses of the board; None where the corners lie on a line or are too few."""
    corners_m = board.points_m()
    seen_m = corners_m[detection.ids]
    if len(seen_m) < CORNERS_MIN or not _spread(seen_m, board):
        return None
    rays = camera.rays(detection.px)
    poses = _both_poses(seen_m, rays)
    if not poses:
        return None
    errors = [_rms_px(pose, seen_m, detection.px, camera) for pose in poses]
    order = np.argsort(errors)
    numberings = np.array([turn[detection.ids] for turn in turns(board)])
    return Look(detection.px, rays, numberings, np.array(poses)[order], np.array(errors)[order])


def turns(board: Board) -> list[Int64[ndarray, "corners"]]:
    """New number of every corner when the board is turned onto itself; the first: as it is.

    Half a turn for a symmetric chessboard, quarter turns also where it has as many columns as rows.
    """
    grid = np.arange(board.columns * board.rows, dtype=np.int64).reshape(board.rows, board.columns)
    if not board.symmetric:
        return [grid.ravel()]
    quarters = (0, 1, 2, 3) if board.columns == board.rows else (0, 2)
    return [np.ascontiguousarray(np.rot90(grid, k)).ravel() for k in quarters]


def _spread(points_m: Float64[ndarray, "n 3"], board: Board) -> bool:
    """Whether points span two directions by at least half a square."""
    narrow = np.linalg.svd(points_m[:, :2] - points_m[:, :2].mean(0), compute_uv=False)[1]
    return bool(narrow / np.sqrt(len(points_m)) > 0.25 * min(board.square_m))


def _both_poses(points_m: Float64[ndarray, "n 3"], rays: Float64[ndarray, "n 2"]) -> list[Float64[ndarray, "4 4"]]:
    points, pixels = np.ascontiguousarray(points_m), np.ascontiguousarray(rays)
    try:
        _, turns_, shifts, _ = cv2.solvePnPGeneric(points, pixels, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    except cv2.error:  # corners that no plane could show
        return []
    poses = []
    for turn, shift in zip(turns_, shifts, strict=True):
        fine_turn, fine_shift = cv2.solvePnPRefineLM(points, pixels, np.eye(3), None, turn.copy(), shift.copy())
        pose = rigid(cv2.Rodrigues(fine_turn)[0].astype(np.float64), fine_shift.ravel().astype(np.float64))
        if np.isfinite(pose).all() and pose[2, 3] > 0:
            poses.append(pose)
    return poses


def _rms_px(
    pose: Float64[ndarray, "4 4"], points_m: Float64[ndarray, "n 3"], px: Float64[ndarray, "n 2"], camera: Camera
) -> float:
    away = camera.project(points_m @ pose[:3, :3].T + pose[:3, 3]) - px
    return float(np.sqrt((away**2).sum(1).mean()))
