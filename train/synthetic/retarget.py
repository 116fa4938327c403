"""Poses from motion capture: directions of limbs and the planes of knees and elbows, never joint places.

Skeletons of recordings differ in proportions and in what they call a hip, so only directions are taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from engine.errors import UserError
from train.synthetic.pose import Pose, between
from train.synthetic.rig import segment
from train.synthetic.split import Split, belongs

# joints of the recordings (T, 17, 3), y up
(PELVIS, R_HIP, R_KNEE, R_ANKLE, L_HIP, L_KNEE, L_ANKLE, SPINE, THORAX) = range(9)
(NECK, HEAD, L_SHOULDER, L_ELBOW, L_WRIST, R_SHOULDER, R_ELBOW, R_WRIST) = range(9, 17)
# below this bend (sine) the plane of a knee or an elbow says nothing
HINGE_MIN_SIN, HINGE_FULL_SIN = 0.12, 0.35


# recordings that may not teach bundled weights
NON_COMMERCIAL = ("bandai__",)


class MotionError(UserError):
    """A file of recordings that cannot be read."""


@dataclass(frozen=True, slots=True)
class Motions:
    """Clips of joint positions."""

    clips: tuple[Float32[ndarray, "_ 17 3"], ...]

    def random_pose(self, rng: np.random.Generator) -> Pose:
        """A frame of a clip, clips drawn by the square root of their length."""
        shares = np.sqrt([len(clip) for clip in self.clips])
        clip = self.clips[rng.choice(len(self.clips), p=shares / shares.sum())]
        return retargeted(clip[rng.integers(len(clip))].astype(np.float64))


def read_motions(path: Path, *, split: Split = "all", leave_out: tuple[str, ...] = NON_COMMERCIAL) -> Motions:
    """The clips of an npz file of (frames, 17, 3) arrays, without those whose key starts with a word of `leave_out`.

    MotionError when it holds none.
    """
    try:
        with np.load(path, allow_pickle=False) as raw:
            kept = [key for key in raw.files if not key.startswith(leave_out) and belongs(key, split)]
            clips = tuple(raw[key] for key in kept)
    except (OSError, ValueError, EOFError) as error:
        raise MotionError(f"{path} is not a readable npz of clips ({error})") from None
    if not clips or any(clip.ndim != 3 or clip.shape[1:] != (17, 3) for clip in clips):
        raise MotionError(f"{path} holds no clips of shape (frames, 17, 3); docs/datasets.md shows the layout")
    return Motions(clips)


def retargeted(joints: Float64[ndarray, "17 3"]) -> Pose:
    """The pose whose limbs point as these joints do."""
    R = np.tile(np.eye(3), (15, 1, 1))
    shoulders = (joints[L_SHOULDER] + joints[R_SHOULDER]) / 2
    hips = (joints[L_HIP] + joints[R_HIP]) / 2
    # the trunk's lean is shared: hips turn with their own line, the chest with the shoulders'
    R[0] = _frame(across=joints[L_HIP] - joints[R_HIP], up=joints[SPINE] - hips)
    R[1] = _frame(across=joints[L_SHOULDER] - joints[R_SHOULDER], up=shoulders - joints[SPINE])
    R[2] = between(R[1][:, 1], joints[HEAD] - joints[NECK]) @ R[1]
    for side, shoulder, elbow, wrist in (("l", L_SHOULDER, L_ELBOW, L_WRIST), ("r", R_SHOULDER, R_ELBOW, R_WRIST)):
        upper, lower = _limb(R[1], joints[elbow] - joints[shoulder], joints[wrist] - joints[elbow], bends=1.0)
        R[segment(side + "_upper_arm")], R[segment(side + "_forearm")] = upper, lower
        R[segment(side + "_hand")] = lower
    for side, hip, knee, ankle in (("l", L_HIP, L_KNEE, L_ANKLE), ("r", R_HIP, R_KNEE, R_ANKLE)):
        upper, lower = _limb(R[0], joints[knee] - joints[hip], joints[ankle] - joints[knee], bends=-1.0)
        R[segment(side + "_thigh")], R[segment(side + "_shank")] = upper, lower
        R[segment(side + "_foot")] = lower
    return Pose(R)


def _frame(*, across: Float64[ndarray, "3"], up: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    x = across / np.linalg.norm(across)
    y = up - (up @ x) * x
    y /= np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


def _limb(
    parent: Float64[ndarray, "3 3"], upper: Float64[ndarray, "3"], lower: Float64[ndarray, "3"], *, bends: float
) -> tuple[Float64[ndarray, "3 3"], Float64[ndarray, "3 3"]]:
    """Rotations of both halves. The lower one bends to `bends` times the upper one's z."""
    y = -upper / np.linalg.norm(upper)
    swing = between(-parent[:, 1], -y) @ parent
    along = lower / np.linalg.norm(lower)
    side = along - (along @ y) * y
    sin = float(np.linalg.norm(side))
    z = swing[:, 2]
    if sin > HINGE_MIN_SIN:
        trust = min((sin - HINGE_MIN_SIN) / (HINGE_FULL_SIN - HINGE_MIN_SIN), 1.0)
        hinge = bends * side / sin
        if hinge @ z > -0.95:  # opposite directions have no middle
            mixed = trust * hinge + (1 - trust) * z
            z = mixed / np.linalg.norm(mixed)
        elif trust > 0.5:
            z = hinge
    frame = np.column_stack([np.cross(y, z), y, z])
    return frame, between(-y, along) @ frame
