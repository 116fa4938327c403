"""What a body says about two cameras: left bones are as long as right ones, and bones have about their proportions.

Joints of a short clip fix the cameras badly, and a detector's habits bend what they fix. The body's say is joined to
the epipolar fit by both covariances, so that it decides where the joints leave room and is outvoted where they do not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.epipolar import Pairs, Relative, sampson
from calib.epipolar_fit import linearised, moved
from calib.epipolar_pose import Pose
from calib.epipolar_search import thinned
from calib.joint_track import Body
from calib.triangulate import midpoints

FRAMES = 200  # more do not change medians
SEEN_MIN = 5  # frames in which a bone was seen
SYMMETRY_SIGMA = 0.03  # of people, relative
PROPORTION_SIGMA = 0.08
JOINT_SIGMA = 0.009  # what a detector displaces a joint by, parts of height
STEP = 1e-4  # rad, of numerical slopes
ROUNDS = 4


def with_bones(pose: Pose, body: Body) -> Pose:
    """The pose moved to where the body agrees better, as far as its own covariance lets it."""
    pairs = thinned(pose.fit.pairs, FRAMES)
    information = np.linalg.pinv(pose.covariance, hermitian=True)
    relative, total = pose.relative, np.zeros(5)
    base = bone_residuals(relative, pairs, pose.fit.width_px, body)
    if not len(base):
        return pose
    H = information
    for _ in range(ROUNDS):
        slopes = np.empty((len(base), 5))
        for k in range(5):
            step = np.zeros(5)
            step[k] = STEP
            ahead = bone_residuals(moved(relative, step), pairs, pose.fit.width_px, body)
            behind = bone_residuals(moved(relative, -step), pairs, pose.fit.width_px, body)
            if not len(ahead) == len(behind) == len(base):
                return pose
            slopes[:, k] = (ahead - behind) / (2 * STEP)
        weights = 1 / (1 + (base / 3) ** 2)
        H = information + (slopes * weights[:, None]).T @ slopes
        step = -np.linalg.solve(H, information @ total + slopes.T @ (weights * base))
        relative, total = moved(relative, step), total + step
        base = bone_residuals(relative, pairs, pose.fit.width_px, body)
        if np.abs(step).max() < 1e-5:
            break
    linear = linearised(relative, pose.fit.pairs)
    return replace(pose, fit=replace(pose.fit, relative=relative, linear=linear), covariance=np.linalg.inv(H))


def bone_residuals(relative: Relative, pairs: Pairs, width_px: float, body: Body) -> Float64[ndarray, "r"]:
    """Asymmetry and disproportion of bones, in standard deviations, from the pairs that fit."""
    lengths = median_lengths(relative, pairs, width_px, body)
    parts, mirrored = np.array(body.bone_parts), body.mirrored_bones
    seen = np.isfinite(lengths)
    if seen.sum() < 3:
        return np.zeros(0)
    logs = np.log(lengths / parts)
    own = JOINT_SIGMA * np.sqrt(2) / parts
    of_left = np.flatnonzero((np.arange(len(parts)) < mirrored) & seen & seen[mirrored])
    uneven = (logs[of_left] - logs[mirrored[of_left]]) / np.hypot(SYMMETRY_SIGMA, np.sqrt(2) * own[of_left])
    sigma = np.hypot(PROPORTION_SIGMA, own)[seen]
    middle = np.average(logs[seen], weights=sigma**-2)
    return np.concatenate([uneven, (logs[seen] - middle) / sigma])


def bone_lengths(relative: Relative, pairs: Pairs, width_px: float, body: Body) -> list[Float64[ndarray, "_"]]:
    """Of each bone in the frames where both its ends were seen and fit, in baselines."""
    fits = np.abs(pairs.focal_px * sampson(relative.E, pairs.a, pairs.b)) < width_px
    points = midpoints(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
    fits &= points[:, 2] > 0
    frames, at = np.unique(pairs.frame, return_inverse=True)
    grid = np.full((len(frames), len(body.names), 3), np.nan)
    grid[at[fits], pairs.joint[fits]] = points[fits]
    lengths = [np.linalg.norm(grid[:, child] - grid[:, parent], axis=-1) for child, parent in body.bones]
    return [length[np.isfinite(length)] for length in lengths]


def median_lengths(relative: Relative, pairs: Pairs, width_px: float, body: Body) -> Float64[ndarray, "bones"]:
    """Of each bone over frames, in baselines; NaN where it was hardly seen."""
    lengths = bone_lengths(relative, pairs, width_px, body)
    return np.array([np.median(now) if len(now) >= SEEN_MIN else np.nan for now in lengths])


def height_of(relative: Relative, pairs: Pairs, width_px: float, body: Body) -> float:
    """The body's height in baselines, from all bones by their proportions; NaN where too few were seen."""
    lengths = median_lengths(relative, thinned(pairs, FRAMES), width_px, body)
    parts = np.array(body.bone_parts)
    seen = np.isfinite(lengths)
    return float(np.average(lengths[seen] / parts[seen], weights=parts[seen])) if seen.sum() >= 3 else float("nan")
