"""A short film of one person in a room, with the truth beside it: the demo that comes with the program.

The person comes in from the left, walks to the middle, turns to the camera, waves, squats twice, and walks off to
the right. Nothing is recorded: motion, room and person are made here.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from engine.crop import camera_matrix
from train.synthetic.body import Body, load_body
from train.synthetic.compose import cameras, composed, drawn, floor_shadows
from train.synthetic.figure import Someone, dressed
from train.synthetic.light import Light, lights
from train.synthetic.motion import squatting, standing, walking, waving
from train.synthetic.outfit import random_outfit
from train.synthetic.pose import Angles, rotation
from train.synthetic.room import Room, room_picture

SIZE_PX, RATE, SECONDS, FOV_DEG = (640, 480), Fraction(25), 14.0, 60.0
HEIGHT_M = 1.70
LENS_M, LENS_Z_M, DOWN_DEG = 1.3, 2.75, 8.0
# of the body, where the walker meets the floor; a step cycle carries this far, so that feet do not slide
STRIDE_M = 1.50
NOISE_SD = 1.2
SHADE, EXPOSURE = 0.45, 1.25
# (s, x, z) of the pelvis; straight lines between, entered and left softly
PATH = ((0.0, -2.05, -1.1), (3.0, 0.0, 0.0), (11.2, 0.0, 0.0), (14.0, 2.3, -0.9))
WAVE_S, SQUATS_S = (4.3, 6.9), ((7.3, 9.1), (9.2, 11.0))


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true in each frame."""

    time_s: Float64[ndarray, "frames"]
    joints_cam_m: Float32[ndarray, "frames joints 3"]
    K: Float64[ndarray, "3 3"]
    height_m: float

    def save(self, path: Path) -> None:
        """As npz."""
        np.savez_compressed(
            path, time_s=self.time_s, joints_cam_m=self.joints_cam_m, K=self.K, height_m=self.height_m, schema=1
        )


def render_clip(
    path: Path,
    *,
    seed: int = 3,
    seconds: float = SECONDS,
    body: Body | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Render the film to `path` (.mp4, H.264) and give its truth. The same seed gives the same pictures."""
    rng = np.random.default_rng(seed)
    body = body or load_body()
    shape = body.scores[rng.integers(len(body.scores))]
    person = body.person(shape, scale=HEIGHT_M / body.person(shape).height_m)
    outfit = random_outfit(rng)
    K, (R, t) = camera_matrix(*SIZE_PX, fov_deg=FOV_DEG), _camera()
    room = room_picture(Room(), K, R, t, SIZE_PX, rng)
    light, seen_by = lights([_light()]), cameras(K[None], R[None], t[None], SIZE_PX)
    empty = torch.from_numpy(room)[None].float()
    times = np.arange(round(seconds * RATE)) / float(RATE)
    joints = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "25", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        for number, time_s in enumerate(times):
            angles, at_m, heading_rad = acted(float(time_s))
            posed = person.posed(angles.pose().turned(rotation(np.array([0.0, heading_rad, 0.0]))))
            figure = dressed([Someone(posed, outfit, (at_m[0], 0.0, at_m[1]))])
            # the lowest point of the shoes stands on the floor
            up_m = -float(figure.lowest_m()[0])
            drawing = drawn(figure.moved(torch.tensor([[0.0, up_m, 0.0]])), light, seen_by)
            shadow = floor_shadows(drawing.shadows, seen_by, torch.zeros(1))[..., None]
            image = composed(drawing, empty * (1 - SHADE * shadow), exposure=torch.tensor([EXPOSURE]))[0].numpy()
            joints.append((posed.joints + np.array([at_m[0], up_m, at_m[1]])) @ R.T + t)
            for packet in stream.encode(av.VideoFrame.from_ndarray(_noisy(image, rng), format="bgr24")):
                container.mux(packet)
            if progress:
                progress(number + 1, len(times))
        for packet in stream.encode(None):
            container.mux(packet)
    return Truth(times, np.array(joints, np.float32), K, HEIGHT_M)


def acted(time_s: float) -> tuple[Angles, tuple[float, float], float]:
    """The script: joint angles, the pelvis over the floor (x, z), the heading (0 = to the camera)."""
    x, z, speed, heading = _walked(time_s)
    way_m = _way(time_s)
    walk = walking(2 * np.pi * way_m / STRIDE_M)
    angles = standing().mixed(walk, float(np.clip(speed / 0.5, 0, 1)))
    wave = _within(time_s, *WAVE_S, ramp_s=0.6)
    angles = waving(time_s, angles, raised=wave) if wave else angles
    for begin_s, end_s in SQUATS_S:
        depth = _within(time_s, begin_s, end_s, ramp_s=0.75)
        angles = angles.mixed(squatting(0.85), depth) if depth else angles
    return angles, (x, z), heading


def _walked(time_s: float) -> tuple[float, float, float, float]:
    """Place, speed and heading on PATH."""
    step = 1 / 50
    here, next_ = _place(time_s), _place(time_s + step)
    velocity = (next_ - here) / step
    speed = float(np.linalg.norm(velocity))
    heading = 0.0
    for (t0, x0, z0), (t1, x1, z1) in itertools.pairwise(PATH):
        if (x0, z0) == (x1, z1):
            continue
        toward = float(np.arctan2(x1 - x0, z1 - z0))
        before, after = (0.35 if t0 > 0 else 1.0), (0.05 if t1 < SECONDS else 1.0)  # outside the film nobody turns
        heading += toward * _within(time_s, t0 - before, t1 + after, ramp_s=0.7)
    return float(here[0]), float(here[1]), speed, heading


def _place(time_s: float) -> Float64[ndarray, "2"]:
    for (t0, x0, z0), (t1, x1, z1) in itertools.pairwise(PATH):
        if time_s <= t1:
            share = _eased((time_s - t0) / (t1 - t0), soft_start=t0 > 0, soft_end=t1 < SECONDS)
            return np.array([x0 + share * (x1 - x0), z0 + share * (z1 - z0)])
    return np.array(PATH[-1][1:])


def _way(time_s: float) -> float:
    """Metres walked since the beginning."""
    total = 0.0
    for (t0, x0, z0), (t1, x1, z1) in itertools.pairwise(PATH):
        share = _eased((time_s - t0) / (t1 - t0), soft_start=t0 > 0, soft_end=t1 < SECONDS)
        total += share * float(np.hypot(x1 - x0, z1 - z0))
    return total


def _eased(share: float, *, soft_start: bool, soft_end: bool) -> float:
    """0 ... 1 over 0 ... 1; where soft, the speed grows or falls over the outer quarter."""
    s, quarter = float(np.clip(share, 0, 1)), 0.25
    length = 1 - quarter / 2 * (soft_start + soft_end)
    done = s - (quarter / 2) * soft_start
    if soft_start and s < quarter:
        done = s**2 / (2 * quarter)
    if soft_end and s > 1 - quarter:
        done -= (s - 1 + quarter) ** 2 / (2 * quarter)
    return done / length


def _within(time_s: float, begin_s: float, end_s: float, *, ramp_s: float) -> float:
    """1 between two times, with smooth ramps inside them, 0 outside."""
    share = float(np.clip(min(time_s - begin_s, end_s - time_s) / ramp_s, 0, 1))
    return share * share * (3 - 2 * share)


def _camera() -> tuple[Float64[ndarray, "3 3"], Float64[ndarray, "3"]]:
    """Looks along -z of the world and a little down."""
    base = np.diag([1.0, -1.0, -1.0])
    R = rotation(np.array([np.deg2rad(DOWN_DEG), 0, 0])) @ base
    return R, -R @ np.array([0.0, LENS_M, LENS_Z_M])


def _light() -> Light:
    toward = np.array([-0.55, 0.9, 0.65])
    colours = ((0.62, 0.66, 0.68), (0.42, 0.40, 0.38), (0.20, 0.23, 0.26))
    return Light(*(np.array(v, np.float32) for v in (toward / np.linalg.norm(toward), *colours)))


def _noisy(image: Float32[ndarray, "h w 3"], rng: np.random.Generator) -> UInt8[ndarray, "h w 3"]:
    noise = rng.standard_normal(image.shape, dtype=np.float32) * NOISE_SD
    return np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)


if __name__ == "__main__":  # python -m train.synthetic.clip FOLDER: how assets/ was made
    folder = Path(sys.argv[1])
    render_clip(folder / "demo.mp4").save(folder / "demo_truth.npz")
