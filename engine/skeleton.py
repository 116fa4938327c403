"""The skeleton `mpii16`: names, tree, mirror pairs, and the maps from other skeletons into it.

"Left" is always the person's own left.
"""

from __future__ import annotations

import numpy as np

JOINT_NAMES = (
    "r_ankle",
    "r_knee",
    "r_hip",
    "l_hip",
    "l_knee",
    "l_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "r_wrist",
    "r_elbow",
    "r_shoulder",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
)
JOINTS = len(JOINT_NAMES)
(R_ANKLE, R_KNEE, R_HIP, L_HIP, L_KNEE, L_ANKLE, PELVIS, THORAX) = range(8)
(UPPER_NECK, HEAD_TOP, R_WRIST, R_ELBOW, R_SHOULDER, L_SHOULDER, L_ELBOW, L_WRIST) = range(8, 16)
ROOT = PELVIS

PARENTS: tuple[int | None, ...] = (1, 2, 6, 6, 3, 4, None, 6, 7, 8, 11, 12, 7, 7, 13, 14)
BONES = tuple((joint, parent) for joint, parent in enumerate(PARENTS) if parent is not None)
MIRROR_PAIRS = ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13))
# index with it to swap left and right: mirrored = joints[MIRROR]
MIRROR = np.array([5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10])

# the twelve joints that every data set defines alike: ankles, knees, hips, wrists, elbows, shoulders
LIMB_JOINTS = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15)
# torso length, the unit of PCK, runs from the left shoulder to the right hip
TORSO = (L_SHOULDER, R_HIP)

RIGHT_JOINTS = (0, 1, 2, 10, 11, 12)
LEFT_JOINTS = (3, 4, 5, 13, 14, 15)

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
