"""The relative pose that fits pooled pairs best, and how sure it is.

Five unknowns (a turn, and the baseline's direction) by Gauss-Newton on Sampson distances under the Geman-McClure loss,
whose width comes down in steps (graduated non-convexity, Blake and Zisserman 1987). It is as exact as a bundle
adjustment with all points and twenty times faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from calib.epipolar import Matrix, Pairs, Relative, cross, homogeneous

WIDTHS = (10.0, 5.0, 3.0)  # of the loss, in standard deviations of the residuals
STEPS_MAX = 12
TOLERANCE = 1e-7  # rad
SIGMA_LEAST_PX = 1e-4  # without noise no residual is typical
PAIRS_MIN = 8


@dataclass(frozen=True, slots=True)
class Linear:
    """Residuals (px) and their slopes by all unknowns: turn (3), direction (2), what else moves."""

    residuals_px: Float64[ndarray, "n"]
    slopes: Float64[ndarray, "n g"]


@dataclass(frozen=True, slots=True)
class Fit:
    """A refined pose and how the pairs fit it."""

    relative: Relative
    pairs: Pairs
    linear: Linear
    sigma_px: float  # of the residuals, by their median
    width_px: float  # of the loss

    @property
    def cost(self) -> float:
        """Mean of the loss, in units of its ceiling: 0 all fit, 1 none does."""
        return robust_cost(self.linear.residuals_px, self.pairs.weight, self.width_px)


def robust_cost(residuals_px: Float64[ndarray, "n"], pair_weights: Float64[ndarray, "n"], width_px: float) -> float:
    """Geman-McClure: r^2 / (r^2 + width^2), averaged by the pairs' weights."""
    squares = residuals_px**2
    return float(pair_weights @ (squares / (squares + width_px**2)) / max(float(pair_weights.sum()), 1e-12))


@dataclass(frozen=True, slots=True)
class Residuals:
    """Sampson residuals of pairs under a matrix, and what their slopes are made of."""

    a: Float64[ndarray, "n 3"]
    b: Float64[ndarray, "n 3"]
    M: Matrix  # b^T M a = 0
    focal_px: float

    @classmethod
    def of(cls, M: Matrix, pairs: Pairs) -> Residuals:
        """Of pairs."""
        return cls(homogeneous(pairs.a), homogeneous(pairs.b), M, pairs.focal_px)

    def linear(self, steps: Sequence[Matrix], ray_b_steps: Sequence[Float64[ndarray, "n 2"]] = ()) -> Linear:
        """Values and exact slopes by steps of the matrix and by moves of the second camera's rays."""
        to_b, to_a = self.a @ self.M.T, self.b @ self.M
        size = np.maximum(np.sqrt((to_b[:, :2] ** 2).sum(1) + (to_a[:, :2] ** 2).sum(1)), 1e-15)
        away = (self.b * to_b).sum(1)
        turns = [(self.a @ dM.T, self.b @ dM) for dM in steps]
        changes = [((self.b * d_to_b).sum(1), d_to_b, d_to_a) for d_to_b, d_to_a in turns]
        nothing = np.zeros((len(self.a), 3))
        changes += [((db * to_b[:, :2]).sum(1), nothing, db @ self.M[:2]) for db in ray_b_steps]
        columns = np.empty((len(self.a), len(changes)))
        for k, (d_away, d_to_b, d_to_a) in enumerate(changes):
            d_size = ((to_b[:, :2] * d_to_b[:, :2]).sum(1) + (to_a[:, :2] * d_to_a[:, :2]).sum(1)) / size
            columns[:, k] = (d_away - away / size * d_size) / size
        return Linear(self.focal_px * away / size, self.focal_px * columns)


def linearised(relative: Relative, pairs: Pairs) -> Linear:
    """Residuals of a pose and their slopes by its five unknowns."""
    return Residuals.of(relative.E, pairs).linear(steps_of(relative))


def steps_of(relative: Relative) -> list[Matrix]:
    """How E moves with a small turn of R (from the left) and with t on its sphere."""
    turns = [cross(relative.t) @ cross(axis) @ relative.R for axis in np.eye(3)]
    return turns + [cross(way) @ relative.R for way in tangents(relative.t)]


def tangents(t: Float64[ndarray, "3"]) -> Float64[ndarray, "2 3"]:
    """Two directions across t."""
    first = np.cross(t, np.eye(3)[np.argmin(np.abs(t))])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(t, first)])


def moved(relative: Relative, step: Float64[ndarray, "g"]) -> Relative:
    """The pose after a step of its five unknowns; further ones are the caller's."""
    t = relative.t + step[3:5] @ tangents(relative.t)
    return Relative(Rotation.from_rotvec(step[:3]).as_matrix() @ relative.R, t / np.linalg.norm(t))


def refined(pairs: Pairs, start: Relative, *, widths: tuple[float, ...] = WIDTHS) -> Fit:
    """The best fit near a start. ValueError where the pairs are hardly more than the unknowns."""
    if len(pairs) < PAIRS_MIN:
        raise ValueError(f"a relative pose needs at least {PAIRS_MIN} pairs, got {len(pairs)}")
    relative = start
    linear = linearised(relative, pairs)
    sigma_px = residual_sigma_px(linear.residuals_px)
    for factor in widths:
        for _ in range(STEPS_MAX):
            step = newton_step(linear, loss_weights(linear.residuals_px, pairs.weight, factor * sigma_px))
            relative = moved(relative, step)
            linear = linearised(relative, pairs)
            if np.abs(step).max() < TOLERANCE:
                break
        sigma_px = residual_sigma_px(linear.residuals_px)
    return Fit(relative, pairs, linear, sigma_px, widths[-1] * sigma_px)


def newton_step(
    linear: Linear,
    weights: Float64[ndarray, "n"],
    prior: Float64[ndarray, "g g"] | None = None,
    pull: Float64[ndarray, "g"] | None = None,
) -> Float64[ndarray, "g"]:
    """The Gauss-Newton step. A prior adds to the information, and its pull to the gradient."""
    weighted = linear.slopes * weights[:, None]
    information, gradient = weighted.T @ linear.slopes, weighted.T @ linear.residuals_px
    if prior is not None:
        information = information + prior
    if pull is not None:
        gradient = gradient + pull
    scale = np.sqrt(np.maximum(np.diag(information), 1e-30))  # unknowns differ in size by their units
    scaled = information / np.outer(scale, scale) + 1e-9 * np.eye(len(scale))
    return -np.linalg.solve(scaled, gradient / scale) / scale


def loss_weights(
    residuals_px: Float64[ndarray, "n"], pair_weights: Float64[ndarray, "n"], width_px: float
) -> Float64[ndarray, "n"]:
    """Of Geman-McClure, times the pairs' own."""
    return pair_weights / (1 + (residuals_px / width_px) ** 2) ** 2


def residual_sigma_px(residuals_px: Float64[ndarray, "n"]) -> float:
    """Standard deviation of most of them."""
    return max(1.4826 * float(np.median(np.abs(residuals_px))), SIGMA_LEAST_PX)


def covariance(
    linear: Linear, pairs: Pairs, width_px: float, prior: Float64[ndarray, "g g"] | None = None
) -> Float64[ndarray, "g g"]:
    """Of the unknowns at a minimum: the sandwich, errors of one moment and errors of one joint each taken as one.

    A detector puts a joint a little beside where another view's detector puts it, in every frame again: resampling
    frames does not see that and is five to fifteen times too sure (`tests/calib/test_epipolar_fit.py`). Clustering by
    both (Cameron, Gelbach and Miller 2011, without their subtraction: too large rather than too small) sees it.
    """
    squares = (linear.residuals_px / width_px) ** 2
    pull = loss_weights(linear.residuals_px, pairs.weight, width_px) * linear.residuals_px
    steepness = pairs.weight * (1 - 3 * squares) / (1 + squares) ** 3
    information = (linear.slopes * steepness[:, None]).T @ linear.slopes
    if prior is not None:
        information = information + prior
    influence = linear.slopes * pull[:, None]
    middle = sum(clustered(influence, groups) for groups in (pairs.block, pairs.joint))
    scale = np.sqrt(np.maximum(np.diag(information), 1e-30))
    inverse = np.linalg.pinv(information / np.outer(scale, scale), hermitian=True) / np.outer(scale, scale)
    return inverse @ middle @ inverse


def clustered(influence: Float64[ndarray, "n g"], groups: Int64[ndarray, "n"]) -> Float64[ndarray, "g g"]:
    """Sum of outer products of the groups' sums: the spread of a sum whose terms go together within groups."""
    which, at = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(which), influence.shape[1]))
    np.add.at(sums, at, influence)
    return sums.T @ sums * (len(which) / max(len(which) - 1, 1))


def sigmas_deg(covariance: Float64[ndarray, "g g"]) -> tuple[float, float]:
    """Standard deviations of the whole turn and of the baseline's direction."""
    turn, way = np.trace(covariance[:3, :3]), np.trace(covariance[3:5, 3:5])
    return float(np.rad2deg(np.sqrt(max(turn, 0.0)))), float(np.rad2deg(np.sqrt(max(way, 0.0))))
