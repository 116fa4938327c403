"""The skeletons in space as a picture, without a screen: a fixed eye, a floor with soft shadows, limbs as lit rods.

Axes are the camera's: x right, y down, z forward. The eye stands to the right of the camera and above it, so that depth
shows; it turns about the people, whom it follows slowly.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.skeleton import HEAD_TOP
from realtime.colours import BACKGROUND_RGB, CENTRE_RGB, FLOOR_RGB, GRID_RGB, Rgb, bgr, mixed, side_rgb
from realtime.figure import posed, rods_of, slim
from realtime.result import Result
from realtime.stage import Stage, joints_in_space

YAW_DEG, PITCH_DEG = -40.0, 16.0
EYE_DISTANCE_M, EYE_FOV_DEG = 4.6, 30.0
# the eye steps back for people who stand apart, this share of the way per frame; arms reach out this far
ZOOM_GAIN, ARMS_M = 0.08, 0.8
GRID_HALF_M, GRID_STEP_M = 4.0, 0.5
# thickness of limbs, joints and head
ROD_M, BALL_M, HEAD_M = 0.062, 0.084, 0.215
NEAR_M = 0.2
# the picture is drawn this much larger and shrunk: OpenCV's smooth lines are slower and thinner
SUPERSAMPLE = 2
SHIFT = 3  # OpenCV draws at 1/8 px
# shadows are drawn this much smaller, blurred, and enlarged
SHADOW_SHRINK, SHADOW_BLUR, SHADOW, SHADOW_WIDTH_M = 8, (9, 5), 0.55, 0.13
# how much darker per metre behind the person's middle, and the brightest and darkest there is
DEPTH_SHADE, SHADE_RANGE = 0.45, (0.6, 1.1)
OUTLINE_SHADE, LIGHT_SHADE = 0.40, 0.30
# the bright strip along a rod: its width and its place towards the lamp, shares of the rod's thickness
STRIP_WIDTH, STRIP_PLACE = 0.34, (-0.20, -0.16)


class Scene:
    """Renders results one after another; keeps where people and floor were."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        self._size_px = size_px
        self._stage = Stage()
        width, height = (n * SUPERSAMPLE for n in size_px)
        self._large_px = (width, height)
        self._ground = _ground(width, height)
        self._lines, self._line_strength = _grid_lines()
        self._distance_m = EYE_DISTANCE_M

    def render(self, result: Result) -> UInt8[ndarray, "h w 3"]:
        """BGR picture of the frame's people in space."""
        people = [joints_in_space(p) for p in result.people]
        self._stage.follow(people)
        self._distance_m += ZOOM_GAIN * (self._wanted_distance() - self._distance_m)
        eye = _Eye(self._stage.target_m, self._distance_m, self._large_px)
        image = self._ground.copy()
        self._draw_floor(image, eye)
        _draw_shadows(image, eye, people, self._stage.floor_y_m)
        for joints_m in sorted(people, key=lambda j: -float(eye.seen(j)[:, 2].mean())):
            _draw_person(image, eye, joints_m)
        return cv2.resize(image, self._size_px, interpolation=cv2.INTER_AREA)

    def _wanted_distance(self) -> float:
        """From where all people who are kept in view are seen, arms too."""
        half_width = np.tan(np.deg2rad(EYE_FOV_DEG) / 2) * self._size_px[0] / self._size_px[1]
        return max(EYE_DISTANCE_M, (self._stage.reach_m + ARMS_M) / float(half_width))

    def _draw_floor(self, image: UInt8[ndarray, "h w 3"], eye: _Eye) -> None:
        """A grid fixed in the room, which shows how people move; it fades outwards."""
        x, _, z = np.round(self._stage.target_m / GRID_STEP_M) * GRID_STEP_M
        seen = eye.seen(self._lines.reshape(-1, 3) + np.array([x, self._stage.floor_y_m, z])).reshape(-1, 2, 3)
        ends = eye.fixed(seen.reshape(-1, 3)).reshape(-1, 2, 2).tolist()
        for (a, b), near, strength in zip(ends, seen[:, :, 2].min(axis=1), self._line_strength, strict=True):
            if near > NEAR_M:
                rgb = mixed(mixed(BACKGROUND_RGB, FLOOR_RGB, strength), GRID_RGB, strength)
                cv2.line(image, a, b, bgr(rgb), SUPERSAMPLE, cv2.LINE_8, SHIFT)


class _Eye:
    """A pinhole that looks at a target from its place."""

    def __init__(self, target_m: Float64[ndarray, "3"], distance_m: float, size_px: tuple[int, int]) -> None:
        yaw, pitch = np.deg2rad(YAW_DEG), np.deg2rad(PITCH_DEG)
        turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
        tilt = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        self._target_m, self._distance_m = target_m, distance_m
        self._R = tilt @ turn
        self._f_px = size_px[1] / 2 / np.tan(np.deg2rad(EYE_FOV_DEG) / 2)
        self._center = (np.array(size_px) - 1) / 2

    def seen(self, points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3"]:
        """Points in the eye's axes."""
        return (points_m - self._target_m) @ self._R.T + (0, 0, self._distance_m)

    def px(self, seen: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 2"]:
        """Pixels of points in the eye's axes, in front of it."""
        return np.clip(seen[:, :2] / np.maximum(seen[:, 2:], NEAR_M) * self._f_px + self._center, -30_000, 30_000)

    def fixed(self, seen: Float64[ndarray, "n 3"]) -> ndarray:
        """Pixels as OpenCV draws them."""
        return np.round(self.px(seen) * (1 << SHIFT)).astype(int)

    def width_px(self, width_m: float, z_m: float) -> float:
        """How wide something of this width appears."""
        return width_m / max(z_m, NEAR_M) * self._f_px


def _draw_shadows(
    image: UInt8[ndarray, "h w 3"], eye: _Eye, people: list[Float64[ndarray, "joints 3"]], floor_y_m: float
) -> None:
    """What stands over the floor darkens it straight below, softly."""
    height, width = image.shape[0] // SHADOW_SHRINK, image.shape[1] // SHADOW_SHRINK
    shadow = np.zeros((height, width), np.uint8)
    for joints_m in people:
        flat = joints_m.copy()
        flat[:, 1] = floor_y_m
        seen = eye.seen(flat)
        at = (eye.fixed(seen) // SHADOW_SHRINK).tolist()
        wide = max(round(eye.width_px(SHADOW_WIDTH_M, float(seen[:, 2].mean())) / SHADOW_SHRINK), 1)
        for child, parent in rods_of(len(joints_m)):
            thick = max(round(wide * slim(child)), 1)
            cv2.line(shadow, at[child], at[parent], round(255 * SHADOW), thick, cv2.LINE_8, SHIFT)
    rows = np.flatnonzero(shadow.any(axis=1))
    if not len(rows):
        return
    shadow = cv2.blur(cv2.blur(shadow, SHADOW_BLUR), SHADOW_BLUR)
    top, bottom = max(int(rows[0]) - SHADOW_BLUR[1], 0), min(int(rows[-1]) + SHADOW_BLUR[1] + 1, height)
    part = image[top * SHADOW_SHRINK : bottom * SHADOW_SHRINK]
    light = cv2.resize(cv2.bitwise_not(shadow[top:bottom]), part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    cv2.multiply(part, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), dst=part, scale=1 / 255)


def _draw_person(image: UInt8[ndarray, "h w 3"], eye: _Eye, joints_m: Float64[ndarray, "joints 3"]) -> None:
    """Rods and balls with an outline and a bright side, far ones first; nearer ones are lighter."""
    seen = eye.seen(posed(joints_m))
    if seen[:, 2].min() <= NEAR_M:
        return
    px, z = eye.px(seen), seen[:, 2]
    shades = np.clip(1.0 - DEPTH_SHADE * (z - z.mean()), *SHADE_RANGE)
    parts = [(float(z[child] + z[parent]) / 2, (child, parent)) for child, parent in rods_of(len(joints_m))]
    # a joint lies over the limbs that meet in it
    parts += [(float(z[joint]) - BALL_M, (joint, joint)) for joint in range(len(joints_m))]
    for z_m, (child, parent) in sorted(parts, reverse=True):
        shade = float(shades[child] + shades[parent]) / 2
        if child == parent:
            wide = eye.width_px(HEAD_M if child == HEAD_TOP else BALL_M * slim(child), z_m)
            _ball(image, px[child], wide / 2, CENTRE_RGB if child == HEAD_TOP else side_rgb(child), shade)
        else:
            _rod(image, px[child], px[parent], eye.width_px(ROD_M * slim(child), z_m), side_rgb(child), shade)


def _rod(image: ndarray, a: ndarray, b: ndarray, width: float, rgb: Rgb, shade: float) -> None:
    toward_lamp = width * np.array(STRIP_PLACE)
    across = np.array([a[1] - b[1], b[0] - a[0]]) / max(float(np.hypot(*(b - a))), 1e-6)
    strip = across * (across @ toward_lamp)  # only sideways: it must not stick out at the ends
    _line(image, a, b, width + 2 * SUPERSAMPLE, _shaded(rgb, shade * OUTLINE_SHADE))
    _line(image, a, b, width, _shaded(rgb, shade * 0.86))
    _line(image, a + strip, b + strip, width * STRIP_WIDTH, _lightened(rgb, shade, LIGHT_SHADE))


def _ball(image: ndarray, at: ndarray, radius: float, rgb: Rgb, shade: float) -> None:
    place = radius * np.array(STRIP_PLACE)
    _dot(image, at, radius + SUPERSAMPLE, _shaded(rgb, shade * OUTLINE_SHADE))
    for step, (size, light) in enumerate(((1.0, 0.0), (0.82, 0.07), (0.60, 0.16), (0.36, 0.28), (0.16, 0.5))):
        _dot(image, at + place * step * 0.55, radius * size, _lightened(rgb, shade * (0.84 + 0.05 * step), light))


def _line(image: ndarray, a: ndarray, b: ndarray, width: float, colour: tuple[int, int, int]) -> None:
    ends = np.round(np.stack([a, b]) * (1 << SHIFT)).astype(int).tolist()
    cv2.line(image, ends[0], ends[1], colour, max(round(width), 1), cv2.LINE_8, SHIFT)


def _dot(image: ndarray, at: ndarray, radius: float, colour: tuple[int, int, int]) -> None:
    place = np.round(at * (1 << SHIFT)).astype(int).tolist()
    cv2.circle(image, place, max(round(radius * (1 << SHIFT)), 1), colour, -1, cv2.LINE_8, SHIFT)


def _shaded(rgb: Rgb, shade: float) -> tuple[int, int, int]:
    r, g, b = (min(channel * shade, 1.0) for channel in rgb)
    return bgr((r, g, b))


def _lightened(rgb: Rgb, shade: float, light: float) -> tuple[int, int, int]:
    r, g, b = (min(channel * shade, 1.0) for channel in rgb)
    return bgr(mixed((r, g, b), (1.0, 1.0, 1.0), light))


def _ground(width: int, height: int) -> UInt8[ndarray, "h w 3"]:
    """What lies behind everything: dark, with a pool of light where the people stand."""
    y, x = np.mgrid[0:height, 0:width]
    radius = np.hypot((x / width - 0.5) / 0.62, (y / height - 0.80) / 0.34)
    rest = np.clip(1.0 - radius, 0.0, 1.0)[..., None]
    strength = rest * rest * (3 - 2 * rest)
    ground = np.array(bgr(BACKGROUND_RGB)) + strength * np.subtract(bgr(FLOOR_RGB), bgr(BACKGROUND_RGB))
    return (ground + 0.5).astype(np.uint8)


def _grid_lines() -> tuple[Float64[ndarray, "n 2 3"], list[float]]:
    """Lines in pieces of a step, and how strong each is: 1 in the middle, 0 at the border."""
    ticks = np.arange(-GRID_HALF_M, GRID_HALF_M + 1e-9, GRID_STEP_M)
    line, begin = (part.ravel() for part in np.meshgrid(ticks, ticks[:-1]))
    level = np.zeros_like(line)
    along_z = np.stack([np.column_stack([line, level, begin]), np.column_stack([line, level, begin + GRID_STEP_M])], 1)
    ends = np.concatenate([along_z, along_z[..., [2, 1, 0]]])
    rest = 1.0 - np.linalg.norm(ends.mean(axis=1), axis=1) / GRID_HALF_M
    kept = rest > 0.04
    return ends[kept], (rest[kept] ** 2 * (3 - 2 * rest[kept])).tolist()
