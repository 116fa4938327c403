"""A person's joints as one camera saw them over time, and what a skeleton says: bones, mirror pairs, feet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib.camera import Camera


@dataclass(frozen=True, slots=True)
class Body:
    """The skeleton whose joints the tracks hold. Joints are numbers into `names`."""

    names: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]  # (joint, parent)
    bone_parts: tuple[float, ...]  # expected length of each bone, part of the person's height
    mirror: tuple[int, ...]  # of each joint, the one that takes its place when left and right are exchanged
    # the right leg and the right arm, from their ends: what is mistaken for the other side's together
    limbs: tuple[tuple[int, int, int], tuple[int, int, int]]
    feet: tuple[int, ...]  # joints that come to rest near the floor
    root: int
    head: tuple[int, int] | None = None  # thorax and head top
    foot_part: float = 0.039  # height of those joints above the floor, part of the person's (Drillis and Contini 1966)
    extremities: tuple[int, ...] = ()  # joints by which neither the person's height nor the detector's noise is judged
    along: tuple[tuple[int, ...], ...] = ((), ())  # of these, the right ones that go with each of the limbs

    def __post_init__(self) -> None:
        n = len(self.names)
        groups = (self.feet, self.mirror, self.extremities, *self.bones, *self.limbs, *self.along)
        told = [self.root, *(joint for group in groups for joint in group)]
        if len(self.mirror) != n or len(self.bone_parts) != len(self.bones) or not set(told) <= set(range(n)):
            raise ValueError(f"a body of {n} joints does not fit its bones, mirror pairs, limbs or feet")
        if any(self.mirror[self.mirror[j]] != j for j in range(n)):
            raise ValueError("mirroring twice must give every joint back")

    @property
    def core(self) -> Bool[ndarray, "joints"]:
        """Which joints are no extremities."""
        return ~np.isin(np.arange(len(self.names)), self.extremities)

    @property
    def mirrored_bones(self) -> Int64[ndarray, "bones"]:
        """Of each bone, the number of its mirror image; itself where it has none."""
        at = {frozenset(bone): i for i, bone in enumerate(self.bones)}
        pairs = [frozenset((self.mirror[a], self.mirror[b])) for a, b in self.bones]
        return np.array([at.get(pair, i) for i, pair in enumerate(pairs)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Track:
    """One person in one camera's pictures; frames in order of time."""

    time_s: Float64[ndarray, "frames"]  # the camera's own clock
    px: Float64[ndarray, "frames joints 2"]  # NaN: not seen
    score: Float64[ndarray, "frames joints"]  # 0 ... 1, how likely each is right

    def __post_init__(self) -> None:
        if (np.diff(self.time_s) <= 0).any() or not np.isfinite(self.time_s).all():
            raise ValueError("the frames of a track come in order of time, each at a time of its own")
        if not np.isfinite(self.score).all() or (self.score < 0).any() or (self.score > 1).any():
            raise ValueError("scores lie in 0 ... 1")

    @property
    def seen(self) -> Bool[ndarray, "frames joints"]:
        """Which joints have a place."""
        return np.asarray(np.isfinite(self.px).all(-1))

    @property
    def rate_hz(self) -> float:
        """Frames per second: of the typical step."""
        return 1 / float(np.median(np.diff(self.time_s))) if len(self.time_s) > 1 else float("nan")

    def undistorted(self, camera: Camera) -> Track:
        """The same points in the picture of a pinhole with the camera's K."""
        px, seen = np.full_like(self.px, np.nan), self.seen
        px[seen] = camera.undistorted(self.px[seen])
        return replace(self, px=px)

    def rays(self, camera: Camera) -> Float64[ndarray, "frames joints 2"]:
        """x / z and y / z in the camera's axes, without distortion."""
        rays, seen = np.full_like(self.px, np.nan), self.seen
        rays[seen] = camera.rays(self.px[seen])
        return rays

    def of(self, joints: Sequence[int]) -> Track:
        """Some of the joints, in this order."""
        return replace(self, px=self.px[:, list(joints)], score=self.score[:, list(joints)])

    def picked(self, frames: ndarray) -> Track:
        """Some of the frames."""
        return Track(self.time_s[frames], self.px[frames], self.score[frames])
