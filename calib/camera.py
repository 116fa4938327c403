"""One camera: its picture size, lens and place. Axes x right, y down, z forward; pixel centres are integers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

DIST_LENGTHS = {"pinhole": (5, 8), "fisheye": (4,)}
RIGID_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as calibration gives it, or as it is assumed. ValueError where K does not fit the picture."""

    width: int  # px
    height: int
    K: Float64[ndarray, "3 3"]
    # OpenCV's order: pinhole k1 k2 p1 p2 k3 (5) or with k4 k5 k6 (8), fisheye k1 k2 k3 k4 (4)
    dist: Float64[ndarray, "d"] = field(default_factory=lambda: np.zeros(5))
    model: Literal["pinhole", "fisheye"] = "pinhole"
    cam_from_world: Float64[ndarray, "4 4"] | None = None  # None: not placed in a world
    assumed: bool = False  # K is a guess, not a measurement

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a camera needs a picture size, got {self.width = }, {self.height = }")
        if not (np.isfinite(self.K).all() and self.K[0, 0] > 0 and self.K[1, 1] > 0):
            raise ValueError(f"K needs finite numbers and positive focal lengths, got {self.K = }")
        if len(self.dist) not in DIST_LENGTHS[self.model] or not np.isfinite(self.dist).all():
            raise ValueError(f"a {self.model} camera has {DIST_LENGTHS[self.model]} distortions, got {self.dist = }")
        if self.cam_from_world is not None and not _is_rigid(self.cam_from_world):
            raise ValueError(f"cam_from_world is no rotation and translation: {self.cam_from_world = }")

    @classmethod
    def from_fov(cls, width: int, height: int, fov_deg: float) -> Camera:
        """A pinhole camera whose longer picture side spans `fov_deg`: an assumption where nothing was calibrated."""
        if not 5 <= fov_deg <= 150:
            raise ValueError(f"a field of view of a pinhole camera lies in 5 ... 150 degrees, got {fov_deg = }")
        f_px = max(width, height) / 2 / np.tan(np.deg2rad(fov_deg) / 2)
        K = np.array([[f_px, 0, (width - 1) / 2], [0, f_px, (height - 1) / 2], [0, 0, 1]])
        return cls(width, height, K, assumed=True)

    def rays(self, px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
        """Pixels without distortion, as x / z and y / z in the camera's axes."""
        if not len(px):  # OpenCV would give None
            return np.zeros((0, 2))
        points = np.ascontiguousarray(px[:, None])
        if self.model == "fisheye":
            return cv2.fisheye.undistortPoints(points, self.K, self.dist)[:, 0]
        # the default criteria leave 0.08 px at strong distortion
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-12)
        return cv2.undistortPoints(points, self.K, self.dist, criteria=criteria)[:, 0]

    def undistorted(self, px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
        """Where the same points lie in the picture of a pinhole with this K."""
        return self.rays(px) * np.diag(self.K)[:2] + self.K[:2, 2]

    def scaled_to(self, width: int, height: int) -> Camera:
        """The same lens at another resolution. ValueError where the shape differs: then something was cut off."""
        x, y = width / self.width, height / self.height
        if abs(x - y) * max(self.width, self.height) > 1:  # more than a rounded pixel
            raise ValueError(f"{width}x{height} is no scaled {self.width}x{self.height}")
        K = self.K.copy()
        K[0, :2], K[1, :2] = K[0, :2] * x, K[1, :2] * y
        K[0, 2], K[1, 2] = (self.K[0, 2] + 0.5) * x - 0.5, (self.K[1, 2] + 0.5) * y - 0.5
        return replace(self, width=width, height=height, K=K)

    def project(self, points_cam_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2"]:
        """Pixels of points in the camera's axes, distortion included."""
        zero = np.zeros(3)
        if self.model == "fisheye":
            return cv2.fisheye.projectPoints(points_cam_m[:, None], zero, zero, self.K, self.dist)[0][:, 0]
        return cv2.projectPoints(points_cam_m[:, None], zero, zero, self.K, self.dist)[0][:, 0]

    @property
    def R(self) -> Float64[ndarray, "3 3"]:  # noqa: N802
        """Rotation of x_cam = R x_world + t. ValueError where the camera has no place in a world."""
        return self._placed()[:3, :3]

    @property
    def t(self) -> Float64[ndarray, "3"]:
        """Translation of x_cam = R x_world + t, metres."""
        return self._placed()[:3, 3]

    @property
    def center_world_m(self) -> Float64[ndarray, "3"]:
        """Where the camera stands."""
        return -self.R.T @ self.t

    def _placed(self) -> Float64[ndarray, "4 4"]:
        if self.cam_from_world is None:
            raise ValueError("this camera has no place in a world")
        return self.cam_from_world

    @property
    def fov_deg(self) -> float:
        """What the longer picture side spans, distortion left out."""
        f_px = float(self.K[0, 0] if self.width >= self.height else self.K[1, 1])
        return float(np.rad2deg(2 * np.arctan(max(self.width, self.height) / 2 / f_px)))


def rigid(R: Float64[ndarray, "3 3"], t: Float64[ndarray, "3"]) -> Float64[ndarray, "4 4"]:
    """A rotation and a translation as one matrix."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, t
    return T


def inverted(T: Float64[ndarray, "4 4"]) -> Float64[ndarray, "4 4"]:
    """The inverse of a rigid transform: a_from_b of b_from_a."""
    return rigid(T[:3, :3].T, -T[:3, :3].T @ T[:3, 3])


def rotation_angle_deg(R: Float64[ndarray, "3 3"]) -> float:
    """How far a rotation turns; exact also for small angles."""
    sine = np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    return float(np.rad2deg(np.arctan2(sine, (np.trace(R) - 1) / 2)))


def _is_rigid(T: Float64[ndarray, "4 4"]) -> bool:
    R = T[:3, :3]
    orthogonal = np.abs(R @ R.T - np.eye(3)).max() < RIGID_TOLERANCE and np.linalg.det(R) > 0
    return bool(np.isfinite(T).all() and orthogonal and np.array_equal(T[3], (0, 0, 0, 1)))
