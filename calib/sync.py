"""When two cameras' clocks agree: the offset and drift for which the joints of a moving person fit epipolar geometry.

A coarse search over offsets, each with a pose of its own, then pose, offset and drift together by Gauss-Newton: what
alternating between them would come to, and with the standard deviation that the unknown pose leaves to the offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from calib.epipolar import Pairs, Relative, best_of, blocks_of, truncated_cost, voted
from calib.epipolar_fit import (
    PAIRS_MIN,
    SIGMA_LEAST_PX,
    Residuals,
    covariance,
    loss_weights,
    moved,
    newton_step,
    refined,
    residual_sigma_px,
    steps_of,
)
from calib.epipolar_search import NOMINAL_FOCAL_PX, sampled
from calib.joint_track import Track
from calib.moments import Motion, motion_of
from calib.rig import Clock
from calib.verdict import Reason

REACH_S = 0.6  # clocks that lie farther apart are not found
COARSE_STEP_S = 0.04
COARSE_FRAMES = 100
COARSE_WIDTHS = (5.0,)
LIMIT_PX = 10.0  # at 950 px of focal length: residuals count as no more in the coarse search
WIDTHS = (6.0, 4.0, 3.0)
STEPS = 6
DRIFT_PRIOR_PPM = 60.0  # crystals differ by 10 to 100
SIGMA_MAX_S = 0.012
FLAT = 0.9  # least cost over typical cost: more says that the offset hardly matters
RIVAL = 1.1  # another offset as good as this
RIVAL_APART_S = 0.1
FAR_S = 0.1  # cameras of one computer do not lie farther apart


@dataclass(frozen=True, slots=True)
class ClockFit:
    """The second camera's clock against the first's, whose time is the rig's."""

    clock: Clock  # zeros where it cannot be told
    sigma_s: float | None  # of the offset in the middle of the take; None: cannot be told
    reasons: tuple[Reason, ...]
    relative: Relative | None  # the pose that was found with it
    offsets_s: Float64[ndarray, "m"]  # the coarse search
    costs_px2: Float64[ndarray, "m"]

    @property
    def known(self) -> bool:
        """Whether the joints say anything about the clocks."""
        return self.sigma_s is not None


def rig_time_s(time_s: Float64[ndarray, "n"], clock: Clock) -> Float64[ndarray, "n"]:
    """A camera's moments on the rig's clock."""
    return time_s + clock.offset_s + clock.drift_ppm * 1e-6 * time_s


def camera_time_s(rig_s: Float64[ndarray, "n"], clock: Clock) -> Float64[ndarray, "n"]:
    """Moments of the rig's clock on a camera's own."""
    return (rig_s - clock.offset_s) / (1 + clock.drift_ppm * 1e-6)


def fit_clock(a: Track, b: Track, cameras: Sequence[Camera], *, known: Relative | None = None) -> ClockFit:
    """Offset and drift of b against a. `known`: the cameras' pose, where there is one; else it is found alongside."""
    motions = tuple(
        motion_of(track, track.rays(camera), float(camera.K[0, 0]))
        for track, camera in zip((a, b), cameras, strict=True)
    )
    focal_px = float(np.mean([camera.K[0, 0] for camera in cameras]))
    search = _Search(motions[0], motions[1], a.score, focal_px)
    offsets_s = np.arange(-REACH_S, REACH_S + 1e-9, COARSE_STEP_S)
    tried = [search.tried(float(offset_s), known) for offset_s in offsets_s]
    costs = np.array([cost for cost, _ in tried])
    if not np.isfinite(costs).any():
        return _untold("the cameras hardly saw the person at the same time", offsets_s, costs)
    best = int(np.nanargmin(costs))
    start = tried[best][1]
    if doubt := _doubt(offsets_s, costs, best):
        return _untold(doubt, offsets_s, costs)
    assert start is not None
    clock, sigma_s, relative = search.together(float(offsets_s[best]), start, fixed=known is not None)
    if not sigma_s < SIGMA_MAX_S:
        return _untold(f"it moved too little: its offset is unsure by {1000 * sigma_s:.0f} ms", offsets_s, costs)
    return ClockFit(clock, sigma_s, _reasons(clock, sigma_s), relative, offsets_s, costs)


def _doubt(offsets_s: Float64[ndarray, "m"], costs: Float64[ndarray, "m"], best: int) -> str | None:
    """Why the coarse search decides nothing."""
    if best in (0, len(costs) - 1):
        return f"no offset up to {1000 * REACH_S:.0f} ms fits"
    if costs[best] > FLAT * float(np.nanmedian(costs)):
        return "the person hardly moved: every offset fits alike"
    others = np.abs(offsets_s - offsets_s[best]) > RIVAL_APART_S
    if np.nanmin(costs[others]) < RIVAL * costs[best]:
        other_ms = 1000 * offsets_s[others][int(np.nanargmin(costs[others]))]
        return f"{1000 * offsets_s[best]:.0f} and {other_ms:.0f} ms fit alike"
    return None


def _untold(why: str, offsets_s: Float64[ndarray, "m"], costs: Float64[ndarray, "m"]) -> ClockFit:
    text = f"the clocks' offset cannot be told, {why}; walk and swing your arms, or trust the cameras' stamps"
    return ClockFit(Clock(), None, (Reason("yellow", text),), None, offsets_s, costs)


def _reasons(clock: Clock, sigma_s: float) -> tuple[Reason, ...]:
    said = f"{1000 * clock.offset_s:+.1f} ms (+- {1000 * sigma_s:.1f})"
    if abs(clock.offset_s) > FAR_S:
        text = f"the clocks lie {said} apart: far more than cameras of one computer do; check how they were recorded"
        return (Reason("yellow", text),)
    return (Reason("green", f"the second camera's clock is corrected by {said}, from the motion"),)


@dataclass(frozen=True, slots=True)
class _Search:
    a: Motion
    b: Motion
    score: Float64[ndarray, "frames joints"]
    focal_px: float

    def pairs(
        self, clock: Clock, frames: ndarray | None = None
    ) -> tuple[Pairs, Float64[ndarray, "n 2"], Float64[ndarray, "n"]]:
        """Joints of a's frames with b's at the same moment; b's velocities and the moments (rig)."""
        rows = np.arange(len(self.a.time_s)) if frames is None else frames
        rays_b, velocity = self.b.at(camera_time_s(self.a.time_s[rows], clock))
        rays_a = self.a.rays[rows]
        both = np.isfinite(rays_a).all(-1) & np.isfinite(rays_b).all(-1)
        frame, joint = (found.astype(np.int64) for found in np.nonzero(both))
        time_s = self.a.time_s[rows][frame]
        weight = self.score[rows][both] ** 2
        pairs = Pairs(rays_a[both], rays_b[both], weight, frame, joint, blocks_of(time_s), self.focal_px)
        return pairs, velocity[both], time_s

    def tried(self, offset_s: float, known: Relative | None) -> tuple[float, Relative | None]:
        """Cost of an offset with the pose that fits it best; NaN without enough pairs."""
        rows = np.unique(np.linspace(0, len(self.a.time_s) - 1, COARSE_FRAMES).round().astype(int))
        pairs = self.pairs(Clock(offset_s), rows)[0]
        if len(pairs) < 3 * PAIRS_MIN:
            return float("nan"), None
        limit_px = LIMIT_PX * self.focal_px / NOMINAL_FOCAL_PX
        relative = known
        if relative is None:
            start = best_of(sampled(pairs, "accurate"), pairs, limit_px)
            if start is None:
                return float("nan"), None
            relative = refined(pairs, voted(start, pairs).relative, widths=COARSE_WIDTHS).relative
        return truncated_cost(relative.E, pairs, limit_px), relative

    def together(self, offset_s: float, relative: Relative, *, fixed: bool) -> tuple[Clock, float, Relative]:
        """Pose, offset and drift that fit best, and the offset's standard deviation."""
        middle_s = float(np.mean(self.a.time_s[[0, -1]]))
        unknowns = np.array([offset_s, 0.0])  # offset and drift (ppm) in the middle of the take
        first = 5 if fixed else 0
        sigma_px = 0.0
        for width in WIDTHS:
            for _ in range(STEPS):
                clock = Clock(unknowns[0] - unknowns[1] * 1e-6 * middle_s, unknowns[1])
                pairs, velocity, time_s = self.pairs(clock)
                drifts = -velocity * (1e-6 * (time_s - middle_s))[:, None]
                linear = Residuals.of(relative.E, pairs).linear(steps_of(relative), [-velocity, drifts])
                if not sigma_px:
                    sigma_px = residual_sigma_px(linear.residuals_px)
                prior = np.zeros((7, 7))
                prior[6, 6] = (max(sigma_px, SIGMA_LEAST_PX) / DRIFT_PRIOR_PPM) ** 2
                prior[:first, :first] = np.eye(first) * 1e12
                weights = loss_weights(linear.residuals_px, pairs.weight, width * sigma_px)
                gradient = np.zeros(7)
                gradient[6] = prior[6, 6] * unknowns[1]
                step = newton_step(linear, weights, prior, gradient)
                relative, unknowns = moved(relative, step), unknowns + step[5:]
                unknowns[0] = float(np.clip(unknowns[0], offset_s - COARSE_STEP_S * 2, offset_s + COARSE_STEP_S * 2))
            sigma_px = residual_sigma_px(linear.residuals_px)
        C = covariance(linear, pairs, WIDTHS[-1] * sigma_px, prior)
        clock = Clock(float(unknowns[0] - unknowns[1] * 1e-6 * middle_s), float(unknowns[1]))
        return clock, float(np.sqrt(C[5, 5])), relative
