"""What the residuals of a lens say: deviations of its numbers, whether the views agree, whether the board is flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from calib.lens_choice import ModelScore, noise_variance
from calib.lens_fit import BoardView, LensFit, covariance, equations
from calib.lens_models import LensModel, project

SPLIT_STARTS, SPLIT_ROUNDS = 16, 40


@dataclass(frozen=True)
class Shape:
    """How the board differs from its plan, with standard deviations."""

    bow_m: float  # largest height of the bent board over the flat one
    bow_px: float  # what it does to corners in the typical view
    bow_sigmas: float  # how sure it is
    stretch: float  # relative excess of the squares along the columns over those along the rows
    stretch_sigma: float


def lens_sigma(views: Sequence[BoardView], chosen: ModelScore) -> Float64[ndarray, "lens"]:
    """Standard deviations of a lens, scaled to the residuals; 0 where the model fixes a number.

    The larger of two: the one of independent errors per corner, and the sandwich over whole views (White 1982; Liang
    and Zeger 1986), which also holds where the errors of one picture have a common cause.
    """
    columns, fit = chosen.model.columns, chosen.fit
    normal = equations(views, fit, columns)
    information, gradient = normal.reduced()
    inverse = covariance(information.sum(axis=0))
    independent = noise_variance(fit, len(chosen.model.free)) * inverse
    n, free = len(views), len(chosen.model.free)
    clustered = inverse @ (gradient.T @ gradient) @ inverse * (n / max(n - free / 2, 1))
    variance = np.maximum(np.diag(independent), np.diag(clustered))
    return columns @ np.sqrt(variance)


def disagreement(views: Sequence[BoardView], chosen: ModelScore) -> float:
    """How much more the views differ about focal length and principal point than noise explains; 1 where they agree.

    A score test: what each view would gain from an own focal length and principal point, over what noise gains.
    """
    columns = LensModel("", chosen.model.kind, ((0, 1), (2,), (3,)), 0).columns
    information, gradient = equations(views, chosen.fit, columns).reduced()
    gain = np.einsum("vi,vij,vj->v", gradient, np.linalg.pinv(information, rcond=1e-9, hermitian=True), gradient)
    return float(gain.mean() / 3 / noise_variance(chosen.fit, len(chosen.model.free)))


@dataclass(frozen=True)
class Split:
    """The two groups of views that differ most in focal length and principal point."""

    evidence: float  # F: what two lenses explain per number, over what is left per degree of freedom
    counts: tuple[int, int]
    focal: float  # difference of the focal lengths, relative
    center_px: float  # distance of the principal points


def best_split(views: Sequence[BoardView], chosen: ModelScore) -> Split:
    """Whether the views are rather of two lenses than of one: k-means over what each view would change of the lens.

    Each view counts by its information (Lloyd 1982 with Mahalanobis distances), from several starts. The views of one
    lens also fall into two groups that explain something, so the evidence has to be large: see `lens_doubts`.
    """
    columns = LensModel("", chosen.model.kind, ((0, 1), (2,), (3,)), 0).columns
    information, gradient = equations(views, chosen.fit, columns).reduced()
    own = np.einsum("vij,vj->vi", np.linalg.pinv(information, rcond=1e-9, hermitian=True), gradient)
    total = float(np.einsum("vi,vi->", gradient, own))
    rng = np.random.default_rng(0)
    found = [_two_groups(information, gradient, rng.random(len(views)) < 0.5) for _ in range(SPLIT_STARTS)]
    gain, first, lenses = max(found, key=lambda each: each[0])
    left = max(total - gain, 1e-12 * total) / max(3 * len(views) - 6, 1)
    apart = lenses[1] - lenses[0]
    counts = (int(first.sum()), int((~first).sum()))
    focal = abs(float(apart[0])) / float(chosen.fit.lens[0])
    return Split(gain / 6 / max(left, 1e-300), counts, focal, float(np.hypot(*apart[1:])))


def _two_groups(
    information: Float64[ndarray, "views 3 3"], gradient: Float64[ndarray, "views 3"], first: Bool[ndarray, "views"]
) -> tuple[float, Bool[ndarray, "views"], Float64[ndarray, "2 3"]]:
    """What two lenses gain, who belongs to the first, and both as differences from the one lens."""
    gain, lenses = 0.0, np.zeros((2, 3))
    for _ in range(SPLIT_ROUNDS):
        if not 2 <= first.sum() <= len(first) - 2:
            return 0.0, first, np.zeros((2, 3))
        for k, group in enumerate((first, ~first)):
            lenses[k] = np.linalg.pinv(information[group].sum(axis=0), hermitian=True) @ gradient[group].sum(axis=0)
        gains = 2 * gradient @ lenses.T - np.einsum("ki,vij,kj->vk", lenses, information, lenses)
        before, first = first, gains[:, 0] > gains[:, 1]
        gain = float(gains.max(axis=1).sum())
        if (first == before).all():
            break
    return gain, first, lenses


def board_shape(views: Sequence[BoardView], chosen: ModelScore) -> Shape:
    """Bow, twist and stretch of the board that would explain the residuals best, together with the lens.

    One Gauss-Newton step from the flat board: the board's shape is as small as the residuals.
    """
    normal = equations(views, chosen.fit, chosen.model.columns, board_shapes=True)
    information, gradient = (part.sum(axis=0) for part in normal.reduced())
    inverse = covariance(information)
    found = (inverse @ gradient)[-4:]
    sigma2 = noise_variance(chosen.fit, len(gradient)) * inverse[-4:, -4:]
    chi2 = float(found[:3] @ np.linalg.solve(sigma2[:3, :3], found[:3]))
    bow_m, bow_px = _bow(views, chosen.fit, found[:3])
    return Shape(bow_m, bow_px, np.sqrt(chi2 / 3), float(found[3]), float(np.sqrt(sigma2[3, 3])))


def _bow(views: Sequence[BoardView], fit: LensFit, shape: Float64[ndarray, "3"]) -> tuple[float, float]:
    """Range of the heights over the best plane, and the movement of the farthest corner in the typical view."""
    points_m = np.unique(np.concatenate([view.points_m for view in views]), axis=0)
    plane = np.linalg.lstsq(_plane_terms(points_m), _bow_terms(points_m) @ shape, rcond=None)[0]
    flat = [view.points_m for view in views]
    bent = [points + np.outer(_bow_terms(points) @ shape - _plane_terms(points) @ plane, (0, 0, 1)) for points in flat]
    both = zip(project(fit.kind, fit.lens, fit.poses, flat), project(fit.kind, fit.lens, fit.poses, bent), strict=True)
    moved_px = [np.linalg.norm(b[0] - f[0], axis=1).max() for f, b in both]
    heights_m = _bow_terms(points_m) @ shape - _plane_terms(points_m) @ plane
    return float(np.ptp(heights_m)), float(np.median(moved_px))


def _bow_terms(points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3"]:
    x, y, _ = points_m.T
    return np.column_stack([x * x, y * y, x * y])


def _plane_terms(points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3"]:
    return np.column_stack([points_m[:, :2], np.ones(len(points_m))])
