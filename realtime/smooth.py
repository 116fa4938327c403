"""The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) and its use on a person's joints.

A low-pass whose cut-off rises with the signal's speed: still things are steady, fast things are not late.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.crop import crop_camera
from engine.joints import Joints

# after a longer silence the past says nothing about the present
GAP_S = 0.5
# two stamps this close are one: no camera is faster, and a speed over less is noise
SAME_TIME_S = 1e-6

# Chosen on recordings (a walk, people on a balance beam) and on made-up signals with a noise of 0.5 % of the box
# (tests/realtime/test_smooth.py). Stronger smoothing costs true motion: PCK falls by 3 points here, by 5 at half of it.
# At rest (a time constant of 0.16 s) 1/3 of the noise is left and 1/5 of its change from frame to frame ...
MIN_CUTOFF_HZ = 1.0
# ... and a wrist that waves at 1 Hz over 0.6 of the box is 7 ms late. Hz per (box side / s)
BETA = 15.0
# of the speed; at the paper's 1 Hz a reach is a fifth later, above 2 Hz the noise opens the filter
D_CUTOFF_HZ = 1.5
# a joint of score 0 is smoothed at this share of the cut-off of a joint of score 1
UNSURE_CUTOFF = 0.5


class OneEuro:
    """One filter for an array of any shape, each element on its own.

    Time comes in with each value. At an equal time the last answer stands (the same frame twice); time
    that runs backward, a change of shape, or a gap above `gap_s` starts afresh.
    """

    def __init__(
        self, min_cutoff_hz: float, beta: float, d_cutoff_hz: float = 1.0, *, gap_s: float = float("inf")
    ) -> None:
        if min_cutoff_hz <= 0 or d_cutoff_hz <= 0 or beta < 0:
            raise ValueError(f"cut-offs must be positive: {min_cutoff_hz = }, {beta = }, {d_cutoff_hz = }")
        self.min_cutoff_hz = min_cutoff_hz
        self.beta = beta
        self.d_cutoff_hz = d_cutoff_hz
        self.gap_s = gap_s
        self._time_s: float | None = None
        self._value = np.zeros(0)
        self._speed = np.zeros(0)

    def __call__(
        self,
        value: Float64[ndarray, "..."],
        time_s: float,
        *,
        unit: float = 1.0,
        trust: Float64[ndarray, "..."] | float = 1.0,
    ) -> Float64[ndarray, "..."]:
        """The filtered value at `time_s`.

        Speeds count in `unit`s per second, so one `beta` serves pictures of any size. `trust` in (0, 1], one
        number or one per element, lowers the cut-off.
        """
        dt = None if self._time_s is None else time_s - self._time_s
        if dt is None or dt < 0 or dt > self.gap_s or value.shape != self._value.shape:
            self._time_s, self._value, self._speed = time_s, value.copy(), np.zeros_like(value)
            return value.copy()
        if dt < SAME_TIME_S:
            return self._value.copy()
        speed = (value - self._value) / (dt * unit)
        self._speed = self._speed + _gain(self.d_cutoff_hz, dt) * (speed - self._speed)
        cutoff_hz = (self.min_cutoff_hz + self.beta * np.abs(self._speed)) * trust
        self._value = self._value + _gain(cutoff_hz, dt) * (value - self._value)
        self._time_s = time_s
        return self._value.copy()


class JointSmoother:
    """Smooths one person's pixels and depths.

    Depth is smoothed as r = (Z - Z_root) / Z_root, which does not depend on the box, and given back in the
    crop units of the box of the day. Speeds count in sides of that box per second.
    """

    def __init__(
        self,
        K: Float64[ndarray, "3 3"],
        *,
        min_cutoff_hz: float = MIN_CUTOFF_HZ,
        beta: float = BETA,
        d_cutoff_hz: float = D_CUTOFF_HZ,
    ) -> None:
        self._K = K
        self._px = OneEuro(min_cutoff_hz, beta, d_cutoff_hz, gap_s=GAP_S)
        self._r = OneEuro(min_cutoff_hz, beta, d_cutoff_hz, gap_s=GAP_S)

    def __call__(self, joints: Joints, time_s: float) -> Joints:
        """The joints with px and depth smoothed; score, sigma, presence and box are left as they are."""
        f_over_side = crop_camera(joints.box, self._K, 1).f_over_side
        trust = UNSURE_CUTOFF + (1.0 - UNSURE_CUTOFF) * joints.score
        px = self._px(joints.px, time_s, unit=joints.box.side_px, trust=trust[:, None])
        r = self._r(joints.depth / f_over_side, time_s, unit=1.0 / f_over_side, trust=trust)
        return replace(joints, px=px, depth=r * f_over_side)


def _gain(cutoff_hz: Float64[ndarray, "..."] | float, dt: float) -> Float64[ndarray, "..."] | float:
    """The share of a first-order low-pass that the newest value has: 1 / (1 + tau / dt)."""
    dt_over_tau = 2.0 * np.pi * cutoff_hz * dt
    return dt_over_tau / (1.0 + dt_over_tau)
