"""Errors of 3D poses against labels of which some joints are not known, plain and after the best alignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.skeleton import ROOT, skeleton_of
from train.metrics import best_scale, best_similarity


@dataclass(frozen=True, slots=True)
class PoseErrors:
    """Distances in mm, NaN where a joint is not known; where roots are moved together the root does not count."""

    mpjpe: Float64[ndarray, "n joints"]  # roots moved together
    n_mpjpe: Float64[ndarray, "n joints"]  # and the best scale of each pose (Rhodin et al., CVPR 2018)
    p_mpjpe: Float64[ndarray, "n joints"]  # the best similarity of each pose (Procrustes; Umeyama 1991)


def pose_errors(
    predicted_m: Float64[ndarray, "n joints 3"],
    true_m: Float64[ndarray, "n joints 3"],
    known: Bool[ndarray, "n joints"],
) -> PoseErrors:
    """Poses whose root is not known have no MPJPE; those with fewer than four known joints no P-MPJPE."""
    a, b = predicted_m - predicted_m[:, [ROOT]], true_m - true_m[:, [ROOT]]
    counts = known & known[:, [ROOT]]
    counts[:, ROOT] = False
    enough = known & (known.sum(axis=1) >= 4)[:, None]
    return PoseErrors(
        _apart_mm(a, b, counts),
        _apart_mm(best_scale(a, b, counts.astype(np.float64)), b, counts),
        _apart_mm(best_similarity(predicted_m, true_m, enough.astype(np.float64)), true_m, enough),
    )


def mean_mm(errors: Float64[ndarray, "n joints"]) -> float:
    """Over all known joints of all poses; NaN without any."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _apart_mm(a: ndarray, b: ndarray, counts: ndarray) -> Float64[ndarray, "n joints"]:
    return np.where(counts, 1000 * np.linalg.norm(a - b, axis=-1), np.nan)


@dataclass(frozen=True, slots=True)
class BoneFigures:
    """What needs no labels: how steady bones are, and how alike left and right ones."""

    spread: float  # mean over bones of standard deviation over mean of the length, each pose scaled to one size
    asymmetry: float  # mean over bones and poses of |left - right| over their mean


def bone_figures(poses_m: Float64[ndarray, "n joints 3"]) -> BoneFigures:
    """Of one person's poses; NaN without any."""
    if not len(poses_m):
        return BoneFigures(float("nan"), float("nan"))
    skeleton = skeleton_of(poses_m.shape[1])
    child, parent = np.array(skeleton.bones).T
    lengths = np.linalg.norm(poses_m[:, child] - poses_m[:, parent], axis=-1)
    lengths = lengths / np.maximum(lengths.sum(axis=1, keepdims=True), 1e-9)
    spread = float((lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-9)).mean())
    at = {frozenset(bone): i for i, bone in enumerate(skeleton.bones)}
    mirror = skeleton.mirror.tolist()
    mirrored = np.array([at[frozenset((mirror[c], mirror[p]))] for c, p in skeleton.bones])
    sided = mirrored > np.arange(len(mirrored))
    left, right = lengths[:, sided], lengths[:, mirrored[sided]]
    return BoneFigures(spread, float((np.abs(left - right) / np.maximum((left + right) / 2, 1e-9)).mean()))
