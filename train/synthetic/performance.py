"""What one person does in a room for a while: walking, turning, reaching, squatting, recorded motions; without seams.

An act is a stretch of poses that face +z, with how far the body moves (in its own axes) and turns in each step. Acts
overlap while one fades into the next; then the steps are summed up to a way through the room. World: y up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from numpy.random import Generator
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, RotationSpline

from train.synthetic.archetypes import WEIGHTS
from train.synthetic.motion import standing, walking, waving
from train.synthetic.parts import two_arms
from train.synthetic.pose import Angles
from train.synthetic.retarget import Motions, retargeted

STEP_S = 1 / 30
FADE = 10  # steps in which one act becomes the next
SMOOTH = 1.0  # standard deviation in steps: what remains of the seams
# the person stays about within this distance of the middle
ARENA_M = 0.8
STRIDE_M = 1.4  # way of a whole step cycle
WALK_M_PER_S, TURN_RAD_PER_S = 0.85, 2.2
UPRIGHT_KINDS = (
    *("stand", "relaxed", "reach_up", "arms_out", "lunge", "bend", "kick", "squat", "squat", "kneel"),
)  # fmt: skip
CLIP_S, CLIP_REACH_M, CLIP_TRIES = (2.5, 6.0), 1.8, 20
MOCAP_ACTS = 0.4


@dataclass(frozen=True, slots=True)
class Act:
    """Poses that face +z, and in each step the way in the body's axes (x left, z ahead) and the turn to the left."""

    R: Float64[ndarray, "n 15 3 3"]
    way_m: Float64[ndarray, "n 2"]
    turn_rad: Float64[ndarray, "n"]


@dataclass(frozen=True, slots=True)
class Performance:
    """A continuous motion from 0 to `seconds`."""

    seconds: float
    segments: tuple[RotationSpline, ...]
    place: CubicSpline

    def at(self, time_s: Float64[ndarray, "n"]) -> tuple[Float64[ndarray, "n 15 3 3"], Float64[ndarray, "n 2"]]:
        """Rotations of the segments in the world, and the pelvis' x and z over the floor."""
        inside = np.clip(time_s, 0.0, self.seconds)
        R = np.stack([segment(inside).as_matrix() for segment in self.segments], axis=1)
        return R, self.place(inside)


def random_performance(rng: Generator, seconds: float, *, motions: Motions | None = None) -> Performance:
    """One person's motion; recorded clips are among the acts where there are `motions`."""
    count = int(np.ceil(seconds / STEP_S)) + 2
    start = _posed([standing()] * (FADE + 1))
    R, way_m, turn_rad = start.R, start.way_m, start.turn_rad
    begin_m, heading_rad = rng.uniform(-0.3, 0.3, 2), rng.uniform(0, 2 * np.pi)
    while len(R) < count + FADE:
        places, headings = _walked(way_m, turn_rad, begin_m, heading_rad)
        for act in _next_acts(rng, places[-1], float(headings[-1]), motions):
            R, way_m, turn_rad = _faded(R, way_m, turn_rad, act)
    places, headings = _walked(way_m, turn_rad, begin_m, heading_rad)
    about_y = Rotation.from_rotvec(headings[:, None] * np.array([0.0, 1.0, 0.0])).as_matrix()
    world = _smoothed(about_y[:, None] @ R)[:count]
    times = np.arange(count) * STEP_S
    segments = tuple(RotationSpline(times, Rotation.from_matrix(world[:, i])) for i in range(15))
    return Performance(seconds, segments, CubicSpline(times, gaussian_filter1d(places, SMOOTH, axis=0)[:count]))


def _next_acts(
    rng: Generator, place_m: Float64[ndarray, "2"], heading_rad: float, motions: Motions | None
) -> list[Act]:
    if motions is not None and rng.random() < MOCAP_ACTS:
        clip = _recorded(rng, motions)
        if clip is not None:
            # it begins with the back to the wall: its way should lead over the middle
            toward = _heading_to(-place_m) if np.hypot(*place_m) > 0.3 else heading_rad
            ahead = clip.way_m.sum(axis=0)
            drift = float(np.arctan2(ahead[0], ahead[1])) if np.hypot(*ahead) > 0.3 else 0.0
            return [_turning(rng, toward - drift - heading_rad), clip]
    kind = rng.choice(4, p=[0.35, 0.15, 0.1, 0.4])
    if kind == 0:
        angle, radius = rng.uniform(0, 2 * np.pi), ARENA_M * np.sqrt(rng.uniform(0.1, 1.0))
        ahead = radius * np.array([np.sin(angle), np.cos(angle)]) - place_m
        return [_turning(rng, _heading_to(ahead) - heading_rad), _walking(float(np.hypot(*ahead)))]
    if kind == 1:
        return [_turning(rng, rng.uniform(-np.pi, np.pi))]
    if kind == 2:
        return [_waving(rng)]
    return [_gesture(rng)]


def _heading_to(ahead_m: Float64[ndarray, "2"]) -> float:
    return float(np.arctan2(ahead_m[0], ahead_m[1]))


def _posed(frames: list[Angles], way_m: ndarray | None = None, turn_rad: ndarray | None = None) -> Act:
    n = len(frames)
    R = np.stack([frame.pose().R for frame in frames])
    return Act(R, np.zeros((n, 2)) if way_m is None else way_m, np.zeros(n) if turn_rad is None else turn_rad)


def _eased(n: int) -> Float64[ndarray, "n"]:
    s = np.linspace(0, 1, n)
    return s * s * (3 - 2 * s)


def _walking(way_m: float) -> Act:
    """Straight ahead; both ends belong to the fades."""
    n = max(int(way_m / WALK_M_PER_S / STEP_S), 4) + FADE
    step_m = np.full(n, way_m / (n - FADE))
    phase = np.cumsum(step_m) / STRIDE_M * 2 * np.pi
    return _posed([walking(p) for p in phase], np.column_stack([0 * step_m, step_m]))


def _turning(rng: Generator, angle_rad: float) -> Act:
    """On the spot with small steps; the shorter way around."""
    angle_rad = (angle_rad + np.pi) % (2 * np.pi) - np.pi
    n = int(abs(angle_rad) / TURN_RAD_PER_S / STEP_S) + 2 + FADE
    share = _eased(n - FADE + 1)
    turn = np.concatenate([np.zeros(FADE // 2), np.diff(share) * angle_rad, np.zeros(FADE - FADE // 2)])
    begin = rng.uniform(0, 2 * np.pi)
    return _posed([walking(begin + i * 0.28, stride_deg=9.0) for i in range(n)], turn_rad=turn)


def _waving(rng: Generator) -> Act:
    n, rest = int(rng.uniform(1.5, 3.0) / STEP_S) + FADE, standing()
    raised = np.minimum(1.0, np.minimum(_eased(n) * 4, _eased(n)[::-1] * 4))
    return _posed([waving(i * STEP_S, rest, raised=float(r)) for i, r in enumerate(raised)])


def _gesture(rng: Generator) -> Act:
    """From standing into a pose of some kind and back, once or twice, with arms that go on moving."""
    names = [UPRIGHT_KINDS[int(rng.integers(len(UPRIGHT_KINDS)))]] * int(rng.integers(1, 3))
    there = [WEIGHTS[name][0](rng) for name in names]
    frames: list[Angles] = []
    for pose in there:
        arms = two_arms(rng)
        other = replace(pose, l_arm=arms["l_arm"], r_arm=arms["r_arm"])
        go, hold, back = (int(rng.uniform(a, b) / STEP_S) for a, b in ((0.7, 1.3), (0.4, 1.0), (0.7, 1.2)))
        frames += [standing().mixed(pose, float(s)) for s in _eased(go)]
        frames += [pose.mixed(other, float(s) * 0.6) for s in _eased(hold)]
        frames += [pose.mixed(other, 0.6).mixed(standing(), float(s)) for s in _eased(back)]
    return _posed([standing()] * (FADE // 2) + frames + [standing()] * FADE)


def _recorded(rng: Generator, motions: Motions) -> Act | None:
    """A stretch of a clip in which the person stays upright and near; None where chance found none."""
    for _ in range(CLIP_TRIES):
        clip = motions.clips[int(rng.integers(len(motions.clips)))].astype(np.float64)
        n = min(int(rng.uniform(*CLIP_S) / STEP_S) + FADE, len(clip))
        if n < 3 * FADE:
            continue
        start = int(rng.integers(len(clip) - n + 1))
        clip = clip[start : start + n]
        pelvis = clip[:, 0]
        if np.ptp(pelvis[:, [0, 2]], axis=0).max() > CLIP_REACH_M:
            continue
        R = np.stack([retargeted(frame).R for frame in clip])
        if R[:, 0, 1, 1].min() < 0.55 or np.abs(pelvis[:, 1] - pelvis[0, 1]).max() > 0.75:
            continue
        return _facing_ahead(R, pelvis[:, [0, 2]])
    return None


def _facing_ahead(R: Float64[ndarray, "n 15 3 3"], place_m: Float64[ndarray, "n 2"]) -> Act:
    heading = np.unwrap(np.arctan2(R[:, 0, 0, 2], R[:, 0, 2, 2]))
    heading = gaussian_filter1d(heading, 4.0)
    back = Rotation.from_rotvec(-heading[:, None] * np.array([0.0, 1.0, 0.0])).as_matrix()
    step = np.diff(place_m, axis=0, prepend=place_m[:1])
    c, s = np.cos(heading), np.sin(heading)
    way = np.column_stack([c * step[:, 0] - s * step[:, 1], s * step[:, 0] + c * step[:, 1]])
    return Act(back[:, None] @ R, way, np.diff(heading, prepend=heading[:1]))


def _walked(
    way_m: Float64[ndarray, "n 2"], turn_rad: Float64[ndarray, "n"], begin_m: Float64[ndarray, "2"], heading_rad: float
) -> tuple[Float64[ndarray, "n 2"], Float64[ndarray, "n"]]:
    """Places x, z and headings: the steps summed up."""
    heading = heading_rad + np.cumsum(turn_rad)
    c, s = np.cos(heading), np.sin(heading)
    step = np.column_stack([c * way_m[:, 0] + s * way_m[:, 1], -s * way_m[:, 0] + c * way_m[:, 1]])
    return begin_m + np.cumsum(step, axis=0), heading


def _faded(R: ndarray, way_m: ndarray, turn_rad: ndarray, act: Act) -> tuple[ndarray, ndarray, ndarray]:
    """What was so far and the next act, `FADE` steps on each other."""
    share = _eased(FADE)
    tail, head = R[-FADE:].reshape(-1, 3, 3), act.R[:FADE].reshape(-1, 3, 3)
    turn = Rotation.from_matrix(np.swapaxes(tail, 1, 2) @ head).as_rotvec() * np.repeat(share, 15)[:, None]
    mixed = (tail @ Rotation.from_rotvec(turn).as_matrix()).reshape(FADE, 15, 3, 3)
    ways = way_m[-FADE:] * (1 - share)[:, None] + act.way_m[:FADE] * share[:, None]
    turns = turn_rad[-FADE:] * (1 - share) + act.turn_rad[:FADE] * share
    return (
        np.concatenate([R[:-FADE], mixed, act.R[FADE:]]),
        np.concatenate([way_m[:-FADE], ways, act.way_m[FADE:]]),
        np.concatenate([turn_rad[:-FADE], turns, act.turn_rad[FADE:]]),
    )


def _smoothed(R: Float64[ndarray, "n 15 3 3"]) -> Float64[ndarray, "n 15 3 3"]:
    """Rotations averaged over neighbours: the mean matrix, brought back to a rotation."""
    u, _, v = np.linalg.svd(gaussian_filter1d(R, SMOOTH, axis=0))
    u[..., -1] *= np.linalg.det(u @ v)[..., None]
    return u @ v
