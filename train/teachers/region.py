"""What a teacher network is shown of a picture: a square around a person, turned so that the trunk stands upright."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.skeleton import L_HIP, L_SHOULDER, R_HIP, R_SHOULDER, THORAX, UPPER_NECK

# Side over the distance of the farthest joint from the middle of the hips, which counts as so many trunk lengths at
# least. MediaPipe itself takes 2.5 times the radius that its detector gives; with these two numbers the points of the
# labelled photos at hand come out again.
FAR, TRUNK = 2.7, 1.75
SIDE_MIN_PX = 16.0


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square of a picture."""

    center_px: Float64[ndarray, "2"]
    up: Float64[ndarray, "2"]  # of length 1, from the hips to the shoulders in the picture's axes
    side_px: float

    @property
    def crop_from_picture(self) -> Float64[ndarray, "2 2"]:
        """The rotation alone: axes of the crop, x right and y down, in those of the picture."""
        x, y = self.up
        return np.array([[-y, x], [-x, -y]])

    def cut(self, image_bgr: UInt8[ndarray, "h w 3"], size_px: int) -> UInt8[ndarray, "s s 3"]:
        """The square as a picture of its own, black outside of the picture; what shrinks is averaged."""
        height, width = image_bgr.shape[:2]
        image, shrink = image_bgr, np.ones(2)
        if (times := int(self.side_px / size_px)) > 1:
            small = max(round(width / times), 1), max(round(height / times), 1)
            image, shrink = (
                cv2.resize(image_bgr, small, interpolation=cv2.INTER_AREA),
                np.divide(small, (width, height)),
            )
        to_crop = self.crop_from_picture * (size_px / self.side_px)
        # pixels of the smaller picture to those of the picture, then to those of the crop
        center = (size_px - 1) / 2 + to_crop @ (0.5 / shrink - 0.5 - self.center_px)
        return cv2.warpAffine(image, np.column_stack([to_crop / shrink, center]), (size_px, size_px))

    def to_picture(self, crop_px: Float64[ndarray, "n 2"], size_px: int) -> Float64[ndarray, "n 2"]:
        """Pixels of the crop as pixels of the picture."""
        scale = self.side_px / size_px
        return scale * (crop_px - (size_px - 1) / 2) @ self.crop_from_picture + self.center_px


def region_around(px: Float64[ndarray, "joints 2"]) -> Region | None:
    """Around joints of either skeleton, NaN where unknown; None without a hip or without shoulders and neck."""
    known = np.asarray(np.isfinite(px).all(axis=1))
    hips = _middle(px[[R_HIP, L_HIP]])
    tops = [_middle(px[list(joints)]) for joints in ((THORAX,), (R_SHOULDER, L_SHOULDER), (UPPER_NECK,))]
    top = next((top for top in tops if top is not None), None)
    if hips is None or top is None:
        return None
    trunk_px = float(np.linalg.norm(top - hips))
    far_px = float(np.linalg.norm(px[known] - hips, axis=1).max())
    up = (top - hips) / trunk_px if trunk_px > 0 else np.array([0.0, -1.0])
    return Region(hips, up, max(FAR * max(far_px, TRUNK * trunk_px), SIDE_MIN_PX))


def _middle(px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "2"] | None:
    """Of those that are known."""
    known = px[np.isfinite(px).all(axis=1)]
    return known.mean(axis=0) if len(known) else None
