"""What speaks against a joint's 3D label: two views that do not meet, left taken for right, bones, and time.

Epipolar geometry does not see an error along the epipolar line; the distance to where the joint was around that time
does (`python -m tests.calib.people_table` has each check's share). A joint is blamed by the best of its bones, not the
worst: the worst also blames its neighbours.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.joint_track import Body

GATE_SIGMAS, GATE_LEAST_PX = 3.5, 4.0  # the second at 950 px of focal length
SIDES_SURE = 0.5  # probability that left is left; 0.8 halves the wrong ones and leaves out a third of what is right
# parts of the height: two ankles, knees, wrists or elbows are seldom nearer (100 mm) and joints seen twice often are
APART = 0.058
MEDIAN_FRAMES = 7
AWAY = 0.058  # from the median of frames, parts of height: 100 mm
BONE_OFF = 0.25  # relative
KEPT_LEAST = 0.15


class Flag(IntFlag):
    """Why a label is not learned from."""

    UNSEEN = 1  # not in both views
    EPIPOLAR = 2  # the views do not meet
    SIDES = 4  # which is left and which is right cannot be told
    BONE = 8  # none of its bones has its length
    LOSS = 16  # the fit put it elsewhere than it was seen
    JUMP = 32  # far from where it was around that time
    TWICE = 64  # where its mirror image is, too: one of both was seen twice


def running_median(values: Float64[ndarray, "frames joints c"], frames: int) -> Float64[ndarray, "frames joints c"]:
    """Over frames before and after; NaN where there is none at all."""
    half = frames // 2
    padded = np.concatenate(
        [np.full((half, *values.shape[1:]), np.nan), values, np.full((half, *values.shape[1:]), np.nan)]
    )
    around = np.stack([padded[i : i + len(values)] for i in range(frames)])
    some = np.isfinite(around).any(0)
    result = np.full_like(values, np.nan)
    result[some] = np.nanmedian(around[:, some], axis=0)
    return result


def bone_off(
    points: Float64[ndarray, "frames joints 3"], body: Body, bones: Float64[ndarray, "bones"]
) -> Float64[ndarray, "frames joints"]:
    """Relative error of the best of each joint's bones; NaN where no bone is known."""
    off = np.full(points.shape[:2], np.inf)
    for (child, parent), length in zip(body.bones, bones, strict=True):
        now = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
        error = np.where(np.isfinite(now), np.abs(now / length - 1), np.inf)
        off[:, child], off[:, parent] = np.minimum(off[:, child], error), np.minimum(off[:, parent], error)
    return np.where(np.isfinite(off), off, np.nan)


def gate_px(residuals_px: Float64[ndarray, "..."], focal_px: float) -> float:
    """How far two views may miss each other: of what most do, and at least a little."""
    known = np.abs(residuals_px[np.isfinite(residuals_px)])
    typical = 1.4826 * float(np.median(known)) if len(known) else 0.0
    return max(GATE_SIGMAS * typical, GATE_LEAST_PX * focal_px / 950.0)


def beside_mirror(
    points: Float64[ndarray, "frames joints 3"], body: Body, height: float
) -> Float64[ndarray, "frames joints"]:
    """Over 1 where a limb's end or middle lies at its mirror image."""
    amount = np.zeros(points.shape[:2])
    for limb in body.limbs:
        for joint in limb[:2]:
            apart = np.linalg.norm(points[:, joint] - points[:, body.mirror[joint]], axis=-1)
            amount[:, [joint, body.mirror[joint]]] = (APART * height / np.maximum(apart, 1e-9))[:, None]
    return amount
