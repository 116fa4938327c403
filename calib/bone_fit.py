"""A person's points from two views, each frame's joints together: what was seen, and bones that keep their lengths.

Two views have no redundancy along the epipolar line; bones and time have. Per frame a Levenberg-Marquardt over all its
joints: reprojections under the Geman-McClure loss, bones, and a weak pull towards where the joint was around that time.
All frames are solved at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from calib.joint_track import Body

STEPS = 8
DAMPING = 1e-3
BONE_SIGMA = 0.04  # relative
PULL_SIGMA = 0.06  # of the place around that time, parts of the body's height
WIDTH = 3.0  # of the loss, standard deviations
NEAREST = 0.1  # of the typical depth: nothing is nearer to a camera

Points = Float64[ndarray, "frames joints 3"]


@dataclass(frozen=True, slots=True)
class View:
    """One camera's rays of all frames, and how sure each is."""

    camera: Camera
    rays: Float64[ndarray, "frames joints 2"]  # NaN: not seen
    confidence: Float64[ndarray, "frames joints"]  # 0: not used

    def misses(
        self, points: Points
    ) -> tuple[Float64[ndarray, "frames joints 2"], Float64[ndarray, "frames joints 2 3"]]:
        """Seen - projected in pixels of a pinhole with this focal length, and slopes of the projection by the point.

        Zero where nothing was seen.
        """
        camera = self.camera
        f = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
        at = points @ camera.R.T + camera.t
        nearest = NEAREST * float(np.median(at[..., 2]))
        z = np.maximum(at[..., 2], max(nearest, 1e-6))[..., None]
        uv = at[..., :2] / z
        slopes = (camera.R[:2] - uv[..., None] * camera.R[2]) * (f / z[..., None])
        return np.where(np.isfinite(self.rays), f * (self.rays - uv), 0.0), slopes


@dataclass(frozen=True, slots=True)
class Fitted:
    """Points, their covariances, and how much of each joint's pixels the loss kept (the lesser of both views)."""

    points: Points
    covariance: Float64[ndarray, "frames joints 3 3"]
    kept: Float64[ndarray, "frames joints"]  # 0 ... 1


def fit_bones(
    views: Sequence[View], start: Points, around: Points, body: Body, bones: Float64[ndarray, "bones"], *,
    sigma_px: float, height: float,
) -> Fitted:  # fmt: skip
    """The points that fit best, near a start. `around`: where each joint was about that time (as the start: no NaN)."""
    points = start.copy()
    damping = np.full(len(points), DAMPING)
    system = _system(views, points, around, body, bones, sigma_px, height)
    for _ in range(STEPS):
        trial = points + _solved(system.A, system.b, damping)
        moved = _system(views, trial, around, body, bones, sigma_px, height)
        better = moved.cost < system.cost
        points = np.where(better[:, None, None], trial, points)
        damping = np.where(better, damping / 5, damping * 10)
        system = moved.where(better, system)
    n, J = points.shape[:2]
    inverse = np.linalg.inv(system.A.reshape(n, 3 * J, 3 * J)).reshape(n, J, 3, J, 3)
    covariance = np.einsum("njajb->njab", inverse)
    return Fitted(points, covariance, system.kept)


@dataclass(frozen=True, slots=True)
class _Normal:
    A: Float64[ndarray, "frames joints 3 joints 3"]
    b: Points
    cost: Float64[ndarray, "frames"]
    kept: Float64[ndarray, "frames joints"]

    def where(self, mine: ndarray, other: _Normal) -> _Normal:
        """This one in some frames, the other in the rest."""
        return _Normal(
            np.where(mine[:, None, None, None, None], self.A, other.A),
            np.where(mine[:, None, None], self.b, other.b),
            np.where(mine, self.cost, other.cost),
            np.where(mine[:, None], self.kept, other.kept),
        )


def _system(views, points, around, body, bones, sigma_px, height) -> _Normal:
    n, J = points.shape[:2]
    pull = (PULL_SIGMA * height) ** -2
    A, b = np.zeros((n, J, 3, J, 3)), pull * (around - points)
    joints = np.arange(J)
    own = np.broadcast_to(pull * np.eye(3), (n, J, 3, 3)).copy()
    cost = 0.5 * pull * ((around - points) ** 2).sum((1, 2))
    kept = np.ones((n, J))
    for view in views:
        misses, slopes = view.misses(points)
        squares = (misses**2).sum(-1) / (WIDTH * sigma_px) ** 2
        weight = view.confidence / (1 + squares) ** 2 / sigma_px**2
        own += np.einsum("nj,njka,njkb->njab", weight, slopes, slopes)
        b += np.einsum("nj,njka,njk->nja", weight, slopes, misses)
        cost += 0.5 * WIDTH**2 * (view.confidence * squares / (1 + squares)).sum(1)
        kept = np.minimum(kept, np.where(view.confidence > 0, 1 / (1 + squares) ** 2, 0.0))
    A[:, joints, :, joints, :] = own.transpose(1, 0, 2, 3)
    for (child, parent), length in zip(body.bones, bones, strict=True):
        away = points[:, child] - points[:, parent]
        now = np.maximum(np.linalg.norm(away, axis=-1), 1e-9 * height)
        way, weight = away / now[:, None], (BONE_SIGMA * length) ** -2
        miss = length - now
        outer = weight * way[:, :, None] * way[:, None, :]
        A[:, child, :, child] += outer
        A[:, parent, :, parent] += outer
        A[:, child, :, parent] -= outer
        A[:, parent, :, child] -= outer
        b[:, child] += weight * miss[:, None] * way
        b[:, parent] -= weight * miss[:, None] * way
        cost += 0.5 * weight * miss**2
    return _Normal(A, b, cost, kept)


def _solved(A: ndarray, b: ndarray, damping: ndarray) -> Points:
    n, J = b.shape[:2]
    flat = A.reshape(n, 3 * J, 3 * J)
    diagonal = np.einsum("nii->ni", flat)
    damped = flat + np.einsum("n,ni,ij->nij", damping, diagonal, np.eye(3 * J))
    return np.linalg.solve(damped, b.reshape(n, 3 * J, 1)).reshape(n, J, 3)
