"""Skeletons: names, trees, mirror pairs, groups of joints, and the maps from other skeletons into them.

`mpii16` is the paper's. `body25` adds feet, face and hands behind the same sixteen, so an index below means the same
joint in both, and `mpii16` is the beginning of every array of `body25`. "Left" is always the person's own left.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

(R_ANKLE, R_KNEE, R_HIP, L_HIP, L_KNEE, L_ANKLE, PELVIS, THORAX) = range(8)
(UPPER_NECK, HEAD_TOP, R_WRIST, R_ELBOW, R_SHOULDER, L_SHOULDER, L_ELBOW, L_WRIST) = range(8, 16)
# heels, tips of the big toes, knuckles of the middle fingers
(R_HEEL, R_TOE, L_HEEL, L_TOE, NOSE, R_EAR, L_EAR, R_HAND, L_HAND) = range(16, 25)
ROOT = PELVIS

# the twelve joints that every data set defines alike: ankles, knees, hips, wrists, elbows, shoulders
LIMB_JOINTS = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15)
# torso length, the unit of PCK, runs from the left shoulder to the right hip
TORSO = (L_SHOULDER, R_HIP)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Joints in an order, each but the root with its parent."""

    name: str
    names: tuple[str, ...]
    parents: tuple[int | None, ...]
    groups: dict[str, tuple[int, ...]]  # joints by part of the body
    mirror_pairs: tuple[tuple[int, int], ...] = field(init=False)  # r_ and l_ of one joint, the lower index first
    bones: tuple[tuple[int, int], ...] = field(init=False)  # joint, parent
    right: tuple[int, ...] = field(init=False)
    left: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.parents) != len(self.names):
            raise ValueError(f"{len(self.names)} joints need as many parents, got {len(self.parents)}")
        right = tuple(i for i, name in enumerate(self.names) if name.startswith("r_"))
        left = tuple(i for i, name in enumerate(self.names) if name.startswith("l_"))
        pairs = ((i, self.names.index("l_" + self.names[i][2:])) for i in right)
        object.__setattr__(self, "mirror_pairs", tuple((min(p), max(p)) for p in pairs))
        object.__setattr__(self, "bones", tuple((i, p) for i, p in enumerate(self.parents) if p is not None))
        object.__setattr__(self, "right", right)
        object.__setattr__(self, "left", left)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def mirror(self) -> Int64[ndarray, "joints"]:
        """Index with it to swap left and right: mirrored = joints[skeleton.mirror]."""
        order = np.arange(len(self))
        for a, b in self.mirror_pairs:
            order[[a, b]] = b, a
        return order


_NAMES = (
    *("r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "pelvis", "thorax", "upper_neck", "head_top"),
    *("r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist"),
)
_PARENTS = (1, 2, 6, 6, 3, 4, None, 6, 7, 8, 11, 12, 7, 7, 13, 14)
_GROUPS = {"trunk": (PELVIS, THORAX, UPPER_NECK, HEAD_TOP), "limbs": LIMB_JOINTS}
_FEET, _FACE, _HANDS = (R_HEEL, R_TOE, L_HEEL, L_TOE), (NOSE, R_EAR, L_EAR), (R_HAND, L_HAND)

MPII16 = Skeleton("mpii16", _NAMES, _PARENTS, _GROUPS)
BODY25 = Skeleton(
    "body25",
    (*_NAMES, "r_heel", "r_toe", "l_heel", "l_toe", "nose", "r_ear", "l_ear", "r_hand", "l_hand"),
    (*_PARENTS, R_ANKLE, R_ANKLE, L_ANKLE, L_ANKLE, UPPER_NECK, UPPER_NECK, UPPER_NECK, R_WRIST, L_WRIST),
    {**_GROUPS, "feet": _FEET, "face": _FACE, "hands": _HANDS},
)
SKELETONS = {skeleton.name: skeleton for skeleton in (MPII16, BODY25)}
# the joints that all skeletons have: by these it is judged whether somebody is there, where, and how well seen
CORE = slice(0, len(MPII16))
# what `body25` has beyond `mpii16`
EXTREMITIES = (*_FEET, *_FACE, *_HANDS)


def skeleton_of(joints: int) -> Skeleton:
    """The skeleton with so many joints. ValueError where there is none."""
    for skeleton in SKELETONS.values():
        if len(skeleton) == joints:
            return skeleton
    known = ", ".join(f"{len(s)} ({s.name})" for s in SKELETONS.values())
    raise ValueError(f"no skeleton has {joints} joints; known: {known}")


def skeleton_named(names: tuple[str, ...]) -> Skeleton:
    """The skeleton whose joints are called so, in this order. ValueError where there is none."""
    for skeleton in SKELETONS.values():
        if skeleton.names == tuple(names):
            return skeleton
    raise ValueError(f"{len(names)} joints ({', '.join(names[:3])} ...) of no known skeleton: {', '.join(SKELETONS)}")


# source index of each mpii16 joint in Human3.6M's 17 (its spine, 7, is dropped as in the paper)
H36M17_TO_MPII16 = (3, 2, 1, 4, 5, 6, 0, 8, 9, 10, 16, 15, 14, 11, 12, 13)
# mpii16 index of each of LSP's 14
LSP14_TO_MPII16 = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9)
# (BODY_25 index, mpii16 index): its limb joints, Neck as thorax, MidHip as pelvis
BODY25_TO_MPII16 = (
    (11, 0),
    (10, 1),
    (9, 2),
    (12, 3),
    (13, 4),
    (14, 5),
    (8, 6),
    (1, 7),
    (4, 10),
    (3, 11),
    (2, 12),
    (5, 13),
    (6, 14),
    (7, 15),
)

# Bone lengths, joint to parent, as fractions of standing height, for a person of whom nothing else
# is known. Limbs after Drillis and Contini (1966) as given by Winter, Biomechanics and Motor Control
# of Human Movement; hips and trunk measured on the mocap skeletons of `docs/conventions.md`.
BONE_OVER_HEIGHT = {
    (0, 1): 0.246,
    (1, 2): 0.245,
    (2, 6): 0.055,
    (3, 6): 0.055,
    (4, 3): 0.245,
    (5, 4): 0.246,
    (7, 6): 0.288,
    (8, 7): 0.052,
    (9, 8): 0.130,
    (10, 11): 0.146,
    (11, 12): 0.186,
    (12, 7): 0.105,
    (13, 7): 0.105,
    (14, 13): 0.186,
    (15, 14): 0.146,
}
# The same for what `body25` has beyond: a foot of 0.152 whose ankle stands 0.039 high over its hindmost quarter and a
# palm half as long as a hand of 0.108 (Drillis and Contini); the face of a head of 0.130. Too short and too little
# alike in people to tell how tall somebody is.
EXTREMITY_OVER_HEIGHT = {
    (R_HEEL, R_ANKLE): 0.045,
    (R_TOE, R_ANKLE): 0.118,
    (L_HEEL, L_ANKLE): 0.045,
    (L_TOE, L_ANKLE): 0.118,
    (NOSE, UPPER_NECK): 0.079,
    (R_EAR, UPPER_NECK): 0.075,
    (L_EAR, UPPER_NECK): 0.075,
    (R_HAND, R_WRIST): 0.054,
    (L_HAND, L_WRIST): 0.054,
}
