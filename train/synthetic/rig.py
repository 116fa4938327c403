"""Bones of the baked rig (CMU names), their tree, and the fifteen segments that a pose turns."""

from __future__ import annotations

BONES = (
    "Hips",
    "LHipJoint",
    "LeftUpLeg",
    "LeftLeg",
    "LeftFoot",
    "LeftToeBase",
    "LowerBack",
    "Spine",
    "Spine1",
    "LeftShoulder",
    "LeftArm",
    "LeftForeArm",
    "LeftHand",
    "LThumb",
    "LeftFingerBase",
    "LeftHandFinger1",
    "Neck",
    "Neck1",
    "Head",
    "RightShoulder",
    "RightArm",
    "RightForeArm",
    "RightHand",
    "RThumb",
    "RightFingerBase",
    "RightHandFinger1",
    "RHipJoint",
    "RightUpLeg",
    "RightLeg",
    "RightFoot",
    "RightToeBase",
)
PARENT: tuple[int | None, ...] = (
    *(None, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 10, 11, 12, 12, 14),
    *(8, 16, 17, 8, 19, 20, 21, 22, 22, 24, 0, 26, 27, 28, 29),
)
# bones of a limb from the body outwards, without their side
ARM = ("Arm", "ForeArm", "Hand")
LEG = ("UpLeg", "Leg", "Foot", "ToeBase")

SEGMENTS = (
    "pelvis",
    "chest",
    "head",
    *(f"{side}_{part}" for side in "lr" for part in ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")),
)
(PELVIS_S, CHEST_S, HEAD_S) = range(3)
# the segment that each segment's local rotation is measured from
SEGMENT_PARENT: tuple[int | None, ...] = (None, 0, 1, 1, 3, 4, 0, 6, 7, 1, 9, 10, 0, 12, 13)
# the same segments with left and right exchanged
SEGMENT_MIRROR = (0, 1, 2, 9, 10, 11, 12, 13, 14, 3, 4, 5, 6, 7, 8)

_OF_SIDE = {
    "Arm": "upper_arm",
    "ForeArm": "forearm",
    "Hand": "hand",
    "FingerBase": "hand",
    "HandFinger1": "hand",
    "UpLeg": "thigh",
    "Leg": "shank",
    "Foot": "foot",
    "ToeBase": "foot",
}
SEGMENT_OF_BONE = {
    **dict.fromkeys(("Hips", "LHipJoint", "RHipJoint"), PELVIS_S),
    "Spine1": CHEST_S,
    "Head": HEAD_S,
    "LThumb": SEGMENTS.index("l_hand"),
    "RThumb": SEGMENTS.index("r_hand"),
    **{
        side + part: SEGMENTS.index(f"{side[0].lower()}_{segment}")
        for side in ("Left", "Right")
        for part, segment in _OF_SIDE.items()
    },
}


def bone(name: str) -> int:
    """The number of a bone."""
    return BONES.index(name)


def segment(name: str) -> int:
    """The number of a segment."""
    return SEGMENTS.index(name)
