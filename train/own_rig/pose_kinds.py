"""What somebody does in a frame, told from the joints: a take has no list of actions.

A frame may be of several kinds, or of none but the side that it shows.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine import skeleton as body

FACING_COS = 0.5  # within 60 degrees of the camera, or of away from it
BENT_COS = np.cos(np.deg2rad(40))  # trunk against the camera's vertical
FOLDED_COS = np.cos(np.deg2rad(110))  # at the knee, inside: sitting, kneeling, a high step


def pose_kinds(joints_cam_m: Float64[ndarray, "n joints 3"]) -> Mapping[str, Bool[ndarray, "n"]]:
    """Frames of each kind. Axes of a camera that stands upright: x right, y down, z away from it."""
    across = (joints_cam_m[:, [body.L_SHOULDER, body.L_HIP]] - joints_cam_m[:, [body.R_SHOULDER, body.R_HIP]]).sum(1)
    facing = across[:, 0] / np.maximum(np.linalg.norm(across[:, [0, 2]], axis=-1), 1e-9)
    trunk = joints_cam_m[:, body.THORAX] - joints_cam_m[:, body.PELVIS]
    wrists_y = joints_cam_m[:, [body.R_WRIST, body.L_WRIST], 1]
    upright = -trunk[:, 1] / np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9)
    right = _cos_at(joints_cam_m, body.R_HIP, body.R_KNEE, body.R_ANKLE)
    left = _cos_at(joints_cam_m, body.L_HIP, body.L_KNEE, body.L_ANKLE)
    return {
        "facing the camera": facing > FACING_COS,
        "side on": np.abs(facing) <= FACING_COS,
        "turned away": facing < -FACING_COS,
        "arm raised": wrists_y.min(axis=1) < joints_cam_m[:, body.UPPER_NECK, 1],
        "bent over": upright < BENT_COS,
        "knee bent": np.maximum(right, left) > FOLDED_COS,
    }


def _cos_at(joints_m: ndarray, one: int, middle: int, other: int) -> Float64[ndarray, "n"]:
    """Cosine of the angle at `middle`: -1 where the limb is straight."""
    a, b = joints_m[:, one] - joints_m[:, middle], joints_m[:, other] - joints_m[:, middle]
    return (a * b).sum(-1) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-9)
