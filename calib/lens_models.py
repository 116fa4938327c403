"""Lens models of growing freedom, and their projection with derivatives.

A lens is a vector `lens`: fx fy cx cy, then OpenCV's distortions (pinhole k1 k2 p1 p2 k3 k4 k5 k6, fisheye k1 ... k4).
A model says which of them are free and which stay zero: lens = columns @ free numbers.
Pinhole with rational distortion as in OpenCV after Brown (1971); fisheye after Kannala and Brandt (2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera

Kind = Literal["pinhole", "fisheye"]
LENGTHS: dict[Kind, int] = {"pinhole": 12, "fisheye": 8}
STEPS = 1000  # along a radius of the picture
FAR_RAY = 4.0  # tangent of the angle from the axis; beyond it a plane's pose is not started from undistorted points


@dataclass(frozen=True)
class LensModel:
    """One rung of the ladder. Each free number drives one or more entries of the lens."""

    name: str
    kind: Kind
    free: tuple[tuple[int, ...], ...]
    dist_length: int  # how many distortions a `Camera` of this model keeps

    @property
    def columns(self) -> Float64[ndarray, "lens free"]:
        """Which entries of the lens a free number drives."""
        columns = np.zeros((LENGTHS[self.kind], len(self.free)))
        for k, entries in enumerate(self.free):
            columns[list(entries), k] = 1.0
        return columns


def _model(name: str, kind: Kind, distortions: int, *, one_focal: bool = False, dist_length: int = 5) -> LensModel:
    focal = ((0, 1),) if one_focal else ((0,), (1,))
    rest = tuple((2 + k,) for k in range(2 + distortions))
    return LensModel(name, kind, focal + rest, dist_length)


# from simple to rich; the principal point is always free, so that its uncertainty is never hidden
LADDER = (
    _model("pinhole, one focal length, k1", "pinhole", 1, one_focal=True),
    _model("pinhole, one focal length, k1 k2", "pinhole", 2, one_focal=True),
    _model("pinhole, k1 k2 p1 p2", "pinhole", 4),
    _model("pinhole, k1 k2 p1 p2 k3", "pinhole", 5),
    _model("fisheye, k1 k2 k3 k4", "fisheye", 4, dist_length=4),
    _model("pinhole, k1 k2 p1 p2 k3 k4 k5 k6", "pinhole", 8, dist_length=8),
)
START: dict[Kind, LensModel] = {
    "pinhole": LADDER[0],
    "fisheye": _model("fisheye, one focal length, k1", "fisheye", 1, one_focal=True, dist_length=4),
}


def plain_lens(kind: Kind, f_px: float, size_px: tuple[int, int]) -> Float64[ndarray, "lens"]:
    """No distortion, the principal point in the middle of the picture."""
    lens = np.zeros(LENGTHS[kind])
    lens[:4] = f_px, f_px, (size_px[0] - 1) / 2, (size_px[1] - 1) / 2
    return lens


def camera_of(model: LensModel, lens: Float64[ndarray, "lens"], size_px: tuple[int, int]) -> Camera:
    """The lens as the rest of the program knows it."""
    return Camera(*size_px, matrix_of(lens), lens[4 : 4 + model.dist_length].copy(), model.kind)


def matrix_of(lens: Float64[ndarray, "lens"]) -> Float64[ndarray, "3 3"]:
    """K of a lens."""
    return np.array([[lens[0], 0, lens[2]], [0, lens[1], lens[3]], [0, 0, 1]])


def project(
    kind: Kind,
    lens: Float64[ndarray, "lens"],
    poses: Float64[ndarray, "views 6"],
    points_m: Sequence[ndarray],  # per view (n, 3)
) -> list[tuple[ndarray, ndarray, ndarray]]:
    """Per view the pixels (n, 2) of points and the derivatives by lens (2 n, lens) and by pose (2 n, 6).

    A pose is a rotation vector and a translation; the rows of derivatives are x0 y0 x1 y1 ...
    """
    K, dist, projected = matrix_of(lens), lens[4:], []
    for pose, points in zip(poses, points_m, strict=True):
        if kind == "fisheye":
            px, J = cv2.fisheye.projectPoints(points[:, None], pose[:3], pose[3:], K, dist)
            projected.append((px[:, 0], J[:, :8], J[:, 8:14]))
        else:
            px, J = cv2.projectPoints(points[:, None], pose[:3], pose[3:], K, dist)
            projected.append((px[:, 0], J[:, 6:], J[:, :6]))
    return projected


def reaches_corners(kind: Kind, lens: Float64[ndarray, "lens"], size_px: tuple[int, int]) -> bool:
    """Whether the picture's farthest corner shows something: radial distortion does not turn back before it."""
    size = np.array(size_px)
    far = np.linalg.norm(np.maximum(lens[2:4], size - 1 - lens[2:4]) / lens[:2])
    k = lens[4:]
    if kind == "fisheye":
        angle = np.linspace(0, np.pi * 0.75, STEPS)
        distorted = angle * (1 + angle**2 * (k[0] + angle**2 * (k[1] + angle**2 * (k[2] + angle**2 * k[3]))))
    else:
        r = np.tan(np.linspace(0, np.deg2rad(85), STEPS))
        numerator = 1 + r**2 * (k[0] + r**2 * (k[1] + r**2 * k[4]))
        distorted = r * numerator / (1 + r**2 * (k[5] + r**2 * (k[6] + r**2 * k[7])))
    turns_back = np.flatnonzero(np.diff(distorted) <= 0)
    last = turns_back[0] if len(turns_back) else STEPS - 1
    return bool(distorted[last] >= far)


def rays_of(kind: Kind, lens: Float64[ndarray, "lens"], px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
    """x / z and y / z of pixels; entries beyond `FAR_RAY` or without a solution are NaN."""
    rays = Camera(1, 1, matrix_of(lens), lens[4:].copy(), kind).rays(px)
    return np.where((np.abs(rays) < FAR_RAY).all(axis=1, keepdims=True), rays, np.nan)
