"""The set of a synthetic take: cameras around the middle of a room, their clocks, and the moments of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from numpy.random import Generator

from calib.camera import Camera, inverted, rigid
from calib.rig import Clock
from train.synthetic.pose import rotation

# everything is seen from then on: cameras do not start at the same moment
START_S = 0.5
LENS_M, DISTANCE_M, FOV_DEG = (1.0, 1.75), (2.8, 3.8), (66.0, 78.0)
ANGLE_DEG = (60.0, 100.0)
AIM_M = 0.92  # height of what the cameras look at
LATENCY_S = 0.012  # from a frame's moment to its arrival


@dataclass(frozen=True, slots=True)
class TakeOptions:
    """How a take is filmed. None is drawn at random from what ordinary webcams do."""

    cameras: int = 2
    size_px: tuple[int, int] = (1280, 720)
    rate_hz: float = 30.0
    angle_deg: float | None = None  # between neighbouring cameras, seen from the middle
    offset_ms: float | None = None  # of every camera's clock against the first one's
    drift_ppm: float | None = None
    drops: float = 0.005  # share of frames that are missing
    jitter_ms: float = 1.0  # standard deviation of stamps
    distortion: bool = True
    noise_sd: float = 2.0

    def __post_init__(self) -> None:
        if self.cameras < 1 or not 0 <= self.drops < 0.5:
            raise ValueError(f"a take has cameras and most of its frames, got {self.cameras = }, {self.drops = }")
        if self.size_px[0] % 2 or self.size_px[1] % 2:
            raise ValueError(f"videos have even sizes, got {self.size_px = }")


@dataclass(frozen=True, slots=True)
class Timing:
    """One camera's frames: true moments, what was stamped on them, and the count of its readouts."""

    clock: Clock
    time_s: Float64[ndarray, "n"]
    stamp_us: Int64[ndarray, "n"]
    arrival_ns: Int64[ndarray, "n"]
    sequence: Int64[ndarray, "n"]


def random_cameras(rng: Generator, options: TakeOptions) -> dict[str, Camera]:
    """Cameras in a world with y up whose middle they look at; a little tilted and off, as hands put them up."""
    angle = np.deg2rad(rng.uniform(*ANGLE_DEG) if options.angle_deg is None else options.angle_deg)
    width, height = options.size_px
    around = rng.uniform(0, 2 * np.pi)
    placed = {}
    for number in range(options.cameras):
        azimuth, distance_m = around + number * angle, rng.uniform(*DISTANCE_M)
        lens = np.array([np.sin(azimuth) * distance_m, rng.uniform(*LENS_M), np.cos(azimuth) * distance_m])
        aim = np.array([0.0, AIM_M, 0.0]) + rng.normal(0, 0.06, 3)
        R = rotation(np.array([0, 0, rng.normal(0, 0.025)])) @ _looking(aim - lens)
        f_px = width / 2 / np.tan(np.deg2rad(rng.uniform(*FOV_DEG)) / 2)
        center = np.array([(width - 1) / 2, (height - 1) / 2]) + rng.normal(0, 0.006 * width, 2)
        K = np.array([[f_px, 0, center[0]], [0, f_px * (1 + rng.normal(0, 0.001)), center[1]], [0, 0, 1]])
        spread = np.array([0.0, 0.02, 0.0005, 0.0005, 0.0])
        dist = np.array([rng.uniform(-0.14, 0.04), 0, 0, 0, 0]) + rng.normal(0, 1, 5) * spread
        placed[f"cam{number}"] = Camera(
            width, height, K, dist if options.distortion else np.zeros(5), cam_from_world=rigid(R, -R @ lens)
        )
    return placed


def rig_from_stage(first: Camera) -> Float64[ndarray, "4 4"]:
    """From the stage's world (y up) to the rig's: z up, floor at 0, origin under the first camera, y ahead of it."""
    ahead = first.R[2] * (1, 0, 1)
    up, ahead = np.array([0.0, 1.0, 0.0]), ahead / np.linalg.norm(ahead)
    R = np.stack([np.cross(ahead, up), ahead, up])
    return rigid(R, -R @ (first.center_world_m * (1, 0, 1)))


def moved(camera: Camera, rig_from_world: Float64[ndarray, "4 4"]) -> Float64[ndarray, "4 4"]:
    """The camera's `cam_from_world` in the rig's world."""
    assert camera.cam_from_world is not None, "cameras of a stage have places"
    return camera.cam_from_world @ inverted(rig_from_world)


def random_timings(rng: Generator, names: Sequence[str], seconds: float, options: TakeOptions) -> dict[str, Timing]:
    """Free-running cameras: each begins when it does and keeps its own clock; the first one's is the take's."""
    timings = {}
    for number, name in enumerate(names):
        offset_s = rng.uniform(-0.05, 0.05) if options.offset_ms is None else options.offset_ms / 1000
        drift_ppm = rng.uniform(-60, 60) if options.drift_ppm is None else options.drift_ppm
        clock = Clock(offset_s, drift_ppm) if number else Clock()
        begin_s = START_S + rng.uniform(0, 0.15)
        count = int((seconds - begin_s + START_S) * options.rate_hz)
        kept = np.flatnonzero(rng.random(count) >= options.drops)
        # a clock that runs slow also reads its sensor out late
        time_s = begin_s + kept / options.rate_hz * (1 + clock.drift_ppm * 1e-6)
        own_s = (time_s - clock.offset_s) / (1 + clock.drift_ppm * 1e-6)
        stamp_us = np.round((own_s + rng.normal(0, options.jitter_ms / 1000, len(kept))) * 1e6).astype(np.int64)
        stamp_us = np.maximum.accumulate(stamp_us - np.arange(len(kept))) + np.arange(len(kept))
        wait_s = LATENCY_S + rng.gamma(2.0, options.jitter_ms / 2000 + 1e-6, len(kept))
        arrival_ns = np.round((time_s + wait_s) * 1e9).astype(np.int64)
        timings[name] = Timing(clock, time_s, stamp_us, arrival_ns, kept.astype(np.int64))
    return timings


def _looking(ahead: Float64[ndarray, "3"]) -> Float64[ndarray, "3 3"]:
    """Axes of an upright camera: right, down, ahead."""
    ahead = ahead / np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead])
