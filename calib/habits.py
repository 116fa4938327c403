"""A detector's habits: it puts each joint a little beside where another view's detector puts it, in every frame again.

More frames do not average that away; they are what limits a rig from people. Seen from a body that turns, such a
displacement follows the body, while a wrong camera stays where it is: that tells them apart. Three unknowns per joint,
fixed in the body and held small by a prior, join the pose (a mixed model; Laird and Ware 1982). On made-up detectors
with habits of 15 mm it halves the error of the pose (`tests/calib/test_habits.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.epipolar import Pairs, Relative
from calib.epipolar_fit import (
    Residuals,
    clustered,
    linearised,
    loss_weights,
    moved,
    residual_sigma_px,
    steps_of,
)
from calib.epipolar_pose import Pose
from calib.epipolar_search import thinned
from calib.joint_track import Body
from calib.triangulate import midpoints

SIGMA = 0.006  # of a habit, per axis, parts of the body's height: 10 mm
FRAMES = 300
STEPS = 8
TURNS_EVERY = 3  # steps between new estimates of how the body stands
WIDTH = 3.0


def with_habits(pose: Pose, body: Body, height: float) -> Pose:
    """The pose found together with the detector's habits. `height` is the body's, in baselines."""
    pairs, joints = thinned(pose.fit.pairs, FRAMES), len(body.names)
    blocks, frames = len(np.unique(pairs.block)), len(np.unique(pairs.frame))
    # frames of one block say the same thing: they must not outvote the prior by their number
    alike = max(frames / max(blocks, 1), 1.0)
    relative, sigma_px = pose.relative, pose.fit.sigma_px
    habits, turns = np.zeros(3 * joints), np.tile(np.eye(3), (len(pairs), 1, 1))
    for round_ in range(STEPS):
        if round_ % TURNS_EVERY == 0:
            turns = body_turns(relative, pairs, pose.fit.width_px, joints)
        system = _system(relative, pairs, turns, habits, joints)
        weights = loss_weights(system.residuals_px, pairs.weight, WIDTH * sigma_px)
        pull = np.zeros(5 + 3 * joints)
        pull[5:] = (sigma_px / (SIGMA * height)) ** 2 * float(pairs.weight.mean()) * alike
        weighted = system.slopes * weights[:, None]
        information = weighted.T @ system.slopes + np.diag(pull)
        gradient = weighted.T @ system.residuals_px + pull * np.concatenate([np.zeros(5), habits])
        step = -np.linalg.solve(information, gradient)
        relative, habits = moved(relative, step[:5]), habits + step[5:]
        sigma_px = residual_sigma_px(system.residuals_px)
    influence = weighted * system.residuals_px[:, None]
    spread = clustered(influence, pairs.block) + clustered(influence, pairs.joint)
    spread = spread + np.diag(pull) * sigma_px**2 * alike * float(pairs.weight.mean())
    inverse = np.linalg.inv(information)
    covariance = (inverse @ spread @ inverse)[:5, :5]
    fit = replace(pose.fit, relative=relative, linear=linearised(relative, pose.fit.pairs))
    return replace(pose, fit=fit, covariance=covariance)


@dataclass(frozen=True, slots=True)
class _Linear:
    residuals_px: Float64[ndarray, "n"]
    slopes: Float64[ndarray, "n g"]


def _system(
    relative: Relative, pairs: Pairs, turns: Float64[ndarray, "n 3 3"], habits: Float64[ndarray, "h"], joints: int
) -> _Linear:
    """Residuals with the habits taken off, and slopes by the pose and by every joint's habit (body axes)."""
    points = midpoints(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
    depth = points @ relative.R[2] + relative.t[2]
    depth = np.maximum(depth, 0.1 * float(np.median(np.abs(depth))))
    b_from_body = relative.R @ turns
    moves = [(b_from_body[:, :2, k] - pairs.b * b_from_body[:, 2:, k]) / depth[:, None] for k in range(3)]
    linear = Residuals.of(relative.E, pairs).linear(steps_of(relative), moves)
    slopes = np.zeros((len(pairs), 5 + 3 * joints))
    slopes[:, :5] = linear.slopes[:, :5]
    rows = np.arange(len(pairs))
    for k in range(3):
        slopes[rows, 5 + 3 * pairs.joint + k] = -linear.slopes[:, 5 + k]
    return _Linear(linear.residuals_px + slopes[:, 5:] @ habits, slopes)


def body_turns(relative: Relative, pairs: Pairs, width_px: float, joints: int) -> Float64[ndarray, "n 3 3"]:
    """How the body stands in each pair's frame (a_from_body), by aligning every frame's joints with their mean.

    The identity where a frame has too few joints. Limbs move against the body; a few degrees do not matter here.
    """
    points = midpoints(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
    fits = np.abs(linearised(relative, pairs).residuals_px) < width_px
    frames, at = np.unique(pairs.frame, return_inverse=True)
    grid = np.zeros((len(frames), joints, 3))
    known = np.zeros((len(frames), joints), bool)
    grid[at[fits], pairs.joint[fits]], known[at[fits], pairs.joint[fits]] = points[fits], True
    count = np.maximum(known.sum(1), 1)
    grid = np.where(known[..., None], grid - (grid.sum(1) / count[:, None])[:, None], 0.0)
    mean = grid[int(np.argmax(known.sum(1)))]
    turns = np.tile(np.eye(3), (len(frames), 1, 1))
    for _ in range(3):
        U, _, Vt = np.linalg.svd(np.einsum("nja,jb->nab", grid, mean))
        signs = np.ones((len(frames), 3))
        signs[:, 2] = np.sign(np.linalg.det(U @ Vt))
        turns = (U * signs[:, None]) @ Vt
        mean = np.einsum("nab,nja->jb", turns, grid) / np.maximum(known.sum(0), 1)[:, None]
    turns[known.sum(1) < 4] = np.eye(3)
    return turns[at]
