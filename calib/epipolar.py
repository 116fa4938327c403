"""What two views of the same points say about each other: the essential matrix, its four readings, its residual.

x_b = R x_a + t in camera axes, E = [t]x R, and rays obey b^T E a = 0: OpenCV's order. The paper of the method has its
Eq. 4 the other way round (the transpose), and [R | R T] for [R | t]: its T is -(the second camera's centre), t = R T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib.camera import rigid
from calib.triangulate import midpoints

Matrix = Float64[ndarray, "3 3"]

BLOCK_S = 0.4  # a detector's errors, and smoothed joints, stay alike for so long


@dataclass(frozen=True, slots=True)
class Pairs:
    """The same joints in two views, as rays (x / z, y / z); one row per joint and moment."""

    a: Float64[ndarray, "n 2"]
    b: Float64[ndarray, "n 2"]
    weight: Float64[ndarray, "n"]  # how much each counts, about 0 ... 1
    frame: Int64[ndarray, "n"]
    joint: Int64[ndarray, "n"]
    block: Int64[ndarray, "n"]  # stretches of time within which errors go together
    focal_px: float  # turns residuals into pixels; the mean of both cameras

    def __len__(self) -> int:
        return len(self.a)

    def picked(self, rows: ndarray) -> Pairs:
        """Some of the rows."""
        parts = (self.a, self.b, self.weight, self.frame, self.joint, self.block)
        return Pairs(*(part[rows] for part in parts), focal_px=self.focal_px)


@dataclass(frozen=True, slots=True)
class Relative:
    """Where camera b is, seen from camera a; the length of t is not known and is 1."""

    R: Matrix
    t: Float64[ndarray, "3"]

    @property
    def E(self) -> Matrix:  # noqa: N802
        """The essential matrix, b^T E a = 0."""
        return cross(self.t) @ self.R

    @property
    def b_from_a(self) -> Float64[ndarray, "4 4"]:
        """As a transform, in baselines."""
        return rigid(self.R, self.t)

    @classmethod
    def of(cls, b_from_a: Float64[ndarray, "4 4"]) -> Relative:
        """From a transform of any length of baseline."""
        t = b_from_a[:3, 3]
        return cls(b_from_a[:3, :3].copy(), t / np.linalg.norm(t))

    def apart_deg(self, other: Relative) -> tuple[float, float]:
        """Angle between both rotations, and between both directions of the baseline."""
        turn = np.linalg.norm(self.R - other.R) / np.sqrt(8)
        way = np.arctan2(np.linalg.norm(np.cross(self.t, other.t)), self.t @ other.t)
        return float(np.rad2deg(2 * np.arcsin(min(turn, 1.0)))), float(np.rad2deg(way))


def blocks_of(time_s: Float64[ndarray, "n"]) -> Int64[ndarray, "n"]:
    """Numbers of the stretches of time that moments lie in."""
    return np.floor((time_s - time_s.min()) / BLOCK_S).astype(np.int64) if len(time_s) else np.zeros(0, np.int64)


def cross(v: Float64[ndarray, "3"]) -> Matrix:
    """The matrix of the cross product: cross(v) @ w = v x w."""
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


def homogeneous(rays: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 3"]:
    """With z = 1."""
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1)


def sampson(E: Matrix, a: Float64[ndarray, "n 2"], b: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n"]:
    """Signed distance of pairs from the epipolar constraint, to first order, in the unit of the rays.

    Hartley and Zisserman 2004, 11.4.3. With noise s on every coordinate it has the standard deviation s.
    """
    to_b, to_a = homogeneous(a) @ E.T, homogeneous(b) @ E
    away = (homogeneous(b) * to_b).sum(1)
    return away / np.maximum(np.sqrt((to_b[:, :2] ** 2).sum(1) + (to_a[:, :2] ** 2).sum(1)), 1e-15)


def decomposed(E: Matrix) -> tuple[Relative, Relative, Relative, Relative]:
    """The four rotations and translations whose essential matrix this is, up to its scale (9.6.2)."""
    U, _, Vt = np.linalg.svd(E)
    U, Vt = U * np.sign(np.linalg.det(U)), Vt * np.sign(np.linalg.det(Vt))
    W = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    one, other, t = U @ W @ Vt, U @ W.T @ Vt, U[:, 2]
    return Relative(one, t), Relative(one, -t), Relative(other, t), Relative(other, -t)


def in_front(relative: Relative, pairs: Pairs) -> Bool[ndarray, "n"]:
    """Which points lie before both cameras, however far away they are."""
    points = midpoints(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
    return (points[:, 2] > 0) & (points @ relative.R[2] + relative.t[2] > 0)


@dataclass(frozen=True, slots=True)
class Vote:
    """The reading of an essential matrix that has the points before the cameras."""

    relative: Relative
    share: float  # of points before both cameras
    next_share: float  # of the second-best reading


def voted(E: Matrix, pairs: Pairs) -> Vote:
    """The winner of all four readings, each pair with its weight.

    Our own count: OpenCV's `recoverPose` drops points beyond 50 baselines, and with cameras that are close together it
    drops them all and returns the translation reversed.
    """
    total = max(float(pairs.weight.sum()), 1e-12)
    shares = [(float(pairs.weight @ in_front(each, pairs)) / total, each) for each in decomposed(E)]
    shares.sort(key=lambda one: -one[0])
    return Vote(shares[0][1], shares[0][0], shares[1][0])


def truncated_cost(E: Matrix, pairs: Pairs, limit_px: float) -> float:
    """Mean squared residual in pixels, none counted as larger than the limit."""
    away = np.minimum(np.abs(sampson(E, pairs.a, pairs.b)) * pairs.focal_px, limit_px)
    return float(pairs.weight @ away**2 / max(float(pairs.weight.sum()), 1e-12))


def best_of(candidates: Sequence[Matrix], pairs: Pairs, limit_px: float) -> Matrix | None:
    """The candidate of least truncated cost."""
    return min(candidates, key=lambda E: truncated_cost(E, pairs, limit_px), default=None)
