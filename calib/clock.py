"""A camera's cadence from the stamps of its frames, and one clock against another from a motion that both saw.

A sensor is read out in even steps; stamps scatter around them by the waiting of drivers and programs, and a step of
two or three means that frames were dropped. Numbering the steps and fitting them piece by piece takes the scatter out
(two cameras' raw stamps with 8 ms of it match worse than nearest frames do).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.interpolate import CubicSpline, make_lsq_spline
from scipy.ndimage import median_filter

from calib.rig import Clock

FRAMES_MIN = 30  # fewer are left as they are: at 20, one random rhythm in twenty looks even
SHARED_MIN = 10  # frames of two clocks
FOLLOW, FOLLOW_PERIOD = 0.1, 0.003  # how fast phase and period follow the stamps
AHEAD = 5  # frames that tell a late delivery from a gap
SHORTER, RATE_SHARE = 0.75, 0.1  # a second rate of the camera: so much shorter, for so much of the time
KNOT_S = 5.0  # crystals and exposures change slower
HUBER_SIGMAS = 1.5
ROUNDS = 6
LEAST = 1e-6  # stamps are whole microseconds
IRREGULAR = 0.22  # scatter in periods: above, the rate itself varies and no grid explains the stamps
GAPS_MAX = 0.5  # nor where every other step is a gap
SLOW_RUN = 8  # so many equal long steps in a row are a camera that slowed down, not one that drops


@dataclass(frozen=True, slots=True)
class Cadence:
    """What the stamps of one camera say. Where they keep no cadence, `steady_s` are the stamps themselves."""

    steady_s: Float64[ndarray, "n"]  # each frame's moment without scatter
    number: Int64[ndarray, "n"]  # of the readout that gave the frame, counted through all segments
    dropped_after: Int64[ndarray, "n"]  # how many frames are missing between this one and the next
    period_s: float | None
    scatter_s: float  # robust standard deviation of the stamps around the steady ones
    regular: bool

    @property
    def dropped(self) -> int:
        """Missing frames in all."""
        return int(self.dropped_after.sum())


def cadence_of(stamp_s: Float64[ndarray, "n"], segment: Int64[ndarray, "n"] | None = None) -> Cadence:
    """The cadence behind strictly increasing stamps, each segment on its own: a camera that came back began anew."""
    count = len(stamp_s)
    segment = np.zeros(count, np.int64) if segment is None else segment
    steady_s, number = stamp_s.copy(), np.arange(count, dtype=np.int64)
    missing = np.zeros(count, np.int64)
    periods_s, residuals_s, regular, base = [], [], True, 0
    for which in np.split(np.arange(count), np.flatnonzero(np.diff(segment)) + 1):
        if len(which) < FRAMES_MIN:
            number[which] = base + np.arange(len(which))
        else:
            numbers, period_s = _numbered(stamp_s[which])
            fitted_s = _fitted(numbers, stamp_s[which], period_s)
            residual_s = stamp_s[which] - fitted_s
            gaps = _missing(np.diff(numbers))
            even = _sigma(residual_s) < IRREGULAR * period_s and bool((np.diff(fitted_s) > 0).all())
            even &= float((gaps > 0).mean()) < GAPS_MAX
            regular &= even
            if even:
                steady_s[which], missing[which[:-1]] = fitted_s, gaps
            periods_s.append(period_s)
            residuals_s.append(residual_s)
            number[which] = base + numbers
        base = int(number[which[-1]]) + 1 if len(which) else base
    period_s = float(np.median(periods_s)) if periods_s else None
    scatter_s = _sigma(np.concatenate(residuals_s)) if residuals_s else 0.0
    return Cadence(steady_s, number, missing, period_s, scatter_s, regular)


def clock_between(
    time_a_s: Float64[ndarray, "a"],
    signal_a: Float64[ndarray, "a channels"],
    time_b_s: Float64[ndarray, "b"],
    signal_b: Float64[ndarray, "b channels"],
    *,
    first: Clock | None = None,
) -> Clock:
    """Clock b against clock a, from one smooth signal that both sampled: a's time = b's + offset + drift * b's.

    By Gauss-Newton from `first` on, whose offset has to be near: within the time in which the signal repeats itself.
    ValueError where the two share no time.
    """
    spline = CubicSpline(time_a_s, signal_a)
    speed = spline.derivative()
    offset_s, drift = (first.offset_s, first.drift_ppm * 1e-6) if first is not None else (0.0, 0.0)
    middle_s = float(time_b_s.mean())
    for _ in range(ROUNDS * 3):
        at_s = time_b_s + offset_s + drift * time_b_s
        inside = (at_s >= time_a_s[0]) & (at_s <= time_a_s[-1])
        if inside.sum() < SHARED_MIN:
            raise ValueError(f"the two clocks share {inside.sum()} frames, at least {SHARED_MIN} are needed")
        residual = (signal_b[inside] - spline(at_s[inside])).ravel()
        slope = speed(at_s[inside])
        columns = np.stack([slope.ravel(), (slope * (time_b_s[inside] - middle_s)[:, None]).ravel()], axis=1)
        weight = _huber(residual, _sigma(residual))
        normal = columns.T @ (columns * weight[:, None])
        step = np.linalg.solve(normal + 1e-12 * np.trace(normal) * np.eye(2), columns.T @ (weight * residual))
        offset_s, drift = offset_s + float(step[0] - step[1] * middle_s), drift + float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return Clock(offset_s, drift * 1e6)


def _numbered(stamp_s: Float64[ndarray, "n"]) -> tuple[Int64[ndarray, "n"], float]:
    """Which readout each stamp belongs to, by a phase that follows the stamps; the usual period."""
    period_s = usual_s = _usual_step(np.diff(stamp_s))
    due_s = _without_delays(stamp_s, usual_s)
    number, phase_s, numbers = 0, float(due_s[0]), [0]
    for s in due_s[1:].tolist():
        steps = max(round((s - phase_s) / period_s), 1)
        early_s = s - (phase_s + steps * period_s)
        phase_s += steps * period_s + FOLLOW * early_s
        period_s += FOLLOW_PERIOD * early_s / steps
        period_s = min(max(period_s, 0.8 * usual_s), 1.25 * usual_s)
        number += steps
        numbers.append(number)
    return np.array(numbers, np.int64), usual_s


def _without_delays(stamp_s: Float64[ndarray, "n"], period_s: float) -> Float64[ndarray, "n"]:
    """When each frame was due by those that follow: one that was only delivered late is not followed by a gap."""
    due_s = stamp_s.copy()
    for ahead in range(1, min(AHEAD, len(stamp_s) - 1) + 1):
        due_s[:-ahead] = np.minimum(due_s[:-ahead], stamp_s[ahead:] - ahead * period_s)
    return due_s


def _usual_step(step_s: Float64[ndarray, "n"]) -> float:
    """The period: the mean of the steps that are about as long as the median; the shorter one of two rates."""
    local_s = median_filter(step_s, size=SLOW_RUN + 1, mode="nearest")
    median_s = float(np.median(local_s))
    shorter = local_s < SHORTER * median_s
    if shorter.mean() > RATE_SHARE:
        median_s = float(np.median(local_s[shorter]))
    like = step_s[np.abs(step_s - median_s) <= 0.5 * median_s]
    return float(like.mean()) if len(like) else median_s


def _missing(steps: Int64[ndarray, "n"]) -> Int64[ndarray, "n"]:
    """Dropped frames between neighbours; a camera that slowed down for a while drops none."""
    missing = steps - 1
    change = np.flatnonzero(np.diff(steps)) + 1
    for run in np.split(np.arange(len(steps)), change):
        if len(run) >= SLOW_RUN:
            missing[run] = 0
    return missing


def _fitted(number: Int64[ndarray, "n"], stamp_s: Float64[ndarray, "n"], period_s: float) -> Float64[ndarray, "n"]:
    """Robust piecewise linear moments of the numbers."""
    x = number.astype(np.float64)
    pieces = max(min(int((x[-1] - x[0]) * period_s / KNOT_S), len(x) // FRAMES_MIN), 1)
    inner = np.quantile(x, np.linspace(0, 1, pieces + 1)[1:-1])
    knots = np.concatenate([[x[0]] * 2, inner, [x[-1]] * 2])
    straight = stamp_s[0] + period_s * x  # a small remainder is fitted more exactly
    rest, weight = stamp_s - straight, np.ones(len(x))
    fitted = rest
    for _ in range(ROUNDS):
        fitted = make_lsq_spline(x, rest, knots, k=1, w=np.sqrt(weight))(x)
        weight = _huber(rest - fitted, _sigma(rest - fitted))
    return straight + fitted


def _sigma(residual: Float64[ndarray, "n"]) -> float:
    """Robust standard deviation."""
    return float(1.4826 * np.median(np.abs(residual - np.median(residual)))) if len(residual) else 0.0


def _huber(residual: Float64[ndarray, "n"], sigma: float) -> Float64[ndarray, "n"]:
    limit = max(HUBER_SIGMAS * sigma, LEAST)
    return limit / np.maximum(np.abs(residual), limit)
