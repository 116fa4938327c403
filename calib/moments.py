"""Joints between frames: at any moment of their own clock, and smoothed with their velocities.

Two cameras never expose at the same moment. Joints are interpolated, not pictures: across a missing frame or two along
a line, else by a cubic that bends only beside a wrong joint and not through the whole track.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib.joint_track import Track

CUBIC_STEPS, LINEAR_STEPS = 1.5, 3.5  # frame periods between neighbours up to which they are joined
BANDWIDTH_S = 0.03  # of the smoothing kernel: passes 6 Hz at half its height
NEAR = 0.02  # of the kernel: neighbours farther away do not count as such
JUMP_FACTOR, JUMP_PX = 6.0, 12.0  # what leaves the running median by so much is no joint


def at_times(track: Track, time_s: Float64[ndarray, "n"]) -> Track:
    """The track at other moments of its own clock; NaN where no neighbours are near enough."""
    px = np.full((len(time_s), *track.px.shape[1:]), np.nan)
    score = np.zeros((len(time_s), track.px.shape[1]))
    period_s = 1 / track.rate_hz if len(track.time_s) > 1 else 0.0
    for joint in range(track.px.shape[1]):
        seen = np.flatnonzero(track.seen[:, joint])
        if len(seen) < 2:
            continue
        places, joined, left = _hermite(track.time_s[seen], track.px[seen, joint], time_s, period_s)
        px[:, joint] = places
        nearby = np.minimum(track.score[seen[left], joint], track.score[seen[left + 1], joint])
        score[joined, joint] = nearby[joined]
    return Track(time_s, px, score)


def _hermite(
    time_s: Float64[ndarray, "m"], values: Float64[ndarray, "m 2"], at_s: Float64[ndarray, "n"], period_s: float
) -> tuple[Float64[ndarray, "n 2"], Bool[ndarray, "n"], Int64[ndarray, "n"]]:
    """Values at moments, which of them there are, and the neighbour before each."""
    left = np.clip(np.searchsorted(time_s, at_s, side="right") - 1, 0, len(time_s) - 2)
    step = time_s[left + 1] - time_s[left]
    u = (at_s - time_s[left]) / step
    slopes = np.gradient(values, time_s, axis=0) if len(time_s) > 2 else np.diff(values, axis=0).repeat(2, 0) / step[0]
    cubic = _cubic(u[:, None], step[:, None], values[left], values[left + 1], slopes[left], slopes[left + 1])
    line = values[left] + u[:, None] * (values[left + 1] - values[left])
    inside = (u > -1e-9) & (u < 1 + 1e-9) & (step < LINEAR_STEPS * period_s)
    chosen = np.where((step < CUBIC_STEPS * period_s)[:, None], cubic, line)
    return np.where(inside[:, None], chosen, np.nan), inside, left.astype(np.int64)


def _cubic(u: ndarray, step: ndarray, p: ndarray, q: ndarray, p_slope: ndarray, q_slope: ndarray) -> ndarray:
    a, b = u**2 * (3 - 2 * u), u * (1 - u)
    return p + a * (q - p) + step * b * ((1 - u) * p_slope - u * q_slope)


@dataclass(frozen=True, slots=True)
class Motion:
    """Smoothed rays of one camera and their velocities, at its frames."""

    time_s: Float64[ndarray, "frames"]
    rays: Float64[ndarray, "frames joints 2"]  # NaN: not known
    velocity: Float64[ndarray, "frames joints 2"]  # per second

    def at(
        self, time_s: Float64[ndarray, "n"]
    ) -> tuple[Float64[ndarray, "n joints 2"], Float64[ndarray, "n joints 2"]]:
        """Rays and velocities at any moments; NaN outside and in gaps."""
        if len(self.time_s) < 2:
            nowhere = np.full((len(time_s), *self.rays.shape[1:]), np.nan)
            return nowhere, nowhere.copy()
        left = np.clip(np.searchsorted(self.time_s, time_s, side="right") - 1, 0, len(self.time_s) - 2)
        step = (self.time_s[left + 1] - self.time_s[left])[:, None, None]
        u = (time_s - self.time_s[left])[:, None, None] / step
        p, q, v, w = self.rays[left], self.rays[left + 1], self.velocity[left], self.velocity[left + 1]
        period_s = float(np.median(np.diff(self.time_s)))
        outside = (u < 0) | (u > 1) | (step > LINEAR_STEPS * period_s)
        rays = np.where(outside, np.nan, _cubic(u, step, p, q, v, w))
        return rays, np.where(outside, np.nan, v + u * (w - v))


def motion_of(track: Track, rays: Float64[ndarray, "frames joints 2"], focal_px: float) -> Motion:
    """Smoothed, joints that jump left out. `rays` belong to the track's frames."""
    clean = np.where(_jumps(rays, focal_px)[..., None], np.nan, rays)
    places, velocity = local_parabola(track.time_s, clean, np.maximum(track.score, 0.05), BANDWIDTH_S)
    return Motion(track.time_s, places, velocity)


def local_parabola(
    time_s: Float64[ndarray, "frames"],
    values: Float64[ndarray, "frames joints c"],
    weights: Float64[ndarray, "frames joints"],
    bandwidth_s: float,
) -> tuple[Float64[ndarray, "frames joints c"], Float64[ndarray, "frames joints c"]]:
    """Values and their slopes per second, by parabolas through neighbours in time with Gaussian weights.

    A zero-phase filter that takes stamps as they are: drops, gaps and jitter need no grid. NaN values do not count; NaN
    comes out where fewer than three are near.
    """
    n = len(time_s)
    rate_hz = 1 / float(np.median(np.diff(time_s))) if n > 1 else 1.0
    bandwidth_s = max(bandwidth_s, 0.75 / rate_hz)
    k = min(2 * int(np.ceil(2.5 * bandwidth_s * rate_hz)) + 1, n)
    around = np.clip(np.arange(n) - k // 2, 0, n - k)[:, None] + np.arange(k)
    away = (time_s[around] - time_s[:, None]) / bandwidth_s
    near = values[around]  # (n, k, joints, c)
    known = np.asarray(np.isfinite(near).all(-1))
    kernel = np.exp(-0.5 * away**2)[..., None] * known
    full = kernel * weights[around]
    powers = away[..., None] ** np.arange(3)
    A = np.einsum("nkj,nkp,nkq->njpq", full, powers, powers)
    b = np.einsum("nkj,nkp,nkjc->njpc", full, powers, np.where(known[..., None], near, 0.0))
    enough = np.asarray((kernel > NEAR).sum(1) >= 3)
    enough &= np.linalg.cond(np.where(enough[..., None, None], A, np.eye(3))) < 1e6
    A[~enough] = np.eye(3)
    parabola = np.linalg.solve(A, b)
    parabola[~enough] = np.nan
    return parabola[:, :, 0], parabola[:, :, 1] / bandwidth_s


def _jumps(rays: Float64[ndarray, "frames joints 2"], focal_px: float) -> Bool[ndarray, "frames joints"]:
    """Joints that leave the median of five frames by far more than most."""
    if len(rays) < 5:
        return np.zeros(rays.shape[:2], bool)
    padded = np.concatenate([rays[[1, 0]], rays, rays[[-1, -2]]])
    around = np.stack([padded[i : i + len(rays)] for i in range(5)])
    some = np.isfinite(around).any(0)
    median = np.full_like(rays, np.nan)
    median[some] = np.nanmedian(around[:, some], axis=0)
    away_px = focal_px * np.linalg.norm(rays - median, axis=-1)
    known = np.isfinite(away_px)
    if not known.any():
        return np.zeros(rays.shape[:2], bool)
    limit_px = max(JUMP_FACTOR * float(np.median(away_px[known])), JUMP_PX)
    return known & (away_px > limit_px)
