"""From crop units to metres: the pose is closed form, its distance comes from the person's height.

A pose lifted with its root at 1 m has every bone in units of the root's distance, so the distance is what
brings the bones to their expected lengths. That says how far the person is in each frame at once, with an error
that changes with the pose; a filter in log distance, slow while the estimate rests and fast while it
walks, takes the wobble out (`MIN_CUTOFF_HZ`, `BETA`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.crop import crop_camera, lift, units_from_crop_px
from engine.joints import Joints
from engine.skeleton import BONE_OVER_HEIGHT, ROOT
from realtime.smooth import OneEuro

HEIGHT_M = 1.70  # between the world's means of women and men; an error of 5 % scales everything by 5 %
# no joint comes nearer to the camera than this share of the root's distance
NEAREST = 0.05
# misfit (log of length over expected) at which a bone counts a quarter in the next round: an arm that the
# network folds up, or a limb that is a guess, is off by more
MISFIT = 0.25
ROUNDS = 3
# a bone counts with the product of its ends' scores, above this floor, so that an unsure pose has a distance too
WEIGHT_MIN = 1e-3
# log distance at rest: a time constant of 1 s, longer than a step or a wave of the arm
MIN_CUTOFF_HZ = 0.15
# Hz per (1/s): walking at 1.5 m/s from 3 m away changes log distance by 0.5 /s, filtered at 1.2 Hz
BETA = 2.0
# of that speed: slower than the swing of a limb
D_CUTOFF_HZ = 0.5

_CHILD, _PARENT = np.array(list(BONE_OVER_HEIGHT)).T
_EXPECTED = np.array(list(BONE_OVER_HEIGHT.values()))


class Lifter:
    """One person's joints in metres. Assumes the body height and the standard proportions of BONE_OVER_HEIGHT."""

    def __init__(self, K: Float64[ndarray, "3 3"], height_m: float = HEIGHT_M, *, smooth: bool = True) -> None:
        if not 0.3 < height_m < 3.0:
            raise ValueError(f"a body height in metres is wanted, got {height_m = }")
        self._K = K
        self._bones_m = _EXPECTED * height_m
        self._log_z = OneEuro(MIN_CUTOFF_HZ, BETA, D_CUTOFF_HZ) if smooth else None

    def __call__(self, joints: Joints, time_s: float) -> tuple[Float64[ndarray, "joints 3"], Float64[ndarray, "3"]]:
        """Offsets from the root and the root's place, both in the camera's axes, metres."""
        pose = unit_pose(joints, self._K)
        log_z = np.log([root_distance(pose, joints.score, self._bones_m)])
        if self._log_z is not None:
            log_z = self._log_z(log_z, time_s)
        placed_m = pose * float(np.exp(log_z[0]))
        return placed_m - placed_m[ROOT], placed_m[ROOT]


def unit_pose(joints: Joints, K: Float64[ndarray, "3 3"]) -> Float64[ndarray, "joints 3"]:
    """The joints in the camera's axes, in units of the root's distance along its crop's axis."""
    camera = crop_camera(joints.box, K, 1)
    units = units_from_crop_px(camera.to_crop(joints.px), 1)
    depth = np.maximum(joints.depth, (NEAREST - 1.0) * camera.f_over_side)
    return lift(camera, units, depth, root_z_m=1.0)


def root_distance(
    pose: Float64[ndarray, "joints 3"], score: Float64[ndarray, "joints"], bones_m: Float64[ndarray, "bones"]
) -> float:
    """The factor that brings a pose's bones to their lengths: least squares, bones that misfit counting less.

    Bones are those of BONE_OVER_HEIGHT, in its order.
    """
    lengths = np.maximum(np.linalg.norm(pose[_CHILD] - pose[_PARENT], axis=1), 1e-9)
    weights = np.maximum(score[_CHILD] * score[_PARENT], WEIGHT_MIN)
    scale = _weighted_median(bones_m / lengths, weights * bones_m)
    for _ in range(ROUNDS):
        misfit = np.log(scale * lengths / bones_m) / MISFIT
        w = weights / (1.0 + misfit**2) ** 2  # Geman-McClure: long wrong bones must not win by their square
        scale = float((w * lengths * bones_m).sum() / (w * lengths**2).sum())
    return scale


def _weighted_median(values: Float64[ndarray, "n"], weights: Float64[ndarray, "n"]) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
