"""Points of the body that its rig has no bone for: heels, tips of the big toes, nose and ears, on the mean body's skin.

A landmark is the mean of a few vertices and moves with one bone. The body's axes: x to the person's left, y up, z
forward, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from train.synthetic.rig import bone

# vertices so near to the outermost one are averaged
HEEL_M, TOE_M, NOSE_M, EAR_M = 0.02, 0.012, 0.008, 0.025
NOSE_HALF_M = 0.015  # the nose is beside the middle plane by at most this
ANKLE_ABOVE_HEEL_M = 0.03
BIG_TOE = 0.4  # share of the forefoot's width, from the inner edge


@dataclass(frozen=True, slots=True)
class Landmark:
    """Which vertices it is the mean of, and which bone carries it."""

    vertices: Int64[ndarray, "k"]
    bone: int


def find_landmarks(
    vertices: Float64[ndarray, "v 3"],
    heads: Float64[ndarray, "b 3"],
    carrier: Int64[ndarray, "v"],
    skin: Bool[ndarray, "v"],
) -> tuple[Landmark, ...]:
    """Right heel and toe, left heel and toe, nose, right and left ear.

    `carrier` is the bone that moves each vertex most, `skin` tells the body from eyes, hair and skirt.
    """
    feet = [
        find(vertices, heads, carrier, skin & (np.sign(vertices[:, 0]) == sign), side)
        for side, sign in (("Right", -1), ("Left", 1))
        for find in (_heel, _toe)
    ]
    of_head = np.flatnonzero(skin & (carrier == bone("Head")))
    middle = of_head[np.abs(vertices[of_head, 0]) < NOSE_HALF_M]
    nose = _around(vertices, middle, vertices[middle, 2], NOSE_M)
    ears = [_around(vertices, of_head, sign * vertices[of_head, 0], EAR_M) for sign in (-1, 1)]
    return (*feet, *(Landmark(found, bone("Head")) for found in (nose, *ears)))


def _heel(vertices: ndarray, heads: ndarray, carrier: ndarray, skin: ndarray, side: str) -> Landmark:
    """The hindmost of the foot, below the ankle."""
    ankle = heads[bone(f"{side}Foot")]
    low = np.flatnonzero(skin & (carrier == bone(f"{side}Foot")) & (vertices[:, 1] < ankle[1] - ANKLE_ABOVE_HEEL_M))
    return Landmark(_around(vertices, low, -vertices[low, 2], HEEL_M), bone(f"{side}Foot"))


def _toe(vertices: ndarray, heads: ndarray, carrier: ndarray, skin: ndarray, side: str) -> Landmark:
    """The foremost of the forefoot's inner part."""
    forefoot = np.flatnonzero(skin & (carrier == bone(f"{side}ToeBase")))
    from_middle = np.abs(vertices[forefoot, 0])
    inner = from_middle < from_middle.min() + BIG_TOE * np.ptp(from_middle)
    forefoot = forefoot[inner]
    return Landmark(_around(vertices, forefoot, vertices[forefoot, 2], TOE_M), bone(f"{side}ToeBase"))


def _around(vertices: ndarray, some: Int64[ndarray, "n"], outwards: Float64[ndarray, "n"], radius_m: float) -> ndarray:
    """Those of some vertices that lie near the outermost of them."""
    outermost = vertices[some[outwards.argmax()]]
    return some[np.linalg.norm(vertices[some] - outermost, axis=1) < radius_m]
