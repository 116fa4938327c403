"""A pose: fifteen segments turned from the neutral stance, from joint angles or as plain rotations.

Neutral: standing upright, arms hanging with palms to the thighs, legs straight, looking to +z; x is the person's
left, y up. All angles in degrees and the same for left and right: positive flexes forward (hip, shoulder, elbow,
spine, neck), bends the knee backward, moves limbs away from the middle (abduct), turns them inward (twist).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from train.synthetic.rig import SEGMENT_MIRROR, SEGMENT_PARENT, SEGMENTS, segment

JITTER_DEG = 8.0
# share of the jitter that each segment gets: hips and spine less, hands and feet more
_JITTER_SHARE = {"pelvis": 0.8, "chest": 0.7, "head": 1.2, "hand": 1.5, "foot": 0.8}


@dataclass(frozen=True, slots=True)
class Pose:
    """Rotation of each segment from the neutral stance, in the world (y up)."""

    R: Float64[ndarray, "15 3 3"]
    # whether something of the person stands on the ground (a shadow belongs there)
    grounded: bool = True

    def turned(self, R: Float64[ndarray, "3 3"]) -> Pose:
        """The whole person turned."""
        return replace(self, R=R @ self.R)

    def mirrored(self) -> Pose:
        """Left and right exchanged: what a mirror in front of the person shows."""
        M = np.diag([-1.0, 1.0, 1.0])
        return replace(self, R=(M @ self.R @ M)[list(SEGMENT_MIRROR)])

    def shaken(self, rng: np.random.Generator, *, sd_deg: float = JITTER_DEG) -> Pose:
        """Each segment turned a little against its parent; knees and elbows only about their hinge."""
        local = self._local()
        for i, name in enumerate(SEGMENTS):
            part = name.split("_", 1)[-1]
            turn = np.deg2rad(sd_deg) * _JITTER_SHARE.get(part, 1.0) * rng.normal(size=3) / np.sqrt(1.5)
            if part in ("shank", "forearm"):
                turn *= (1.0, 0.3, 0.15)
            local[i] = local[i] @ rotation(turn)
        return replace(self, R=_chained(local))

    def _local(self) -> Float64[ndarray, "15 3 3"]:
        return np.stack([R if p is None else self.R[p].T @ R for R, p in zip(self.R, SEGMENT_PARENT, strict=True)])


@dataclass(frozen=True, slots=True)
class Limb:
    """Joint angles of one arm or leg in degrees; `bend` is the elbow or the knee."""

    flex: float = 0.0
    abduct: float = 0.0
    twist: float = 0.0
    bend: float = 0.0
    end: float = 0.0  # wrist flexion, or toes up


@dataclass(frozen=True, slots=True)
class Angles:
    """Joint angles of a whole body in degrees."""

    pitch: float = 0.0  # of the pelvis: positive bows forward
    yaw: float = 0.0  # positive turns to the person's left
    roll: float = 0.0
    spine: float = 0.0  # flexion of the chest against the pelvis
    spine_side: float = 0.0  # to the left
    spine_twist: float = 0.0  # to the left
    neck: float = 0.0
    neck_side: float = 0.0
    neck_twist: float = 0.0
    l_arm: Limb = Limb()
    r_arm: Limb = Limb()
    l_leg: Limb = Limb()
    r_leg: Limb = Limb()

    def pose(self, *, grounded: bool = True) -> Pose:
        """The segments' rotations."""
        local = np.tile(np.eye(3), (len(SEGMENTS), 1, 1))
        local[0] = _about("y", self.yaw) @ _about("x", self.pitch) @ _about("z", self.roll)
        local[1] = _about("y", self.spine_twist) @ _about("z", -self.spine_side) @ _about("x", self.spine)
        local[2] = _about("y", self.neck_twist) @ _about("z", -self.neck_side) @ _about("x", self.neck)
        for side, arm, leg, sign in (("l", self.l_arm, self.l_leg, 1.0), ("r", self.r_arm, self.r_leg, -1.0)):
            local[segment(side + "_upper_arm")] = _swung(arm, sign)
            local[segment(side + "_forearm")] = _about("x", -arm.bend)
            local[segment(side + "_hand")] = _about("z", -sign * arm.end)
            local[segment(side + "_thigh")] = _swung(leg, sign)
            local[segment(side + "_shank")] = _about("x", leg.bend)
            local[segment(side + "_foot")] = _about("x", -leg.end)
        return Pose(_chained(local), grounded)

    def mixed(self, other: Angles, share: float) -> Angles:
        """Angles between these and others."""
        values = {}
        for f in fields(self):
            a, b = getattr(self, f.name), getattr(other, f.name)
            if isinstance(a, Limb):
                pairs = {g.name: (getattr(a, g.name), getattr(b, g.name)) for g in fields(a)}
                values[f.name] = Limb(**{k: u + share * (v - u) for k, (u, v) in pairs.items()})
            else:
                values[f.name] = a + share * (b - a)
        return Angles(**values)


def rotation(turn_rad: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    """Rodrigues: the rotation about a vector by its length."""
    angle = float(np.linalg.norm(turn_rad))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = turn_rad / angle
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * (K @ K)


def between(a: Float64[ndarray, "3"], b: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    """The shortest rotation that brings direction a onto direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    cos = float(a @ b)
    if cos < -0.999999:  # any axis across a will do
        axis = np.cross(a, [1.0, 0, 0] if abs(a[0]) < 0.8 else [0, 0, 1.0])
        return rotation(axis / np.linalg.norm(axis) * np.pi)
    v = np.cross(a, b)
    K = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + K + K @ K / (1 + cos)


def blended(a: Float64[ndarray, "3 3"], b: Float64[ndarray, "3 3"], share: float) -> Float64[ndarray, "3 3"]:
    """The rotation `share` of the way from a to b."""
    return a @ rotation(share * turn_of(a.T @ b))


def turn_of(R: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3"]:
    """Axis times angle of a rotation, the angle below pi."""
    angle = np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1))
    axis = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    length = float(np.linalg.norm(axis))
    if length > 1e-7:
        return axis / length * angle
    if angle < 1.0:
        return np.zeros(3)
    column = (R + np.eye(3))[:, int(np.argmax(np.diag(R)))]
    return column / np.linalg.norm(column) * angle


def _chained(local: Float64[ndarray, "15 3 3"]) -> Float64[ndarray, "15 3 3"]:
    R = local.copy()
    for i, parent in enumerate(SEGMENT_PARENT):
        if parent is not None:
            R[i] = R[parent] @ local[i]
    return R


def _swung(limb: Limb, sign: float) -> Float64[ndarray, "3 3"]:
    """Swing of a hanging limb forward and outward, after a twist about its own length."""
    flex, out = np.deg2rad(limb.flex), np.deg2rad(limb.abduct)
    swing = rotation(np.array([-flex, 0, 0])) @ rotation(np.array([0, 0, sign * out]))
    return swing @ _about("y", -sign * limb.twist)


def _about(axis: str, angle_deg: float) -> Float64[ndarray, "3 3"]:
    a = np.deg2rad(angle_deg)
    c, s = np.cos(a), np.sin(a)
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == "y":
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
