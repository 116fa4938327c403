"""Left and right of a whole recording: which view took which limbs for the other side's, decided over time.

A frame alone cannot tell: a detector that takes a back for a front does so in both views, and the views meet. Time can,
since nobody turns around between two frames. Each pair of limbs is, in each frame, exchanged in the first view or not,
in the second view or not; a hidden Markov model weighs how well the views meet, how far the joints would jump, that
shoulders turn with hips, that the head and the hands are held ahead of the shoulders, that knees bend ahead and elbows
behind, and that a detector is right more often than wrong, above all where it sees a back: it learned from people who
face the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib.joint_track import Body

# costs are negative logarithms; what is wrong by more than these counts no more
MISS_MOST, MOVE_MOST, CUE_MOST = 3.0, 3.0, 2.0
MOVE = 0.03  # parts of the height: by how much joints are wrong, or move in a frame
TWIST = 1.5  # of 1 - cosine of the angle between shoulders and hips
# parts of the height: how far ahead a cue lies that counts once. With joints of `lite` in synthetic takes the head lies
# ahead of the thorax in 91-100 % of the frames, hands of shoulders in 97-99 %, knees in 72-81 %, elbows behind in 80-89
HEAD, HANDS, BEND = 0.02, 0.06, 0.03
CUE_WEIGHT = 0.5
# of holding a view's word for wrong in a frame: that it sees a front, that it sees a back
DOUBT_FRONT, DOUBT_BACK = 0.25, 1.0

BENDS = (1, -1)  # knees ahead, elbows behind

Rays = Float64[ndarray, "2 frames joints 2"]
Points = Float64[ndarray, "frames joints 3"]
Misses = Float64[ndarray, "frames joints"]
EXCHANGED = np.array(list(product((False, True), repeat=2)))  # of the four states: in the first view, in the second


@dataclass(frozen=True, slots=True)
class Sides:
    """What is to be exchanged, and how sure that is."""

    exchanged: Bool[ndarray, "2 frames limbs"]  # by view
    sure: Float64[ndarray, "frames limbs"]  # probability of both views' answer


@dataclass(frozen=True, slots=True)
class _States:
    """What the person would be in each of the four states."""

    rays: Rays  # as seen
    places: Float64[ndarray, "4 frames joints 3"]
    misses: Float64[ndarray, "4 frames joints"]  # of the views, standard deviations
    height: float
    body: Body

    def axis(self, limb: tuple[int, ...]) -> Float64[ndarray, "4 frames 3"]:
        """From left to right where a limb begins, of length 1."""
        right, left = limb[-1], self.body.mirror[limb[-1]]
        return _unit(self.places[:, :, right] - self.places[:, :, left])

    def up(self) -> Float64[ndarray, "4 frames 3"]:
        """From the hips to the shoulders, of length 1."""
        hips, shoulders = (
            self.places[:, :, [limb[-1], self.body.mirror[limb[-1]]]].mean(2) for limb in self.body.limbs
        )
        return _unit(shoulders - hips)


def told_sides(
    rays: Rays, points: Callable[[Rays], Points], miss: Callable[[Rays], Misses], body: Body, height: float
) -> Sides:
    """The likeliest exchanges (Viterbi) and their probabilities. `points` triangulates, `miss` is in deviations."""
    mirror = np.array(body.mirror)
    crossed = np.stack([rays[0], rays[1][:, mirror]])
    straight_m, crossed_m = points(rays), points(crossed)
    straight_miss, crossed_miss = np.abs(miss(rays)), np.abs(miss(crossed))
    places = np.stack([straight_m, crossed_m, crossed_m[:, mirror], straight_m[:, mirror]])
    misses = np.stack([straight_miss, crossed_miss, crossed_miss[:, mirror], straight_miss[:, mirror]])
    states = _States(rays, places, misses, height, body)
    # a state of the body is one of each pair of limbs
    whole = np.array(list(product(range(4), repeat=len(body.limbs))))
    alone, steps = _twist(states, whole), np.zeros((len(straight_m) - 1, len(whole), len(whole)))
    for k, limb in enumerate(body.limbs):
        state = whole[:, k]
        alone = alone + _alone(states, limb, BENDS[k])[:, state]
        steps += _steps(states, limb)[:, state[:, None], state]
    best, probability = _chain(alone, steps)
    chosen = whole[best]  # (frames, limbs)
    alike = whole[None] == chosen[:, None]  # (frames, states, limbs)
    sure = (probability[..., None] * alike).sum(axis=1)
    return Sides(EXCHANGED[chosen].transpose(2, 0, 1), sure)


def _alone(states: _States, limb: tuple[int, ...], bends: int) -> Float64[ndarray, "frames 4"]:
    """What speaks against each state of a pair of limbs in a frame by itself."""
    mirror = states.body.mirror
    misses = states.misses[:, :, [*limb, *(mirror[j] for j in limb)]]
    cost = 0.5 * np.nan_to_num(np.minimum(misses, MISS_MOST) ** 2).mean(-1)
    with np.errstate(invalid="ignore"):
        back = states.rays[:, :, limb[-1], 0] > states.rays[:, :, mirror[limb[-1]], 0]
    cost = cost + np.einsum("sv,vn->sn", EXCHANGED, np.where(back, DOUBT_BACK, DOUBT_FRONT))
    return (cost - _ahead(states, limb, bends)).T


def _ahead(states: _States, limb: tuple[int, ...], bends: int) -> Float64[ndarray, "4 frames"]:
    """What speaks for a state by what a body holds ahead of itself."""
    ahead = np.cross(states.up(), states.axis(limb))
    mirror, places = states.body.mirror, states.places

    def cue(way: ndarray, unit: float) -> ndarray:
        parts = (way * ahead).sum(-1) / (unit * states.height)
        return CUE_WEIGHT * np.nan_to_num(np.clip(parts, -CUE_MOST, CUE_MOST))

    found = np.zeros(ahead.shape[:2])
    if states.body.head is not None:
        thorax, head = states.body.head
        found += cue(places[:, :, head] - places[:, :, thorax], HEAD)
    for side in (limb, [mirror[j] for j in limb]):
        end, middle, start = (places[:, :, j] for j in side)
        found += cue(bends * (middle - (end + start) / 2), BEND)
        if limb == states.body.limbs[1]:
            found += cue((end - start) / 2, HANDS)
    return found


def _steps(states: _States, limb: tuple[int, ...]) -> Float64[ndarray, "n 4 4"]:
    """What speaks against a state after another: jumps."""
    joints = [*limb, *(states.body.mirror[j] for j in limb)]
    now, then = states.places[:, None, :-1, joints], states.places[None, :, 1:, joints]
    jump = np.linalg.norm(then - now, axis=-1) / (MOVE * states.height)  # (4, 4, n, joints)
    return 0.5 * np.nan_to_num(np.minimum(jump, MOVE_MOST) ** 2).mean(-1).transpose(2, 0, 1)


def _twist(states: _States, whole: Int64[ndarray, "s limbs"]) -> Float64[ndarray, "frames s"]:
    """What speaks against hips and shoulders that face different ways."""
    hips, shoulders = (states.axis(limb) for limb in states.body.limbs)
    cosine = (hips[whole[:, 0]] * shoulders[whole[:, 1]]).sum(-1)
    return TWIST * (1 - np.nan_to_num(cosine)).T


def _unit(vectors: ndarray) -> ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _chain(
    alone: Float64[ndarray, "frames s"], steps: Float64[ndarray, "n s s"]
) -> tuple[Int64[ndarray, "frames"], Float64[ndarray, "frames s"]]:
    """The cheapest way through all frames, and each state's probability (Viterbi; forward and backward)."""
    cost, forward, backward = alone.copy(), -alone, np.zeros(alone.shape)
    came_from = np.zeros(alone.shape, np.int64)
    for t in range(1, len(alone)):
        through = cost[t - 1][:, None] + steps[t - 1]
        came_from[t] = through.argmin(axis=0)
        cost[t] += through.min(axis=0)
        forward[t] += np.logaddexp.reduce(forward[t - 1][:, None] - steps[t - 1], axis=0)
    best = np.full(len(alone), cost[-1].argmin(), np.int64)
    for t in range(len(alone) - 1, 0, -1):
        best[t - 1] = came_from[t, best[t]]
        backward[t - 1] = np.logaddexp.reduce(backward[t] - alone[t] - steps[t - 1], axis=1)
    both = forward + backward
    return best, np.exp(both - np.logaddexp.reduce(both, axis=1, keepdims=True))
