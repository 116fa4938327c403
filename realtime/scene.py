"""The skeletons in space as a picture, without a screen: a fixed eye, a floor, limbs as shaded rods.

Axes are the camera's: x right, y down, z forward. The eye stands to the right of the camera and above it, so that depth
shows; it turns about the people, whom it follows slowly.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.skeleton import BONES, HEAD_TOP, L_ANKLE, R_ANKLE
from realtime.colours import BACKGROUND_RGB, CENTRE_RGB, GRID_RGB, bgr, side_rgb
from realtime.result import Result

YAW_DEG, PITCH_DEG = -40.0, 16.0
EYE_DISTANCE_M, EYE_FOV_DEG = 3.6, 38.0
FOLLOW_GAIN = 0.06
# people further than this from the one who is nearest to the camera do not pull the eye along
GROUP_M = 3.0
FLOOR_GAIN = 0.03
ANKLE_HEIGHT_M = 0.08
GRID_HALF_M, GRID_STEP_M = 3.0, 0.5
ROD_M, BALL_M, HEAD_M = 0.045, 0.06, 0.16
NEAR_M = 0.2
# where a person stands whose distance nobody knows
UNKNOWN_ROOT_M = (0.0, 0.0, 3.0)
SUPERSAMPLE = 2


class Scene:
    """Renders results one after another; keeps where people and floor were."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        self._size_px = size_px
        self._target_m: Float64[ndarray, "3"] | None = None
        self._floor_y_m = 0.95

    def render(self, result: Result) -> UInt8[ndarray, "h w 3"]:
        """BGR picture of the frame's people in space."""
        people = [p.offsets_m + (UNKNOWN_ROOT_M if p.root_m is None else p.root_m) for p in result.people]
        self._follow(people)
        width, height = (n * SUPERSAMPLE for n in self._size_px)
        image = np.full((height, width, 3), bgr(BACKGROUND_RGB), np.uint8)
        eye = _Eye(self._target_m if self._target_m is not None else np.array(UNKNOWN_ROOT_M), (width, height))
        self._draw_floor(image, eye)
        for joints_m in people:
            _draw_shadow(image, eye, joints_m, self._floor_y_m)
        for joints_m in sorted(people, key=lambda j: -float(eye.depth(j).mean())):
            _draw_person(image, eye, joints_m)
        return cv2.resize(image, self._size_px, interpolation=cv2.INTER_AREA)

    def _follow(self, people: list[Float64[ndarray, "16 3"]]) -> None:
        if not people:
            return
        middles = [p.mean(axis=0) for p in people]
        nearest = min(middles, key=lambda m: float(m[2]))
        group = [k for k, m in enumerate(middles) if np.linalg.norm(m - nearest) < GROUP_M]
        middle = np.mean([middles[k] for k in group], axis=0)
        floor = float(np.mean([people[k][[R_ANKLE, L_ANKLE], 1].max() for k in group])) + ANKLE_HEIGHT_M
        if self._target_m is None:
            self._target_m, self._floor_y_m = middle, floor
        self._target_m = self._target_m + FOLLOW_GAIN * (middle - self._target_m)
        self._floor_y_m += FLOOR_GAIN * (floor - self._floor_y_m)

    def _draw_floor(self, image: UInt8[ndarray, "h w 3"], eye: _Eye) -> None:
        """A grid fixed in the room: it shows how people move."""
        middle = np.round(eye.target_m[[0, 2]] / GRID_STEP_M) * GRID_STEP_M
        ticks = np.arange(-GRID_HALF_M, GRID_HALF_M + 1e-9, GRID_STEP_M)
        for tick in ticks:
            for axis in (0, 1):
                ends = np.empty((2, 3))
                ends[:, 1] = self._floor_y_m
                ends[:, (0, 2)[axis]] = middle[axis] + tick
                ends[:, (2, 0)[axis]] = middle[1 - axis] + np.array([-GRID_HALF_M, GRID_HALF_M])
                eye.line(image, ends[0], ends[1], bgr(GRID_RGB), SUPERSAMPLE)


class _Eye:
    """A pinhole that looks at a target from its place."""

    def __init__(self, target_m: Float64[ndarray, "3"], size_px: tuple[int, int]) -> None:
        yaw, pitch = np.deg2rad(YAW_DEG), np.deg2rad(PITCH_DEG)
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        self.target_m = target_m
        self._R = tilt @ turn
        self._f_px = size_px[1] / 2 / np.tan(np.deg2rad(EYE_FOV_DEG) / 2)
        self._center = (np.array(size_px) - 1) / 2

    def seen(self, points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3"]:
        """Points in the eye's axes."""
        return (points_m - self.target_m) @ self._R.T + (0, 0, EYE_DISTANCE_M)

    def depth(self, points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n"]:
        """How far points are along the eye's axis."""
        return self.seen(points_m)[:, 2]

    def px(self, seen: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2"]:
        """Pixels of points in the eye's axes, in front of it."""
        return seen[:, :2] / np.maximum(seen[:, 2:], NEAR_M) * self._f_px + self._center

    def width_px(self, width_m: float, z_m: float) -> float:
        """How wide something of this width appears."""
        return width_m / max(z_m, NEAR_M) * self._f_px

    def line(self, image: ndarray, a_m: ndarray, b_m: ndarray, colour: tuple[int, int, int], width_px: float) -> None:
        """A line between points, cut where it passes the eye."""
        a, b = self.seen(np.stack([a_m, b_m]))
        if max(a[2], b[2]) <= NEAR_M:
            return
        if min(a[2], b[2]) < NEAR_M:
            near, far = (a, b) if a[2] < b[2] else (b, a)
            near = near + (far - near) * (NEAR_M - near[2]) / (far[2] - near[2])
            a, b = near, far
        ends = np.round(np.clip(self.px(np.stack([a, b])), -30_000, 30_000)).astype(int)
        cv2.line(image, ends[0].tolist(), ends[1].tolist(), colour, max(round(width_px), 1), cv2.LINE_AA)


def _draw_shadow(
    image: UInt8[ndarray, "h w 3"], eye: _Eye, joints_m: Float64[ndarray, "16 3"], floor_y_m: float
) -> None:
    """What stands over the floor darkens it straight below."""
    flat = joints_m.copy()
    flat[:, 1] = floor_y_m
    colour = bgr((0.05, 0.055, 0.065))
    for child, parent in BONES:
        width = eye.width_px(2.5 * ROD_M, float(eye.depth(flat[[child]])[0]))
        eye.line(image, flat[child], flat[parent], colour, width)


def _draw_person(image: UInt8[ndarray, "h w 3"], eye: _Eye, joints_m: Float64[ndarray, "16 3"]) -> None:
    """Rods and balls, far ones first; nearer ones are lighter."""
    seen = eye.seen(joints_m)
    px = np.clip(eye.px(seen), -30_000, 30_000)
    middle_z = float(seen[:, 2].mean())
    parts = [(float(seen[list(bone), 2].mean()), bone) for bone in BONES]
    for z, (child, parent) in sorted(parts, reverse=True):
        shade = float(np.clip(1.0 - 0.55 * (z - middle_z), 0.55, 1.1))
        colour = _shaded(side_rgb(child), shade)
        width = max(round(eye.width_px(ROD_M, z)), 2)
        a, b = (tuple(int(v) for v in np.round(px[j])) for j in (child, parent))
        cv2.line(image, a, b, _shaded(side_rgb(child), shade * 0.45), width + 2 * SUPERSAMPLE, cv2.LINE_AA)
        cv2.line(image, a, b, colour, width, cv2.LINE_AA)
        radius_m = HEAD_M if child == HEAD_TOP else BALL_M
        at = np.round(px[[child, parent]].mean(axis=0) if child == HEAD_TOP else px[child]).astype(int).tolist()
        rgb = CENTRE_RGB if child == HEAD_TOP else side_rgb(child)
        cv2.circle(image, at, max(round(eye.width_px(radius_m, z) / 2), 2), _shaded(rgb, shade), -1, cv2.LINE_AA)


def _shaded(rgb: tuple[float, float, float], shade: float) -> tuple[int, int, int]:
    r, g, b = (min(channel * shade, 1.0) for channel in rgb)
    return bgr((r, g, b))
