"""Errors of 3D poses against labels of which some joints are not known, plain and after the best alignment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.skeleton import BONES, MIRROR, ROOT


@dataclass(frozen=True, slots=True)
class PoseErrors:
    """Distances in mm, NaN where a joint is not known; where roots are moved together the root does not count."""

    mpjpe: Float64[ndarray, "n 16"]  # roots moved together
    n_mpjpe: Float64[ndarray, "n 16"]  # and the best scale of each pose (Rhodin et al., CVPR 2018)
    p_mpjpe: Float64[ndarray, "n 16"]  # the best similarity of each pose (Procrustes; Umeyama 1991)


def pose_errors(
    predicted_m: Float64[ndarray, "n 16 3"], true_m: Float64[ndarray, "n 16 3"], known: Bool[ndarray, "n 16"]
) -> PoseErrors:
    """Poses whose root is not known have no MPJPE; those with fewer than four known joints no P-MPJPE."""
    a, b = predicted_m - predicted_m[:, [ROOT]], true_m - true_m[:, [ROOT]]
    counts = known & known[:, [ROOT]]
    counts[:, ROOT] = False
    w = counts[..., None].astype(np.float64)
    scale = (w * a * b).sum((1, 2)) / np.maximum((w * a * a).sum((1, 2)), 1e-12)
    return PoseErrors(
        _apart_mm(a, b, counts), _apart_mm(a * scale[:, None, None], b, counts), _aligned_mm(predicted_m, true_m, known)
    )


def mean_mm(errors: Float64[ndarray, "n joints"]) -> float:
    """Over all known joints of all poses; NaN without any."""
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _apart_mm(a: ndarray, b: ndarray, counts: ndarray) -> Float64[ndarray, "n 16"]:
    return np.where(counts, 1000 * np.linalg.norm(a - b, axis=-1), np.nan)


def _aligned_mm(predicted: ndarray, true: ndarray, known: ndarray) -> Float64[ndarray, "n 16"]:
    enough = known.sum(axis=1) >= 4
    w = (known & enough[:, None])[..., None].astype(np.float64)
    total = np.maximum(w.sum(axis=1, keepdims=True), 1.0)
    a = predicted - (w * predicted).sum(1, keepdims=True) / total
    b = true - (w * true).sum(1, keepdims=True) / total
    U, S, Vt = np.linalg.svd(np.einsum("nji,njk->nik", w * a, b))
    D = np.ones_like(S)
    D[:, -1] = np.sign(np.linalg.det(U @ Vt))
    R = (U * D[:, None, :]) @ Vt
    scale = (S * D).sum(-1) / np.maximum((w * a**2).sum((1, 2)), 1e-12)
    return _apart_mm(scale[:, None, None] * (a @ R), b, known & enough[:, None])


@dataclass(frozen=True, slots=True)
class BoneFigures:
    """What needs no labels: how steady bones are, and how alike left and right ones."""

    spread: float  # mean over bones of standard deviation over mean of the length, each pose scaled to one size
    asymmetry: float  # mean over bones and poses of |left - right| over their mean


def bone_figures(poses_m: Float64[ndarray, "n 16 3"]) -> BoneFigures:
    """Of one person's poses; NaN without any."""
    if not len(poses_m):
        return BoneFigures(float("nan"), float("nan"))
    child, parent = np.array(BONES).T
    lengths = np.linalg.norm(poses_m[:, child] - poses_m[:, parent], axis=-1)
    lengths = lengths / np.maximum(lengths.sum(axis=1, keepdims=True), 1e-9)
    spread = float((lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-9)).mean())
    at = {frozenset(bone): i for i, bone in enumerate(BONES)}
    mirrored = np.array([at[frozenset((int(MIRROR[c]), int(MIRROR[p])))] for c, p in BONES])
    sided = mirrored > np.arange(len(BONES))
    left, right = lengths[:, sided], lengths[:, mirrored[sided]]
    return BoneFigures(spread, float((np.abs(left - right) / np.maximum((left + right) / 2, 1e-9)).mean()))
