"""Cameras in a room and what they see of a board, with the truth: corners are projected, not drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from calib.board import Board
from calib.camera import Camera, inverted, rigid
from calib.detection import Detection

A4 = Board("chessboard", 9, 6, (0.027, 0.027))
A3 = Board("chessboard", 9, 6, (0.038, 0.038))
CHARUCO = Board("charuco", 6, 4, (0.055, 0.055), 0.041)
DIST = np.array([0.08, -0.18, 0.001, -0.001, 0.02])
SUBJECT_M = np.array([0.0, 2.8, 1.0])  # world: z up


def looking(center_m, at_m) -> np.ndarray:
    """cam_from_world of an upright camera."""
    z = np.asarray(at_m, float) - center_m
    z /= np.linalg.norm(z)
    x = np.cross(z, (0, 0, 1))
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    return rigid(R, -R @ np.asarray(center_m, float))


def make_cameras(centers_m: Mapping[str, Sequence[float]], *, f_px: float = 950.0) -> dict[str, Camera]:
    """Upright cameras that look at the subject; every second one has a slightly longer lens."""
    cameras = {}
    for i, (name, center) in enumerate(centers_m.items()):
        f = f_px * (1 + 0.07 * (i % 2))
        K = np.array([[f, 0, 639.5 + 8 * i], [0, f * 1.002, 359.5 - 5 * i], [0, 0, 1]])
        cameras[name] = Camera(1280, 720, K, DIST.copy(), cam_from_world=looking(center, SUBJECT_M))
    return cameras


TWO = {"left": (-1.0, 0.0, 1.4), "right": (1.0, 0.1, 1.5)}


@dataclass(frozen=True)
class Room:
    """Placed cameras, their bare lenses, and the boards' places."""

    cameras: dict[str, Camera]
    board: Board
    world_from_board: list[np.ndarray]

    @property
    def lenses(self) -> dict[str, Camera]:
        return {name: replace(camera, cam_from_world=None) for name, camera in self.cameras.items()}

    def b_from_a(self, a: str, b: str) -> np.ndarray:
        return self.cameras[b].cam_from_world @ inverted(self.cameras[a].cam_from_world)

    def detections(
        self, *, noise_px: float = 0.0, seed: int = 0, bow_m: float = 0.0, two_sided: bool = False
    ) -> dict[str, list[Detection | None]]:
        """What every camera sees in every view; None where the board is not wholly in the picture."""
        rng = np.random.default_rng(seed)
        at = self.board.points_m()
        if bow_m:
            unit = (at[:, 0] - at[:, 0].mean()) / np.ptp(at[:, 0]) * 2
            at[:, 2] = bow_m * (1 - unit**2)
        return {
            name: [seen(camera, at, T, noise_px, rng, two_sided) for T in self.world_from_board]
            for name, camera in self.cameras.items()
        }


def seen(camera: Camera, at, world_from_board, noise_px, rng, two_sided=False) -> Detection | None:
    T = camera.cam_from_world @ world_from_board
    points = at @ T[:3, :3].T + T[:3, 3]
    if points[:, 2].min() < 0.1:
        return None
    px = camera.project(points)
    behind = bool(T[:3, 2] @ T[:3, 3] < 0)  # the board's z points into it, away from who sees its front
    inside = (px >= 0).all() and (px < (camera.width, camera.height)).all()
    if not inside or (behind and not two_sided):
        return None
    noisy = px + rng.normal(0, noise_px, px.shape) if noise_px else px
    ids = np.arange(len(px), dtype=np.int64)
    return Detection(noisy, ids, behind, False, False, (camera.width, camera.height))


def board_at(board: Board, center_m, *, facing_m, tilt: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """world_from_board: its front faces a place, then it is turned by a rotation vector (degrees, board axes)."""
    z = np.asarray(center_m, float) - facing_m
    z /= np.linalg.norm(z)
    x = np.cross(z, (0, 0, 1))
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z], axis=1) @ Rotation.from_rotvec(tilt, degrees=True).as_matrix()
    return rigid(R, np.asarray(center_m, float) - R @ board.points_m().mean(0))


def make_room(
    views: int = 25,
    *,
    board: Board = A3,
    seed: int = 1,
    centers_m: Mapping[str, Sequence[float]] = TWO,
    reach_m: float = 0.6,
    tilt_deg: float = 35.0,
    f_px: float = 950.0,
    floor: bool = True,
) -> Room:
    """A person shows the board around the subject's place; the last view is the board on the floor, if any."""
    rng = np.random.default_rng(seed)
    places = []
    for _ in range(views):
        center = SUBJECT_M + rng.uniform(-reach_m, reach_m, 3)
        tilt = rng.uniform(-tilt_deg, tilt_deg, 3) if tilt_deg else (0, 0, 0)
        places.append(board_at(board, center, facing_m=(0, 0, 1.4), tilt=tilt))
    if floor:
        places.append(floor_board(board))
    return Room(make_cameras(centers_m, f_px=f_px), board, places)


def floor_board(board: Board, at_m=(0.1, 3.4)) -> np.ndarray:
    """A board that lies on the floor, front up: its z points down."""
    R = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    return rigid(R, np.array([*at_m, 0.0]) - R @ board.points_m().mean(0))
