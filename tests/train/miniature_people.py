"""People for miniature data sets whose joints and sides a small network can learn to see within minutes.

Mirrored joints have one colour, as clothes have: a training mirrors half of its pictures, and colours that told left
from right would teach that they do not. What tells is which way the person looks: chest, back and nose.
"""

from __future__ import annotations

import cv2
import numpy as np

from calib.camera import Camera
from engine.skeleton import HEAD_TOP, L_HIP, L_SHOULDER, R_HIP, R_SHOULDER, UPPER_NECK

CHEST, BACK, NOSE = (40, 210, 250), (190, 50, 30), (20, 20, 240)  # BGR
TORSO = [R_SHOULDER, L_SHOULDER, L_HIP, R_HIP]
# parts: a bone, its colour, its width in metres
LIMBS = (
    ((0, 1), (60, 200, 60), 0.09), ((5, 4), (60, 200, 60), 0.09), ((1, 2), (30, 110, 30), 0.12), ((4, 3), (30, 110, 30), 0.12),
    ((10, 11), (220, 120, 220), 0.07), ((15, 14), (220, 120, 220), 0.07), ((11, 12), (140, 40, 140), 0.09),
    ((14, 13), (140, 40, 140), 0.09), ((7, 8), (150, 190, 230), 0.1), ((8, 9), (150, 190, 230), 0.16),
)  # fmt: skip
ENDS = {0: (255, 255, 255), 5: (255, 255, 255), 10: (255, 255, 0), 15: (255, 255, 0), 1: (0, 0, 0), 4: (0, 0, 0),
        11: (0, 128, 255), 14: (0, 128, 255), HEAD_TOP: (30, 30, 30)}  # fmt: skip
END_M = 0.09


def dressed(joints_m: np.ndarray, camera: Camera, seed: int) -> bytes:
    """A JPEG of a person, given in the camera's axes: what is nearer hides what is farther."""
    rng = np.random.default_rng(seed)
    image = np.full((camera.height, camera.width, 3), rng.integers(90, 150), np.uint8)
    px, z = camera.project(joints_m), joints_m[:, 2]
    drawings = [(z[TORSO].mean(), lambda: _torso(image, px, joints_m))]
    for (a, b), colour, width_m in LIMBS:
        drawings.append((z[[a, b]].mean(), lambda a=a, b=b, c=colour, w=width_m: _line(image, px[[a, b]], c, _px(camera, z[a], w))))
    for joint, colour in ENDS.items():
        drawings.append((z[joint] - 0.05, lambda j=joint, c=colour: _disc(image, px[j], c, _px(camera, z[j], END_M))))
    for _, draw in sorted(drawings, key=lambda d: -d[0]):
        draw()
    nose = (joints_m[UPPER_NECK] + joints_m[HEAD_TOP]) / 2 + 0.12 * _ahead(joints_m)
    if nose[2] < z[HEAD_TOP]:
        _disc(image, camera.project(nose[None])[0], NOSE, _px(camera, nose[2], 0.08))
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _ahead(joints_m: np.ndarray) -> np.ndarray:
    """The unit vector out of the chest."""
    across = joints_m[L_SHOULDER] - joints_m[R_SHOULDER]
    up = joints_m[UPPER_NECK] - joints_m[6]
    ahead = np.cross(across, up)
    return ahead / np.linalg.norm(ahead)


def _torso(image: np.ndarray, px: np.ndarray, joints_m: np.ndarray) -> None:
    colour = CHEST if _ahead(joints_m)[2] < 0 else BACK
    cv2.fillPoly(image, [np.round(px[TORSO] * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _line(image: np.ndarray, ends: np.ndarray, colour: tuple, width: float) -> None:
    a, b = (tuple(int(v) for v in np.round(p * 16)) for p in ends)
    cv2.line(image, a, b, colour, max(round(width), 1), cv2.LINE_AA, 4)


def _disc(image: np.ndarray, at: np.ndarray, colour: tuple, width: float) -> None:
    cv2.circle(image, tuple(int(v) for v in np.round(at * 16)), round(width * 8), colour, -1, cv2.LINE_AA, 4)


def _px(camera: Camera, z_m: float, width_m: float) -> float:
    return float(camera.K[0, 0] * width_m / z_m)
