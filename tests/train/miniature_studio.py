"""A studio with four cameras, the people in it, and pictures in which each joint has its colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from calib.camera import Camera, rigid
from engine.skeleton import MPII16

HUES = np.array([[(180 * j // 16, 255, 255)] for j in range(16)], np.uint8)
COLOURS = [tuple(int(v) for v in bgr) for bgr in cv2.cvtColor(HUES, cv2.COLOR_HSV2BGR)[:, 0]]
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SIZE = (250, 252)  # Human3.6M's 1000 x 1002, a quarter
# a standing person, mpii16, metres: x to their left, y up, z forward
STANDING = np.array([
    (-0.12, 0.08, 0), (-0.12, 0.5, 0.03), (-0.13, 0.93, 0), (0.13, 0.93, 0), (0.12, 0.5, 0.03), (0.12, 0.08, 0),
    (0, 0.95, 0), (0, 1.42, 0), (0, 1.5, 0.02), (0, 1.72, 0.03), (-0.28, 0.9, 0.1), (-0.24, 1.12, 0.02),
    (-0.18, 1.4, 0), (0.18, 1.4, 0), (0.24, 1.12, 0.02), (0.28, 0.9, 0.1),
])  # fmt: skip


def person(rng: np.random.Generator) -> np.ndarray:
    """16 joints in the world, z up: limbs astray, turned, somewhere on the floor."""
    joints = STANDING.copy()
    for wrist, elbow in ((10, 11), (15, 14)):
        joints[elbow] += rng.uniform(-0.1, 0.15, 3)
        joints[wrist] = joints[elbow] + rng.uniform(-0.2, 0.2, 3) + (0, 0.05, 0.1)
    for ankle, knee in ((0, 1), (5, 4)):
        joints[knee] += rng.uniform(-0.12, 0.12, 3)
        joints[ankle] += rng.uniform(-0.12, 0.12, 3)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    world = np.column_stack([joints[:, 0], -joints[:, 2], joints[:, 1]]) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    return world + np.append(rng.uniform(-0.6, 0.6, 2), 0)


def studio(angles_deg: Sequence[float] = (45, 135, 225, 315)) -> dict[str, Camera]:
    """Four cameras around the room, with the distortion of Human3.6M's."""
    cameras = {}
    for name, angle in zip(CAMERAS, np.deg2rad(angles_deg), strict=True):
        center = np.array([4.5 * np.cos(angle), 4.5 * np.sin(angle), 1.6])
        z = np.array([0, 0, 0.9]) - center
        z /= np.linalg.norm(z)
        x = np.cross(z, [0, 0, 1])
        x /= np.linalg.norm(x)
        R = np.stack([x, np.cross(z, x), z])
        K = np.array([[286.0, 0, 128.1], [0, 285.9, 128.9], [0, 0, 1]])
        dist = np.array([-0.207, 0.248, -0.0014, -0.001, -0.003])
        cameras[name] = Camera(*SIZE, K, dist, cam_from_world=rigid(R, -R @ center))
    return cameras


def dots(joints_m: np.ndarray, camera: Camera, seed: int) -> bytes:
    """`drawn`, of joints in the camera's axes."""
    return drawn(camera.project(joints_m), (camera.width, camera.height), seed)


def drawn(px: np.ndarray, size: tuple[int, int], seed: int) -> bytes:
    """A JPEG of a person: thick bones and a disc of its own colour at each joint."""
    rng = np.random.default_rng(seed)
    image = np.full((size[1], size[0], 3), rng.integers(60, 120), np.uint8)
    for a, b in MPII16.bones:
        cv2.line(image, *(tuple(round(v) for v in px[i]) for i in (a, b)), (200, 200, 200), 3)
    for j in range(16):
        cv2.circle(image, tuple(round(v) for v in px[j]), 4, COLOURS[j], -1)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


@dataclass(frozen=True)
class Scene:
    """Who stands before which cameras, and how a picture of them is drawn."""

    pose: Callable[[np.random.Generator], np.ndarray] = person  # 16 joints in the world
    draw: Callable[[np.ndarray, Camera, int], bytes] = dots  # 16 joints in the camera's axes, and a seed
    cameras: dict[str, Camera] = field(default_factory=studio)


ANYBODY = Scene()


def is_coloured_as(image_bgr: np.ndarray, px: np.ndarray, joint: int) -> bool:
    """Whether the disc of this joint, and not its mirror image's, lies at a place."""
    x, y = np.round(px).astype(int)
    seen = np.median(image_bgr[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3), axis=0)
    apart = [np.abs(seen - COLOURS[j]).sum() for j in (joint, int(MPII16.mirror[joint]))]
    return joint == MPII16.mirror[joint] or apart[0] <= apart[1]
