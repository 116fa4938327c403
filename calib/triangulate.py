"""Points from rays of several cameras, and how exact they can be."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.bundle import pixels_and_slopes
from calib.camera import Camera


def triangulated(
    rays: Float64[ndarray, "cameras n 2"],
    cam_from_root: Float64[ndarray, "cameras 4 4"],
    weights: Float64[ndarray, "cameras n"] | None = None,
) -> Float64[ndarray, "n 3"]:
    """Points by the linear method (Hartley and Zisserman, 12.2); NaN rays are not seen, fewer than two give NaN.

    `weights` multiply a ray's two equations: the inverse of its standard deviation.
    """
    rows = rays[..., None] * cam_from_root[:, None, 2:3, :] - cam_from_root[:, None, :2, :]  # (cameras, n, 2, 4)
    seen = ~np.isnan(rays[..., 0])
    if weights is not None:
        rows = rows * weights[..., None, None]
    A = np.where(seen[..., None, None], rows, 0.0).transpose(1, 0, 2, 3).reshape(rays.shape[1], -1, 4)
    point = np.linalg.svd(A)[2][:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        points = point[:, :3] / point[:, 3:]
    points[seen.sum(0) < 2] = np.nan
    return points


def midpoints(
    rays: Float64[ndarray, "cameras n 2"], cam_from_root: Float64[ndarray, "cameras 4 4"]
) -> Float64[ndarray, "n 3"]:
    """The points nearest to their rays, by least squares of distances; NaN as in `triangulated`."""
    R = cam_from_root[:, :3, :3]
    centers = -np.einsum("cji,cj->ci", R, cam_from_root[:, :3, 3])
    ways = np.einsum("cji,cnj->cni", R, np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=2))
    ways /= np.linalg.norm(ways, axis=2, keepdims=True)
    seen = ~np.isnan(rays[..., 0])
    across = np.where(seen[..., None, None], np.eye(3) - ways[..., :, None] * ways[..., None, :], 0.0)
    A, b = across.sum(0), np.einsum("cnij,cj->ni", across, centers)
    A[seen.sum(0) < 2] = np.eye(3)
    with np.errstate(divide="ignore", invalid="ignore"):
        adjugate = np.stack([np.cross(A[:, 1], A[:, 2]), np.cross(A[:, 2], A[:, 0]), np.cross(A[:, 0], A[:, 1])], 2)
        points = np.einsum("nij,nj->ni", adjugate, b) / np.einsum("ni,ni->n", A[:, 0], adjugate[:, :, 0])[:, None]
    points[seen.sum(0) < 2] = np.nan
    return points


def polynomial(rays: Float64[ndarray, "2 n 2"], cam_from_root: Float64[ndarray, "2 4 4"]) -> Float64[ndarray, "n 3"]:
    """The paper's way: the pair of rays that meet and lie nearest to those seen, then where they meet.

    The root of a polynomial of degree 6 (Hartley and Sturm 1997), as OpenCV solves it; NaN as in `triangulated`.
    """
    b_from_a = cam_from_root[1] @ np.linalg.inv(cam_from_root[0])
    x, y, z = b_from_a[:3, 3]
    E = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ b_from_a[:3, :3]
    seen = np.isfinite(rays).all((0, 2))
    moved = np.full_like(rays, np.nan)
    if seen.any():
        moved[:, seen] = np.concatenate(cv2.correctMatches(E, rays[:1, seen], rays[1:, seen]))
    return triangulated(moved, cam_from_root)


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
