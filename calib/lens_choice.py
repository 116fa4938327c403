"""Which lens model the pictures can carry: cross-validation over views, and views or corners that do not belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.lens_fit import BoardView, LensFit, fit_lens, fit_model, fit_poses, start_poses
from calib.lens_models import LensModel, reaches_corners

FOLDS = 5
# times the median of the views' RMS, round by round; the first lens comes from the best views alone
BAD_VIEW = (5.0, 2.5, 2.5)
BAD_VIEWS_MAX = 0.2  # of the views
BAD_CORNER = 5.0  # robust deviations; one in two million where errors are normal
BAD_CORNERS_MAX = 0.02  # of the corners; more means that the error is not a few bad corners
NOTHING = 1e-5  # of the picture's diagonal: errors below it are no reason to drop anything
MAD_TO_SIGMA = 1.4826
VIEWS_PER_FREE = 0.7  # views for each free number of a model: 3 for the simplest, 9 for the richest
HOPELESS = 1.3  # times the lowest noise of its kind: such a model is not cross-validated
FISHEYE_GAIN = 0.9  # a fisheye must be better than the best simpler pinhole by this factor
WIDE_RAD = 1.4  # 80 degrees, of a fisheye's field; below it pinhole models lack nothing
HELD_OUT_CONVERGED = 1e-7


@dataclass(frozen=True)
class ModelScore:
    """How one model does on views that it was not fitted to."""

    model: LensModel
    fit: LensFit  # to all views
    held_out: Float64[ndarray, "views"]  # mean squared distance, px^2, poses fitted anew

    @property
    def held_out_rms_px(self) -> float:
        """Over all views when each was left out once."""
        return float(np.sqrt(self.held_out.mean()))


@dataclass(frozen=True)
class Cleaned:
    """Views and corners that are left, and what was taken out."""

    views: tuple[BoardView, ...]
    fit: LensFit
    kept: tuple[int, ...]  # positions among the views given
    bad_views: dict[int, float]  # position -> RMS in px
    bad_corners: int
    still_bad: int  # views that deviate as much but lie beyond the limit


def score_models(
    views: Sequence[BoardView], models: Sequence[LensModel], starts: dict[str, LensFit], size_px: tuple[int, int]
) -> list[ModelScore]:
    """Models that are possible, fitted to all views and cross-validated; `starts` holds a fit per kind of lens."""
    enough = [model for model in models if len(views) >= VIEWS_PER_FREE * len(model.free)]
    fits = [(model, fit_model(views, model, starts[model.kind])) for model in enough]
    # a lens whose distortion turns back within the picture is of no use there, however well it fits
    whole = [(model, fit) for model, fit in fits if reaches_corners(model.kind, fit.lens, size_px)]
    scores = []
    for kind in ("pinhole", "fisheye"):
        own = [(m, f, noise_variance(f, len(m.free))) for m, f in whole if m.kind == kind]
        own = own or [(m, f, noise_variance(f, len(m.free))) for m, f in fits if m.kind == kind]
        hopeless = HOPELESS**2 * min((noise for _, _, noise in own), default=0.0)
        scores += [ModelScore(m, f, _held_out(views, m, f)) for m, f, noise in own if noise <= hopeless]
    return sorted(scores, key=lambda score: models.index(score.model))


def noise_variance(fit: LensFit, free: int) -> float:
    """Variance of one coordinate of a corner, px^2, with the numbers that were fitted taken off."""
    residuals = np.concatenate(fit.residuals_px)
    degrees = max(residuals.size - 6 * len(fit.residuals_px) - free, 1)
    return float(np.square(residuals).sum() / degrees)


def simplest(scores: Sequence[ModelScore]) -> ModelScore:
    """The first model that is within noise of the best: one standard error of the paired difference.

    Breiman and others, Classification and Regression Trees (1984): the one-standard-error rule.
    """
    best = min(scores, key=lambda score: score.held_out_rms_px)
    for k, score in enumerate(scores):
        worse = score.held_out - best.held_out
        noise = worse.std(ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else 0.0
        if worse.mean() <= noise and not _needless_fisheye(score, scores[:k]):
            return score
    return best


def wide(score: ModelScore, size_px: tuple[int, int]) -> bool:
    """Whether the longer side of the picture spans so much that a fisheye lens is likely."""
    return max(size_px) / float(score.fit.lens[0]) > WIDE_RAD


def _needless_fisheye(score: ModelScore, simpler: Sequence[ModelScore]) -> bool:
    # a fisheye model also fits an ordinary lens; other programs expect a pinhole there
    pinholes = [s.held_out_rms_px for s in simpler if s.model.kind == "pinhole"]
    return score.model.kind == "fisheye" and bool(pinholes) and score.held_out_rms_px > FISHEYE_GAIN * min(pinholes)


def _held_out(views: Sequence[BoardView], model: LensModel, fit: LensFit) -> Float64[ndarray, "views"]:
    folds = min(FOLDS, len(views))
    squares = np.zeros(len(views))
    for fold in range(folds):
        out = np.arange(fold, len(views), folds)
        rest = np.setdiff1d(np.arange(len(views)), out)
        known = fit_lens(
            [views[int(k)] for k in rest],
            model.kind,
            fit.lens,
            fit.poses[rest],
            model.columns,
            converged=HELD_OUT_CONVERGED,
        )
        unseen = [views[int(k)] for k in out]
        squares[out] = fit_poses(unseen, model.kind, known.lens, fit.poses[out]).squares
    return squares


def clean(views: Sequence[BoardView], model: LensModel, start: LensFit, diagonal_px: float) -> Cleaned:
    """Drops views, then corners, that do not fit the others; never more than the stated shares."""
    limit, corner_limit = int(len(views) * BAD_VIEWS_MAX), int(sum(len(v.ids) for v in views) * BAD_CORNERS_MAX)
    trusted = sorted(np.argsort(start.squares, kind="stable")[: len(views) - limit].tolist())
    lens = fit_model([views[k] for k in trusted], model, replace(start, poses=start.poses[trusted])).lens
    fit = fit_poses(views, model.kind, lens, start_poses(views, model.kind, lens, start.poses))
    current, kept, bad_views, bad_corners = list(views), list(range(len(views))), {}, 0
    for times in BAD_VIEW:
        worst = _bad_views(fit, times, diagonal_px)[: limit - len(bad_views)]
        bad_views |= {kept[k]: float(np.sqrt(fit.squares[k])) for k in worst}
        stay = [k for k in range(len(kept)) if k not in worst]
        current, corners = _without_bad_corners(
            [current[k] for k in stay], [fit.residuals_px[k] for k in stay], corner_limit - bad_corners, diagonal_px
        )
        bad_corners += corners
        kept = [kept[k] for k in stay]
        fit = fit_lens(current, model.kind, fit.lens, fit.poses[stay], model.columns)
    still_bad = len(_bad_views(fit, BAD_VIEW[-1], diagonal_px))
    return Cleaned(tuple(current), fit, tuple(kept), bad_views, bad_corners, still_bad)


def _bad_views(fit: LensFit, times: float, diagonal_px: float) -> list[int]:
    # by the better nine tenths of the corners: a single wrong corner does not condemn its view
    rms = np.array([_trimmed_rms_px(residual) for residual in fit.residuals_px])
    bad = np.flatnonzero(rms > max(times * np.median(rms), NOTHING * diagonal_px)).tolist()
    return sorted(bad, key=lambda k: -rms[k])


def _trimmed_rms_px(residual_px: Float64[ndarray, "n 2"]) -> float:
    squares = np.sort(np.square(residual_px).sum(axis=1))
    return float(np.sqrt(squares[: -(-len(squares) * 9 // 10)].mean()))


def _without_bad_corners(
    views: list[BoardView], residuals_px: list[ndarray], limit: int, diagonal_px: float
) -> tuple[list[BoardView], int]:
    distance = np.concatenate([np.abs(r).max(axis=1) for r in residuals_px])
    sigma = MAD_TO_SIGMA * np.median(np.abs(np.concatenate(residuals_px)))
    threshold = max(BAD_CORNER * sigma, NOTHING * diagonal_px)
    if (distance > threshold).sum() > limit:
        return views, 0
    left, dropped = [], 0
    for view, residual in zip(views, residuals_px, strict=True):
        good = np.abs(residual).max(axis=1) <= threshold
        dropped += int((~good).sum())
        left.append(view.only(good))
    return left, dropped
