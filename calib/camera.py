"""One camera: its picture size, lens and place. Axes x right, y down, z forward; pixel centres are integers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as calibration gives it, or as it is assumed. ValueError where K does not fit the picture."""

    width: int  # px
    height: int
    K: Float64[ndarray, "3 3"]
    dist: Float64[ndarray, "5"] = field(default_factory=lambda: np.zeros(5))  # k1 k2 p1 p2 k3, OpenCV order
    model: Literal["pinhole", "fisheye"] = "pinhole"
    cam_from_world: Float64[ndarray, "4 4"] | None = None  # None: not placed in a world
    assumed: bool = False  # K is a guess, not a measurement

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a camera needs a picture size, got {self.width = }, {self.height = }")
        if not (np.isfinite(self.K).all() and self.K[0, 0] > 0 and self.K[1, 1] > 0):
            raise ValueError(f"K needs finite numbers and positive focal lengths, got {self.K = }")

    @classmethod
    def from_fov(cls, width: int, height: int, fov_deg: float) -> Camera:
        """A pinhole camera whose longer picture side spans `fov_deg`: an assumption where nothing was calibrated."""
        if not 5 <= fov_deg <= 150:
            raise ValueError(f"a field of view of a pinhole camera lies in 5 ... 150 degrees, got {fov_deg = }")
        f_px = max(width, height) / 2 / np.tan(np.deg2rad(fov_deg) / 2)
        K = np.array([[f_px, 0, (width - 1) / 2], [0, f_px, (height - 1) / 2], [0, 0, 1]])
        return cls(width, height, K, assumed=True)

    @property
    def fov_deg(self) -> float:
        """What the longer picture side spans, distortion left out."""
        f_px = float(self.K[0, 0] if self.width >= self.height else self.K[1, 1])
        return float(np.rad2deg(2 * np.arctan(max(self.width, self.height) / 2 / f_px)))
