"""Cutting the person out of the image, and carrying points back.

A box defines a virtual pinhole camera that looks along the ray through the box's centre; the crop is
the image that this camera takes, so it is a homography of the frame. Pixel centres are integers: an
image of n pixels spans -0.5 ... n - 0.5. Crop units: x and y run from -0.5 to 0.5 over the crop.
Depth in crop units is d = (Z - Z_root) / Z_root * f_crop / side, with Z along the virtual camera's axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy import ndarray

# above this many image pixels per crop pixel the region is averaged down before it is warped
SHRINK_ABOVE = 1.5
# tight box of the joints times this is the box that the network sees, in training and live
BOX_MARGIN = 1.25


@dataclass(frozen=True, slots=True)
class Box:
    """A square in full-image pixels."""

    center_px: Float64[ndarray, "2"]
    side_px: float

    def __post_init__(self) -> None:
        if not self.side_px > 0:
            raise ValueError(f"a box needs a positive side, got {self.side_px = }")
        if not np.isfinite(self.center_px).all():
            raise ValueError(f"a box needs a finite centre, got {self.center_px = }")


def box_around(px: Float64[ndarray, "n 2"], *, margin: float = BOX_MARGIN) -> Box:
    """The square around the tight box of some points, `margin` times as wide as its longer side."""
    low, high = px.min(axis=0), px.max(axis=0)
    return Box((low + high) / 2, max(float((high - low).max()), 1.0) * margin)


def camera_matrix(width: int, height: int, *, fov_deg: float) -> Float64[ndarray, "3 3"]:
    """K of a pinhole camera whose longer image side spans `fov_deg`, principal point at the centre."""
    f_px = max(width, height) / 2 / np.tan(np.deg2rad(fov_deg) / 2)
    return np.array([[f_px, 0, (width - 1) / 2], [0, f_px, (height - 1) / 2], [0, 0, 1]])


@dataclass(frozen=True, slots=True)
class CropCamera:
    """The virtual camera of one box: x_crop = R_crop_from_cam x_cam, no translation."""

    K: Float64[ndarray, "3 3"]  # of the crop, in crop pixels
    R_crop_from_cam: Float64[ndarray, "3 3"]
    crop_from_px: Float64[ndarray, "3 3"]  # homography, full-image px -> crop px
    px_from_crop: Float64[ndarray, "3 3"]
    size_px: int

    @property
    def f_over_side(self) -> float:
        """Focal length in units of the crop's side."""
        return float(self.K[0, 0]) / self.size_px

    def to_px(self, crop_px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
        """Crop pixels to full-image pixels."""
        return _apply(self.px_from_crop, crop_px)

    def to_crop(self, px: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
        """Full-image pixels to crop pixels."""
        return _apply(self.crop_from_px, px)


def crop_camera(box: Box, K: Float64[ndarray, "3 3"], size_px: int, *, roll_rad: float = 0.0) -> CropCamera:
    """The virtual camera that sees `box` of a camera `K` as a square of `size_px` pixels.

    It is turned by the shortest rotation that brings the ray through the box's centre onto the optical
    axis, then by `roll_rad` about that axis (training turns crops); its focal length makes the area scale
    at the centre exactly size_px / side_px.
    """
    ray = np.linalg.solve(K, np.append(box.center_px, 1.0))
    cos = 1.0 / np.linalg.norm(ray)
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    R_crop_from_cam = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ _rotation_to_axis(ray * cos)
    # det d(px)/d(normalised crop) = fx fy / cos^3 at the centre
    f_local_px = np.sqrt(K[0, 0] * K[1, 1] / cos**3)
    f_crop = f_local_px * size_px / box.side_px
    center = (size_px - 1) / 2
    K_crop = np.array([[f_crop, 0, center], [0, f_crop, center], [0, 0, 1]])
    crop_from_px = K_crop @ R_crop_from_cam @ np.linalg.inv(K)
    return CropCamera(K_crop, R_crop_from_cam, crop_from_px, np.linalg.inv(crop_from_px), size_px)


def cut(image_bgr: UInt8[ndarray, "h w 3"], camera: CropCamera) -> UInt8[ndarray, "s s 3"]:
    """The crop's image. Outside the frame it is grey (127); shrinking averages, so nothing aliases."""
    scale = 1.0 / np.sqrt(abs(np.linalg.det(_jacobian_at_center(camera.crop_from_px, camera))))
    H, image = camera.crop_from_px, image_bgr
    if scale > SHRINK_ABOVE:
        image, px_from_small = _shrunk_region(image_bgr, camera, int(scale))
        H = H @ px_from_small
    size = (camera.size_px, camera.size_px)
    return cv2.warpPerspective(
        image, H, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(127, 127, 127)
    )


def units_from_crop_px(crop_px: Float64[ndarray, "... 2"], size_px: int) -> Float64[ndarray, "... 2"]:
    """Crop pixels to crop units (-0.5 ... 0.5)."""
    return (crop_px + 0.5) / size_px - 0.5


def crop_px_from_units(units: Float64[ndarray, "... 2"], size_px: int) -> Float64[ndarray, "... 2"]:
    """Crop units (-0.5 ... 0.5) to crop pixels."""
    return (units + 0.5) * size_px - 0.5


def lift(
    camera: CropCamera, units: Float64[ndarray, "n 2"], depth: Float64[ndarray, "n"], *, root_z_m: float
) -> Float64[ndarray, "n 3"]:
    """Joints in the frame's camera axes, metres, from crop units, depth and the root's distance.

    Closed form: Z_j = Z_root (1 + d_j side / f_crop), X_j = Z_j K_crop^-1 [u_j, 1], then back by R.
    `root_z_m` runs along the virtual camera's axis.
    """
    z_m = root_z_m * (1.0 + depth / camera.f_over_side)
    rays = np.column_stack([units / camera.f_over_side, np.ones(len(units))])
    return (rays * z_m[:, None]) @ camera.R_crop_from_cam


def crop_labels(
    camera: CropCamera, joints_cam_m: Float64[ndarray, "n 3"], *, root: int
) -> tuple[Float64[ndarray, "n 2"], Float64[ndarray, "n"]]:
    """The exact inverse of `lift`: crop units and depth of joints given in the frame's camera axes."""
    crop_m = joints_cam_m @ camera.R_crop_from_cam.T
    units = crop_m[:, :2] / crop_m[:, 2:] * camera.f_over_side
    root_z_m = crop_m[root, 2]
    return units, (crop_m[:, 2] - root_z_m) / root_z_m * camera.f_over_side


def region_px(
    corners: Float64[ndarray, "4 2"], factor: int, image_px: tuple[int, int]
) -> tuple[Int64[ndarray, "2"], Int64[ndarray, "2"]]:
    """First px and size of the part of an image that a crop with these corners sees, with a margin of `factor` px.

    Whole blocks of `factor` px where the image has room for them: OpenCV averages those three times as fast.
    """
    width, height = image_px
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - factor, 0, (width - 1, height - 1))
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + factor + 1, low + 1, (width, height))
    blocks = -(-(high - low) // factor) * factor
    low = np.maximum(np.minimum(low, (width, height) - blocks), 0)
    return low, np.minimum(low + blocks, (width, height)) - low


def _rotation_to_axis(ray: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    x, y, z = ray
    k = 1.0 / (1.0 + z)
    return np.array([[1 - x * x * k, -x * y * k, -x], [-x * y * k, 1 - y * y * k, -y], [x, y, z]])


def _apply(H: Float64[ndarray, "3 3"], points: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
    mapped = points @ H[:, :2].T + H[:, 2]
    return mapped[:, :2] / mapped[:, 2:]


def _jacobian_at_center(H: Float64[ndarray, "3 3"], camera: CropCamera) -> Float64[ndarray, "2 2"]:
    center = _apply(camera.px_from_crop, np.full((1, 2), (camera.size_px - 1) / 2))[0]
    x, y, w = H @ np.append(center, 1.0)
    return (H[:2, :2] - np.outer([x / w, y / w], H[2, :2])) / w


def _shrunk_region(
    image_bgr: UInt8[ndarray, "h w 3"], camera: CropCamera, factor: int
) -> tuple[UInt8[ndarray, "h2 w2 3"], Float64[ndarray, "3 3"]]:
    """The part of the image that the crop sees, averaged down by a whole factor, and its map to px."""
    n = camera.size_px
    edge = np.array([[-0.5, -0.5], [n - 0.5, -0.5], [n - 0.5, n - 0.5], [-0.5, n - 0.5]])
    corners = camera.to_px(edge)
    height, width = image_bgr.shape[:2]
    low, size = region_px(corners, factor, (width, height))
    high = low + size
    region = image_bgr[low[1] : high[1], low[0] : high[0]]
    small_w, small_h = max(region.shape[1] // factor, 1), max(region.shape[0] // factor, 1)
    small = cv2.resize(region, (small_w, small_h), interpolation=cv2.INTER_AREA)
    sx, sy = region.shape[1] / small_w, region.shape[0] / small_h
    px_from_small = np.array([[sx, 0, (sx - 1) / 2 + low[0]], [0, sy, (sy - 1) / 2 + low[1]], [0, 0, 1]])
    return small, px_from_small
