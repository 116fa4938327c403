"""Where two cameras stand to each other, from the joints of a person that both saw at the same moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from calib.epipolar import Pairs, Relative, blocks_of, in_front, truncated_cost, voted
from calib.epipolar_fit import PAIRS_MIN, Fit, covariance, linearised, refined, robust_cost, sigmas_deg
from calib.epipolar_search import candidates, shuffled, thinned, threshold_px
from calib.errors import UserError
from calib.joint_track import Track

SCORE_MIN = 0.1  # fainter joints are guesses
SEARCH_FRAMES = 300  # more frames do not give the samplers better starts
RESTARTS = 3
SAME_DEG = 2.0  # answers nearer than this are one


@dataclass(frozen=True, slots=True)
class Pose:
    """The relative pose of two cameras, its standard deviations, and the next-best answer."""

    fit: Fit
    covariance: Float64[ndarray, "5 5"]
    front_share: float  # of the pairs that fit, before both cameras
    rival: Relative | None  # another answer that the samplers found
    rival_cost: float | None  # of the rival, as a multiple of the best's

    @property
    def relative(self) -> Relative:
        """The best answer."""
        return self.fit.relative

    @property
    def sigmas_deg(self) -> tuple[float, float]:
        """Of the turn and of the baseline's direction."""
        return sigmas_deg(self.covariance)


def pairs_of(a: Track, b: Track, cameras: Sequence[Camera], *, score_min: float = SCORE_MIN) -> Pairs:
    """Joints that both saw, frame by frame: the tracks are of the same moments (`calib.moments`).

    A pair weighs as the square of both scores' product.
    """
    if a.px.shape != b.px.shape:
        raise ValueError(f"tracks of the same moments have the same shape, got {a.px.shape} and {b.px.shape}")
    both = a.seen & b.seen & (np.minimum(a.score, b.score) >= score_min)
    frame, joint = (rows.astype(np.int64) for rows in np.nonzero(both))
    rays = [camera.rays(track.px[both]) for camera, track in zip(cameras, (a, b), strict=True)]
    focal_px = float(np.mean([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras]))
    weight = (a.score * b.score)[both] ** 2
    return Pairs(rays[0], rays[1], weight, frame, joint, blocks_of(a.time_s[frame]), focal_px)


def find_pose(pairs: Pairs) -> Pose:
    """The best pose from pooled pairs. UserError where there are too few or no sampler finds anything."""
    if len(pairs) < PAIRS_MIN:
        raise UserError(
            f"only {len(pairs)} joints were seen by both cameras at the same moment; let both see the whole person"
        )
    starts = list(_starts(thinned(pairs, SEARCH_FRAMES)))
    if not starts:
        raise UserError("the joints of both cameras fit no pair of cameras at all; check that they saw the same person")
    limit_px = 3 * threshold_px(pairs)
    best_start = min(starts, key=lambda one: truncated_cost(one.E, pairs, limit_px))
    best = _settled(pairs, best_start)
    rivals = list(_rivals(starts, best, pairs))
    rival = min(rivals, key=lambda one: one[1], default=None)
    if rival is not None and rival[1] < best.cost:  # the samplers' favourite was not the best after all
        first = _settled(pairs, rival[0])
        rivals = list(_rivals([*starts, best.relative], first, pairs))
        best, rival = first, min(rivals, key=lambda one: one[1], default=None)
    return _described(pairs, best, rival)


def refined_pose(pairs: Pairs, start: Relative) -> Pose:
    """The best pose near one that is known roughly; no rivals are looked for."""
    return _described(pairs, refined(pairs, start), None)


def _settled(pairs: Pairs, start: Relative) -> Fit:
    """Refined, then read anew: a sampler's matrix may have been too far off for the vote, cameras close together."""
    fit = refined(pairs, start)
    fits = np.abs(fit.linear.residuals_px) < fit.width_px
    reading = voted(fit.relative.E, pairs.picked(fits)).relative
    if max(reading.apart_deg(fit.relative)) < SAME_DEG:
        return fit
    return replace(fit, relative=reading, linear=linearised(reading, pairs))


def _described(pairs: Pairs, best: Fit, rival: tuple[Relative, float] | None) -> Pose:
    fits = np.abs(best.linear.residuals_px) < best.width_px
    weight = pairs.weight * fits
    front = float(weight @ in_front(best.relative, pairs) / max(float(weight.sum()), 1e-12))
    ratio = None if rival is None else rival[1] / max(best.cost, 1e-12)
    C = covariance(best.linear, pairs, best.width_px)
    return Pose(best, C, front, None if rival is None else rival[0], ratio)


def _starts(pairs: Pairs) -> Iterator[Relative]:
    """What the samplers find in all frames and in random halves, each read by the vote."""
    for part in (pairs, *(shuffled(pairs, seed) for seed in range(RESTARTS))):
        for E in candidates(part):
            yield voted(E, pairs).relative


def _rivals(starts: Sequence[Relative], best: Fit, pairs: Pairs) -> Iterator[tuple[Relative, float]]:
    """Other answers after a refinement of their own, with their costs under the best one's loss."""
    some = thinned(pairs, SEARCH_FRAMES)
    known = [best.relative]
    for start in starts:
        if _near(start, known):
            continue
        relative = _settled(some, start).relative
        if _near(relative, known):
            continue
        known.append(relative)
        residuals_px = linearised(relative, pairs).residuals_px
        yield relative, robust_cost(residuals_px, pairs.weight, best.width_px)


def _near(one: Relative, others: Sequence[Relative]) -> bool:
    return any(max(one.apart_deg(other)) < SAME_DEG for other in others)
