"""Corners of a board as a good detector would give them, without pictures: projected points and noise."""

from __future__ import annotations

import cv2
import numpy as np

from calib.board import Board
from calib.camera import Camera, rigid
from calib.detection import Detection

BOARD = Board("chessboard", 9, 6, (0.025, 0.025))
WEBCAM = Camera(
    1280,
    720,
    np.array([[953.0, 0, 652.0], [0, 951.5, 348.0], [0, 0, 1]]),
    np.array([0.09, -0.19, 0.001, -0.0008, 0.05]),
)
FISHEYE = Camera(
    1280,
    960,
    np.array([[420.0, 0, 648.0], [0, 420.5, 470.0], [0, 0, 1]]),
    np.array([0.03, -0.01, 0.004, -0.001]),
    "fisheye",
)


def detection(px, ids, camera, *, mirrored=False) -> Detection:
    return Detection(px, ids, mirrored, False, False, (camera.width, camera.height))


def hand_held(
    rng: np.random.Generator,
    count: int,
    *,
    board: Board = BOARD,
    camera: Camera = WEBCAM,
    noise_px: float = 0.15,
    tilt_deg: tuple[float, float] = (10.0, 40.0),
    spread: float = 1.0,
    roll_deg: float = 20.0,
    width: tuple[float, float] = (0.3, 0.7),
    true_points_m=None,
) -> list[Detection]:
    """Views as a person takes them; `true_points_m` is the board as it really is, where that is not as planned."""
    views = []
    while len(views) < count:
        pose = any_pose(rng, board, camera, tilt_deg, spread, roll_deg, width)
        px = project(camera, board.points_m() if true_points_m is None else true_points_m, pose)
        size = np.array([camera.width, camera.height])
        if (px > 0).all() and (px < size - 1).all():
            noisy = px + rng.normal(0, noise_px, px.shape)
            views.append(detection(noisy, np.arange(len(px)), camera))
    return views


def any_pose(rng, board, camera, tilt_deg, spread, roll_deg, width):
    """cam_from_board: tilted about a random axis, its middle on a random ray, `width` of the picture wide."""
    axis = rng.uniform(0, 2 * np.pi)
    tilt = np.deg2rad(rng.uniform(*tilt_deg)) * np.array([np.cos(axis), np.sin(axis), 0])
    roll = np.array([0, 0, np.deg2rad(rng.uniform(-roll_deg, roll_deg))])
    R = cv2.Rodrigues(tilt)[0] @ cv2.Rodrigues(roll)[0]
    points = board.points_m()
    distance = camera.K[0, 0] * np.ptp(points[:, 0]) / (rng.uniform(*width) * camera.width)
    size = np.array([camera.width, camera.height])
    middle_px = size / 2 + spread * rng.uniform(-0.5, 0.5, 2) * size
    ray = np.append((middle_px - camera.K[:2, 2]) / camera.K[0, 0], 1.0)
    return rigid(R, ray * distance - R @ points.mean(axis=0))


def project(camera: Camera, points_m, cam_from_board):
    return camera.project(points_m @ cam_from_board[:3, :3].T + cam_from_board[:3, 3])
