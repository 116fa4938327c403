"""The numbers of the field: PCK, MPJPE and its aligned forms. All take arrays, all treat a missing person as wrong."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.skeleton import LIMB_JOINTS, MIRROR, TORSO


def pck_hits(
    predicted_px: Float64[ndarray, "n 16 2"],
    true_px: Float64[ndarray, "n 16 2"],
    labelled: Bool[ndarray, "n 16"],
    *,
    threshold: float = 0.2,
    joints: tuple[int, ...] = LIMB_JOINTS,
) -> tuple[Bool[ndarray, "n j"], Bool[ndarray, "n j"]]:
    """Which joints lie within `threshold` torso lengths (left shoulder to right hip), and which count at all.

    A prediction of NaN is wrong. People whose torso is not labelled do not count.
    """
    torso = np.linalg.norm(true_px[:, TORSO[0]] - true_px[:, TORSO[1]], axis=-1)
    counts = labelled & labelled[:, TORSO].all(axis=1, keepdims=True) & (torso > 0)[:, None]
    distance = np.linalg.norm(predicted_px - true_px, axis=-1)
    hits = np.nan_to_num(distance, nan=np.inf) <= threshold * torso[:, None]
    chosen = list(joints)
    return (hits & counts)[:, chosen], counts[:, chosen]


def pck(
    predicted_px: Float64[ndarray, "n 16 2"], true_px: Float64[ndarray, "n 16 2"], labelled: Bool[ndarray, "n 16"]
) -> float:
    """PCK@0.2 of the torso over the twelve limb joints; NaN when nothing counts."""
    hits, counts = pck_hits(predicted_px, true_px, labelled)
    return float(hits.sum() / counts.sum()) if counts.any() else float("nan")


def swap_rate(
    predicted_px: Float64[ndarray, "n 16 2"], true_px: Float64[ndarray, "n 16 2"], labelled: Bool[ndarray, "n 16"]
) -> float:
    """Share of limb joints that are wrong and would be right with left and right exchanged."""
    hits, counts = pck_hits(predicted_px, true_px, labelled)
    exchanged, _ = pck_hits(predicted_px[:, MIRROR], true_px, labelled)
    return float((exchanged & ~hits).sum() / counts.sum()) if counts.any() else float("nan")


def mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"], *, root: int) -> float:
    """Mean per-joint position error after moving the roots together, mm."""
    a = predicted_m - predicted_m[:, root : root + 1]
    b = true_m - true_m[:, root : root + 1]
    return float(np.linalg.norm(a - b, axis=-1).mean() * 1000)


def n_mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"], *, root: int) -> float:
    """MPJPE after the best scale of each pose (Rhodin et al., CVPR 2018), mm."""
    a = predicted_m - predicted_m[:, root : root + 1]
    b = true_m - true_m[:, root : root + 1]
    scale = (a * b).sum((1, 2)) / (a * a).sum((1, 2))
    return float(np.linalg.norm(a * scale[:, None, None] - b, axis=-1).mean() * 1000)


def p_mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"]) -> float:
    """MPJPE after the best similarity of each pose (Procrustes; Umeyama 1991), mm."""
    a = predicted_m - predicted_m.mean(axis=1, keepdims=True)
    b = true_m - true_m.mean(axis=1, keepdims=True)
    U, S, Vt = np.linalg.svd(np.einsum("nji,njk->nik", a, b))
    sign = np.sign(np.linalg.det(U @ Vt))
    D = np.ones_like(S)
    D[:, -1] = sign
    R = (U * D[:, None, :]) @ Vt
    scale = (S * D).sum(-1) / (a**2).sum((1, 2))
    return float(np.linalg.norm(scale[:, None, None] * (a @ R) - b, axis=-1).mean() * 1000)
