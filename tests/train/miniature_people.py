"""People for miniature data sets whose joints a small network learns to see within minutes.

They look towards the cameras, which stand before them: from random numbers, with the paper's loss and a few hundred
steps, a network does not learn to tell a chest from a back, and puts left and right joints in the middle between.
Mirrored joints have one colour, as clothes have: a training mirrors half of its pictures, and colours that told left
from right would teach that they do not.
"""

from __future__ import annotations

import cv2
import numpy as np

from calib.camera import Camera
from engine.skeleton import HEAD_TOP, L_HIP, L_SHOULDER, PELVIS, R_HIP, R_SHOULDER
from tests.train.miniature_studio import Scene, person, studio

MAX_TURN_RAD = 0.26
FAN_DEG = (-60, -20, 20, 60)  # where cameras stand around the room
TORSO, TORSO_BGR = [R_SHOULDER, L_SHOULDER, L_HIP, R_HIP], (40, 210, 250)
# the bones of one colour, that colour, their width in metres
LIMBS = (
    (((0, 1), (5, 4)), (0, 60, 250), 0.09),
    (((1, 2), (4, 3)), (30, 30, 140), 0.12),
    (((10, 11), (15, 14)), (120, 160, 255), 0.07),
    (((11, 12), (14, 13)), (20, 110, 200), 0.09),
    (((7, 8),), (150, 190, 230), 0.1),
    (((8, 9),), (150, 190, 230), 0.16),
)
ENDS = (
    ((0, 5), (255, 255, 255)),
    ((1, 4), (0, 0, 0)),
    ((10, 15), (60, 255, 60)),
    ((11, 14), (0, 100, 0)),
    ((HEAD_TOP,), (30, 30, 30)),
)
END_M = 0.1
SUBPIXEL_BITS = 4  # of OpenCV's drawing


def towards_the_cameras(rng: np.random.Generator) -> np.ndarray:
    """A person of the studio who looks where the cameras of `FAN_DEG` stand."""
    joints = person(rng)
    across = joints[L_HIP, :2] - joints[R_HIP, :2]
    turn = np.pi / 2 + rng.uniform(-MAX_TURN_RAD, MAX_TURN_RAD) - np.arctan2(across[1], across[0])
    c, s = np.cos(turn), np.sin(turn)
    middle = joints[PELVIS] * (1, 1, 0)
    return (joints - middle) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + middle


def dressed(joints_m: np.ndarray, camera: Camera, seed: int) -> bytes:
    """A JPEG of a person, given in the camera's axes: what is nearer hides what is farther."""
    image = np.full((camera.height, camera.width, 3), np.random.default_rng(seed).integers(90, 150), np.uint8)
    px, z = camera.project(joints_m), joints_m[:, 2]
    parts = [(z[TORSO].mean(), lambda: _torso(image, px))]
    for bones, colour, width_m in LIMBS:
        for a, b in bones:
            width = round(camera.K[0, 0] * width_m / z[a])
            parts.append((z[[a, b]].mean(), lambda e=px[[a, b]], c=colour, w=width: _bone(image, e, c, w)))
    for joints, colour in ENDS:
        for j in joints:
            radius = camera.K[0, 0] * END_M / 2 / z[j]
            parts.append((z[j] - END_M / 2, lambda at=px[j], c=colour, r=radius: _disc(image, at, c, r)))
    for _, draw in sorted(parts, key=lambda part: -part[0]):
        draw()
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _torso(image: np.ndarray, px: np.ndarray) -> None:
    cv2.fillPoly(image, [_fixed(px[TORSO])], TORSO_BGR, cv2.LINE_AA, SUBPIXEL_BITS)


def _bone(image: np.ndarray, ends: np.ndarray, bgr: tuple[int, int, int], width: int) -> None:
    a, b = _fixed(ends).tolist()
    cv2.line(image, a, b, bgr, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _disc(image: np.ndarray, at: np.ndarray, bgr: tuple[int, int, int], radius: float) -> None:
    cv2.circle(image, _fixed(at).tolist(), int(_fixed(radius)), bgr, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(px: np.ndarray | float) -> np.ndarray:
    return np.round(np.asarray(px) * 2**SUBPIXEL_BITS).astype(np.int32)


BEFORE_THE_CAMERAS = Scene(towards_the_cameras, dressed, studio(FAN_DEG))
