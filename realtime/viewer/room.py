"""What stands still around the people: the floor with its grid and their shadow, and the camera."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8
from numpy import ndarray

from engine.skeleton import HEAD_TOP
from realtime.colours import BACKGROUND_RGB, FLOOR_RGB, GRID_RGB
from realtime.figure import rods_of
from realtime.viewer.body import JOINT_RADII_M, tubes

HALF_M, STEP_M = 4.0, 0.5
LIFT_M = 0.004  # of the grid's lines over the floor: in the same plane they would flicker
TEXELS = 192
SHIFT = 4  # OpenCV draws at 1/16 texel
BLUR = (7, 7)
HEAD_SHADOW_M = 0.05
SHADOW = 0.62  # of the floor's light taken away in its middle
SHADOW_WIDTH = 1.7  # over the limb's: soft edges eat it up
CAMERA_HALF_M, CAMERA_DEPTH_M = (0.22, 0.14), 0.34
CAMERA_WIRE_M = 0.007


class Floor:
    """A round floor that fades into the background. Its middle moves in whole steps, so that lines stand still."""

    def __init__(self) -> None:
        at = (np.arange(TEXELS) + 0.5) / TEXELS * 2 - 1
        strength = _faded(np.hypot(at[None], at[:, None]))[..., None]
        ground = np.array(BACKGROUND_RGB) + strength * np.subtract(FLOOR_RGB, BACKGROUND_RGB)
        self._ground = (ground * 255).astype(np.uint8)
        radii_m = np.where(np.arange(len(JOINT_RADII_M)) == HEAD_TOP, HEAD_SHADOW_M, JOINT_RADII_M)
        widths = np.round(2 * SHADOW_WIDTH * radii_m * TEXELS / (2 * HALF_M))
        self._widths = np.maximum(widths, 1).astype(int).tolist()  # of the rods that have a joint's colour
        self._lines_m, self.line_pairs, self.line_rgb = _grid()

    def middle(self, target_m: Float64[ndarray, "3"], floor_y_m: float) -> Float64[ndarray, "3"]:
        """Where the floor's middle lies while the eye follows this point."""
        x, _, z = np.round(target_m / STEP_M) * STEP_M
        return np.array([x, floor_y_m, z])

    def corners(self, middle_m: Float64[ndarray, "3"]) -> Float64[ndarray, "4 3"]:
        """Of the floor, in the order of its texture's corners."""
        return middle_m + HALF_M * np.array([(-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1)])

    def line_points(self, middle_m: Float64[ndarray, "3"]) -> Float64[ndarray, "n 3"]:
        """Ends of the grid's lines."""
        return self._lines_m + middle_m

    def texture(
        self, joints_m: Float64[ndarray, "people joints 3"], middle_m: Float64[ndarray, "3"]
    ) -> UInt8[ndarray, "n n 3"]:
        """The floor's colours, RGB, with the shadow of a lamp straight above; far row first."""
        if not len(joints_m):
            return self._ground
        shadow = np.zeros((TEXELS, TEXELS), np.uint8)
        scale = TEXELS / (2 * HALF_M)
        for person in joints_m:
            ground = (person[:, [0, 2]] - middle_m[[0, 2]]) * (1, -1) * scale + TEXELS / 2
            ends = np.clip(np.round(ground * (1 << SHIFT)), -2e5, 2e5).astype(int).tolist()
            for child, parent in rods_of(len(person)):
                cv2.line(shadow, ends[child], ends[parent], round(255 * SHADOW), self._widths[child], cv2.LINE_8, SHIFT)
        light = cv2.cvtColor(cv2.bitwise_not(cv2.blur(cv2.blur(shadow, BLUR), BLUR)), cv2.COLOR_GRAY2RGB)
        return cv2.multiply(self._ground, light, scale=1 / 255)


def camera_wires() -> tuple[Float64[ndarray, "v 3"], Int32[ndarray, "t 3"]]:
    """A pyramid of thin tubes at the origin that opens the way the camera looks, with a flag on its upper side."""
    (x, y), z = CAMERA_HALF_M, CAMERA_DEPTH_M
    points = np.array([(0, 0, 0), (-x, -y, z), (x, -y, z), (x, y, z), (-x, y, z), (0, -1.6 * y, z)], np.float64)
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (2, 5)]
    return tubes(points[np.array(pairs)], np.full((len(pairs), 2), CAMERA_WIRE_M), 6)


def _faded(radius: ndarray) -> ndarray:
    """1 in the middle, 0 from a radius of 1, smooth."""
    rest = np.clip(1.0 - radius, 0.0, 1.0)
    return rest * rest * (3 - 2 * rest)


def _grid() -> tuple[Float64[ndarray, "n 3"], Int32[ndarray, "m 2"], Float64[ndarray, "m 3"]]:
    """Points, pairs and colours of lines in pieces of a step, so that they fade outwards."""
    ticks = np.arange(-HALF_M, HALF_M + STEP_M / 2, STEP_M)
    line, begin = (part.ravel() for part in np.meshgrid(ticks, ticks[:-1]))
    level = np.full_like(line, -LIFT_M)
    along_z = np.stack([np.column_stack([line, level, begin]), np.column_stack([line, level, begin + STEP_M])], axis=1)
    ends = np.concatenate([along_z, along_z[..., [2, 1, 0]]])
    radius: Float32[ndarray, "m"] = np.linalg.norm(ends.mean(axis=1)[:, [0, 2]], axis=1) / HALF_M
    kept = radius < 0.95
    ends, strength = ends[kept], _faded(radius[kept])[:, None]
    rgb = np.array(BACKGROUND_RGB) * (1 - strength) + np.array(GRID_RGB) * strength
    pairs = np.arange(2 * len(ends), dtype=np.int32).reshape(-1, 2)
    return ends.reshape(-1, 3), pairs, rgb
