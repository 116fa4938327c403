"""What is drawn of a skeleton, in the picture and in space: which joints rods join, and which parts are slim.

A foot is the triangle of ankle, heel and toe, a hand a short rod. The face has no rods: nose and ears are small balls
on the head, which is a ball of its own between neck and top.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import BODY25, EXTREMITIES, HEAD_TOP, L_HEEL, L_TOE, R_HEEL, R_TOE, UPPER_NECK, skeleton_of

HEAD_RADIUS_M = 0.105
HEAD_PLACE = 0.6  # of the way from neck to top
# thickness of feet, hands, nose and ears against limbs, where all limbs are alike
SLIM = 0.6
FACE = BODY25.groups["face"]
SOLES = ((R_TOE, R_HEEL), (L_TOE, L_HEEL))


@cache
def rods_of(joints: int) -> tuple[tuple[int, int], ...]:
    """Pairs of joints that are joined, the one whose colour the rod has first. ValueError for no known skeleton."""
    bones = tuple((child, parent) for child, parent in skeleton_of(joints).bones if child not in FACE)
    return bones + tuple(sole for sole in SOLES if max(sole) < joints)


def slim(joint: int) -> float:
    """How thick a joint, or the rod that has its colour, is against those of limbs."""
    return SLIM if joint in EXTREMITIES else 1.0


def posed(joints_m: Float64[ndarray, "joints 3"]) -> Float64[ndarray, "joints 3"]:
    """Where the balls stand: the head's lies below its top, and nothing of the face within it."""
    joints_m = joints_m.copy()
    head = joints_m[HEAD_TOP] = joints_m[UPPER_NECK] + HEAD_PLACE * (joints_m[HEAD_TOP] - joints_m[UPPER_NECK])
    for joint in (j for j in FACE if j < len(joints_m)):
        away_m = joints_m[joint] - head
        joints_m[joint] = head + away_m * max(HEAD_RADIUS_M / max(float(np.linalg.norm(away_m)), 1e-6), 1.0)
    return joints_m
