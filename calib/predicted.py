"""What a rig can promise before anybody stands in it: the error of a triangulated point for one pixel of noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from calib.camera import Camera
from calib.rig import Rig

STEP_M = 1e-4  # of the numerical derivative
NEAREST_M = 0.1
WORST_MM = 1e4  # two rays that are nearly parallel say nothing about depth


def sees(camera: Camera, points_world_m: Float64[ndarray, "n 3"]) -> Bool[ndarray, "n"]:
    """Which points are in front of the camera and inside its picture."""
    points = points_world_m @ camera.R.T + camera.t
    ahead = points[:, 2] > NEAREST_M
    # far outside the field of view a polynomial distortion folds back into the picture: a plain pinhole says no
    plain = points[:, :2] / np.where(ahead, points[:, 2], 1.0)[:, None]
    corners = np.array([[-0.5, -0.5], [camera.width - 0.5, -0.5], [-0.5, camera.height - 0.5]])
    corners = np.vstack([corners, [[camera.width - 0.5, camera.height - 0.5]]])
    reach = 1.1 * np.abs(camera.rays(corners)).max(axis=0)
    inside = ahead & (np.abs(plain) <= reach).all(axis=1)
    if inside.any():
        px = camera.project(points[inside])
        inside[inside] = ((px > -0.5) & (px < (camera.width - 0.5, camera.height - 0.5))).all(axis=1)
    return inside


def mm_per_px(rig: Rig, points_world_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n"]:
    """Root mean square distance of a triangulated point from the true one, mm, for 1 px of noise per picture axis.

    NaN where fewer than two cameras see the point.
    """
    information = np.zeros((len(points_world_m), 3, 3))
    seen_by = np.zeros(len(points_world_m), dtype=int)
    for camera in rig.cameras.values():
        inside = sees(camera, points_world_m)
        if not inside.any():
            continue
        J = _jacobian(camera, points_world_m[inside])  # (n, 2, 3) px per metre
        information[inside] += J.transpose(0, 2, 1) @ J
        seen_by += inside
    result = np.full(len(points_world_m), np.nan)
    good = seen_by >= 2
    variances = 1 / np.maximum(np.linalg.eigvalsh(information[good]), 1e-12)
    result[good] = np.minimum(1000 * np.sqrt(variances.sum(axis=1)), WORST_MM)
    return result


def _jacobian(camera: Camera, points_world_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2 3"]:
    points = points_world_m @ camera.R.T + camera.t
    columns = [
        (camera.project(points + STEP_M * axis) - camera.project(points - STEP_M * axis)) / (2 * STEP_M)
        for axis in np.ascontiguousarray(camera.R.T)
    ]
    return np.stack(columns, axis=2)


@dataclass(frozen=True, slots=True)
class Volume:
    """The box in which people are expected, world axes."""

    low_m: Float64[ndarray, "3"]
    high_m: Float64[ndarray, "3"]

    @property
    def middle_m(self) -> Float64[ndarray, "3"]:
        """Its middle."""
        return (self.low_m + self.high_m) / 2

    def grid_m(self, steps: int) -> Float64[ndarray, "n 3"]:
        """Points on a regular grid, `steps` along each axis."""
        axes = [np.linspace(low, high, steps) for low, high in zip(self.low_m, self.high_m, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

    def plane_m(self, axis: int, at_m: float, steps: int) -> Float64[ndarray, "steps steps 3"]:
        """Points on a plane across `axis`, the later of the other two axes first: as a picture's rows."""
        across, up = (other for other in range(3) if other != axis)
        points = np.empty((steps, steps, 3))
        points[..., axis] = at_m
        points[..., across] = np.linspace(self.low_m[across], self.high_m[across], steps)[None]
        points[..., up] = np.linspace(self.low_m[up], self.high_m[up], steps)[:, None]
        return points


def volume_of(rig: Rig, *, height_m: float = 2.2) -> Volume:
    """Where the optical axes meet, as wide as the cameras are away from it, from the floor to a raised hand.

    Axes that do not meet (one camera, or parallel ones) give a place three metres ahead.
    """
    cameras = list(rig.cameras.values())
    centers = np.array([camera.center_world_m for camera in cameras])
    axes = np.array([camera.R[2] for camera in cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    A, b = across.sum(axis=0), (across @ centers[:, :, None])[:, :, 0].sum(axis=0)
    ahead = centers.mean(axis=0) + 3.0 * axes.mean(axis=0)
    middle = np.linalg.solve(A, b) if np.linalg.cond(A) < 1e3 else ahead
    distance = np.linalg.norm(centers - middle, axis=1)
    if not (distance.min() > 0.3 and distance.max() < 30 and ((middle - centers) * axes).sum(axis=1).min() > 0):
        middle, distance = ahead, np.full(len(cameras), 3.0)
    half = float(np.clip(0.6 * distance.mean(), 0.5, 6.0))
    low, high = middle - half, middle + half
    low[2], high[2] = 0.0, height_m
    return Volume(low, high)
