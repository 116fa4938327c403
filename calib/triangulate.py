"""Points from rays of several cameras, and how exact they can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.bundle import pixels_and_slopes
from calib.camera import Camera


def triangulated(
    rays: Float64[ndarray, "cameras n 2"], cam_from_root: Float64[ndarray, "cameras 4 4"]
) -> Float64[ndarray, "n 3"]:
    """Points by the linear method (Hartley and Zisserman, 12.2); NaN rays are not seen, fewer than two give NaN."""
    rows = rays[..., None] * cam_from_root[:, None, 2:3, :] - cam_from_root[:, None, :2, :]  # (cameras, n, 2, 4)
    seen = ~np.isnan(rays[..., 0])
    A = np.where(seen[..., None, None], rows, 0.0).transpose(1, 0, 2, 3).reshape(rays.shape[1], -1, 4)
    point = np.linalg.svd(A)[2][:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        points = point[:, :3] / point[:, 3:]
    points[seen.sum(0) < 2] = np.nan
    return points


def point_sigma_m(
    cameras: Sequence[Camera], points_world_m: Float64[ndarray, "n 3"], *, sigma_px: float = 1.0
) -> Float64[ndarray, "n"]:
    """Standard deviation (root of the trace, metres) of points that all placed cameras see with `sigma_px` of noise.

    From the information of their pixels; inf where the rays run together.
    """
    information = np.zeros((len(points_world_m), 3, 3))
    for camera in cameras:
        _, slopes = pixels_and_slopes(camera, points_world_m @ camera.R.T + camera.t)
        J = slopes @ camera.R
        information += J.transpose(0, 2, 1) @ J
    values = np.linalg.eigvalsh(information)
    with np.errstate(divide="ignore"):
        return sigma_px * np.sqrt((1 / np.maximum(values, 0)).sum(1))
