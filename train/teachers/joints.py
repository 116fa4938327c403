"""The points of other programs as joints of `body25`; NaN where they have no such point."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import (
    BODY25,
    EXTREMITIES,
    HEAD_TOP,
    L_EAR,
    L_HEEL,
    L_HIP,
    L_SHOULDER,
    L_TOE,
    LIMB_JOINTS,
    NOSE,
    R_EAR,
    R_HEEL,
    R_HIP,
    R_SHOULDER,
    R_TOE,
    ROOT,
    THORAX,
)
from train.datasets.photo_points import LIMBS as BLAZEPOSE_LIMBS
from train.datasets.photo_points import POINTS as BLAZEPOSE_POINTS

# rows of Halpe's 26 (Fang et al., PAMI 2022) for the limb joints and for the others
HALPE_LIMBS = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9)
HALPE_OTHERS = {HEAD_TOP: 17, THORAX: 18, R_HEEL: 25, R_TOE: 21, L_HEEL: 24, L_TOE: 20, NOSE: 0, R_EAR: 4, L_EAR: 3}


def from_blazepose(points: Float64[ndarray, "33 columns"]) -> Float64[ndarray, "joints columns"]:
    """Of BlazePose's 33 (Bazarevsky et al. 2020), whatever their columns are: it has no upper neck and no head top."""
    joints = _empty(points)
    joints[list(LIMB_JOINTS)] = points[list(BLAZEPOSE_LIMBS)]
    for joint, rows in zip(EXTREMITIES, BLAZEPOSE_POINTS, strict=True):
        joints[joint] = points[list(rows)].mean(axis=0)
    joints[ROOT] = (joints[R_HIP] + joints[L_HIP]) / 2
    joints[THORAX] = (joints[R_SHOULDER] + joints[L_SHOULDER]) / 2
    return joints


def from_halpe(points: Float64[ndarray, "26 columns"]) -> Float64[ndarray, "joints columns"]:
    """Of Halpe's 26: it has no upper neck and no hands."""
    joints = _empty(points)
    joints[list(LIMB_JOINTS)] = points[list(HALPE_LIMBS)]
    joints[ROOT] = (joints[R_HIP] + joints[L_HIP]) / 2
    for joint, row in HALPE_OTHERS.items():
        joints[joint] = points[row]
    return joints


def _empty(points: Float64[ndarray, "n columns"]) -> Float64[ndarray, "joints columns"]:
    return np.full((len(BODY25), points.shape[1]), np.nan)
