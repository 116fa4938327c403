"""The numbers of the field, as their authors define them. All take arrays, all treat a missing person as wrong.

2D: PCK is the paper's Eq. 7 with the torso as d, PCKh (Andriluka et al., CVPR 2014) with the head. 3D: MPJPE is its
Eq. 8 with the roots moved together and nothing turned; what also scales or turns has a name of its own. Its root
counts as a joint, with error 0, as in the paper's Figure 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.skeleton import HEAD_TOP, LIMB_JOINTS, MPII16, PELVIS, THORAX, TORSO, UPPER_NECK, skeleton_of

Alignment = Literal["root", "scale", "similarity"]

# MPII's own evaluation: 60 % of the diagonal of the head's box is the head's length; pelvis and thorax do not count
HEAD_OVER_DIAGONAL = 0.6
PCKH_JOINTS = tuple(j for j in range(len(MPII16)) if j not in (PELVIS, THORAX))
# Mehta et al., 3DV 2017: correct is nearer than 150 mm, and the curve runs in steps of 5 mm
PCK3D_MM = 150.0
AUC3D_MM = np.linspace(0.0, 150.0, 31)
AUC2D_STEPS = 51


def hits_within(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    unit_px: Float64[ndarray, "n"],
    *,
    threshold: float,
    joints: Sequence[int],
) -> tuple[Bool[ndarray, "n j"], Bool[ndarray, "n j"]]:
    """Eq. 7: which joints have d_i / d <= T, and which count at all; d is `unit_px`, NaN or 0 where it is not known.

    A prediction of NaN is wrong. People without their unit do not count.
    """
    counts = labelled & (np.nan_to_num(unit_px) > 0)[:, None]
    distance = np.linalg.norm(predicted_px - true_px, axis=-1)
    hits = np.nan_to_num(distance, nan=np.inf) <= threshold * np.nan_to_num(unit_px)[:, None]
    chosen = list(joints)
    return (hits & counts)[:, chosen], counts[:, chosen]


def torso_px(
    true_px: Float64[ndarray, "n joints 2"], labelled: Bool[ndarray, "n joints"], *, ends: tuple[int, int] = TORSO
) -> Float64[ndarray, "n"]:
    """Left shoulder to right hip, or another pair of joints; NaN where one of them is not labelled."""
    length = np.linalg.norm(true_px[:, ends[0]] - true_px[:, ends[1]], axis=-1)
    return np.where(labelled[:, list(ends)].all(axis=1), length, np.nan)


def head_px(box_xyxy: Float64[ndarray, "n 4"]) -> Float64[ndarray, "n"]:
    """The head's length from its box (x1, y1, x2, y2), as MPII's evaluation takes it: 0.6 of the diagonal."""
    return HEAD_OVER_DIAGONAL * np.linalg.norm(box_xyxy[:, 2:] - box_xyxy[:, :2], axis=-1)


def pck_hits(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    *,
    threshold: float = 0.2,
    joints: tuple[int, ...] = LIMB_JOINTS,
) -> tuple[Bool[ndarray, "n j"], Bool[ndarray, "n j"]]:
    """PCK@threshold of the torso (Eq. 7): hits, and which joints count. People whose torso is not labelled do not."""
    unit_px = torso_px(true_px, labelled)
    return hits_within(predicted_px, true_px, labelled, unit_px, threshold=threshold, joints=joints)


def pckh_hits(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    box_xyxy: Float64[ndarray, "n 4"],
    *,
    threshold: float = 0.5,
) -> tuple[Bool[ndarray, "n 14"], Bool[ndarray, "n 14"]]:
    """PCKh@threshold (Eq. 7 with MPII's head length): hits of `PCKH_JOINTS`. Without a box (NaN) none counts."""
    return hits_within(predicted_px, true_px, labelled, head_px(box_xyxy), threshold=threshold, joints=PCKH_JOINTS)


def pck_of_neck_to_top_hits(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    *,
    threshold: float = 0.5,
) -> tuple[Bool[ndarray, "n 14"], Bool[ndarray, "n 14"]]:
    """Where a data set has no head boxes: as PCKh, but of the distance from upper neck to head top. Not PCKh."""
    unit_px = torso_px(true_px, labelled, ends=(UPPER_NECK, HEAD_TOP))
    return hits_within(predicted_px, true_px, labelled, unit_px, threshold=threshold, joints=PCKH_JOINTS)


def share(hits: Bool[ndarray, "n j"], counts: Bool[ndarray, "n j"]) -> float:
    """Hits over all that counts, every joint of every person alike; NaN when nothing counts."""
    return float(hits.sum() / counts.sum()) if counts.any() else float("nan")


def per_joint(hits: Bool[ndarray, "n j"], counts: Bool[ndarray, "n j"]) -> Float64[ndarray, "j"]:
    """The share of each joint; NaN where it never counts."""
    return np.where(counts.any(0), hits.sum(0) / np.maximum(counts.sum(0), 1), np.nan)


def pck(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
) -> float:
    """PCK@0.2 of the torso over the twelve limb joints; NaN when nothing counts."""
    return share(*pck_hits(predicted_px, true_px, labelled))


def pckh_auc(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    box_xyxy: Float64[ndarray, "n 4"],
) -> float:
    """Area under PCKh over thresholds 0 ... 0.5, as a share of that range (MPII's evaluation)."""
    thresholds = np.linspace(0.0, 0.5, AUC2D_STEPS)
    curve = [share(*pckh_hits(predicted_px, true_px, labelled, box_xyxy, threshold=float(t))) for t in thresholds]
    return float(np.trapezoid(curve, thresholds) / 0.5)


def swap_rate(
    predicted_px: Float64[ndarray, "n joints 2"],
    true_px: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
) -> float:
    """Share of limb joints that are wrong and would be right with left and right exchanged."""
    hits, counts = pck_hits(predicted_px, true_px, labelled)
    exchanged, _ = pck_hits(predicted_px[:, skeleton_of(predicted_px.shape[1]).mirror], true_px, labelled)
    return share(exchanged & ~hits, counts)


def joint_errors_mm(
    predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"], *, root: int, alignment: Alignment
) -> Float64[ndarray, "n j"]:
    """The distances that Eq. 8 averages, mm; NaN for a pose of NaN.

    `root`: MPJPE, both roots moved to the origin. `scale`: N-MPJPE, and the scale of each pose that leaves the least
    sum of squares (Rhodin et al., CVPR 2018, Eq. 7). `similarity`: P-MPJPE, the best rotation, scale and translation
    of each pose (Umeyama 1991); the roots are not moved together again afterwards.
    """
    if alignment == "similarity":
        return _apart_mm(best_similarity(predicted_m, true_m), true_m)
    a = predicted_m - predicted_m[:, root : root + 1]
    b = true_m - true_m[:, root : root + 1]
    return _apart_mm(a if alignment == "root" else best_scale(a, b), b)


def mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"], *, root: int) -> float:
    """Eq. 8: mean per-joint position error after moving the roots together, mm."""
    return float(joint_errors_mm(predicted_m, true_m, root=root, alignment="root").mean())


def n_mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"], *, root: int) -> float:
    """Eq. 8 after the best scale of each pose, mm."""
    return float(joint_errors_mm(predicted_m, true_m, root=root, alignment="scale").mean())


def p_mpjpe_mm(predicted_m: Float64[ndarray, "n j 3"], true_m: Float64[ndarray, "n j 3"]) -> float:
    """Eq. 8 after the best similarity of each pose, mm."""
    return float(joint_errors_mm(predicted_m, true_m, root=0, alignment="similarity").mean())


def pck3d(errors_mm: Float64[ndarray, "n j"], *, threshold_mm: float = PCK3D_MM) -> float:
    """3DPCK: share of joints nearer than 150 mm (Mehta et al., 3DV 2017). NaN is wrong."""
    return float((np.nan_to_num(errors_mm, nan=np.inf) < threshold_mm).mean())


def auc3d(errors_mm: Float64[ndarray, "n j"]) -> float:
    """Mean of 3DPCK over thresholds 0, 5 ... 150 mm (Mehta et al., 3DV 2017)."""
    return float(np.mean([pck3d(errors_mm, threshold_mm=float(t)) for t in AUC3D_MM]))


def by_action(errors_mm: Float64[ndarray, "n j"], actions: Sequence[str]) -> dict[str, float]:
    """The mean of each action's errors, by name; the field's tables then average the actions."""
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(actions):
        rows.setdefault(name, []).append(i)
    return {name: float(errors_mm[rows[name]].mean()) for name in sorted(rows)}


def best_scale(
    a: Float64[ndarray, "n j 3"], b: Float64[ndarray, "n j 3"], weight: Float64[ndarray, "n j"] | None = None
) -> Float64[ndarray, "n j 3"]:
    """Each pose of `a` times the s that leaves the least |s a - b|^2 over its weighted joints."""
    w = np.ones((*a.shape[:2], 1)) if weight is None else weight[..., None]
    scale = (w * a * b).sum((1, 2)) / np.maximum((w * a * a).sum((1, 2)), 1e-12)
    return a * scale[:, None, None]


def best_similarity(
    a: Float64[ndarray, "n j 3"], b: Float64[ndarray, "n j 3"], weight: Float64[ndarray, "n j"] | None = None
) -> Float64[ndarray, "n j 3"]:
    """Each pose of `a` moved onto that of `b`: s R a + t of least squares over its weighted joints, never mirrored."""
    seen = np.asarray(np.isfinite(a).all((1, 2)))
    w = np.ones((*a.shape[:2], 1)) if weight is None else weight[..., None]
    total = np.maximum(w.sum(axis=1, keepdims=True), 1e-12)
    held = np.where(seen[:, None, None], a, 0.0)
    center_b = (w * b).sum(1, keepdims=True) / total
    a0, b0 = held - (w * held).sum(1, keepdims=True) / total, b - center_b
    U, S, Vt = np.linalg.svd(np.einsum("nji,njk->nik", w * a0, b0))
    D = np.ones_like(S)
    D[:, -1] = np.sign(np.linalg.det(U @ Vt))
    R = (U * D[:, None, :]) @ Vt
    scale = (S * D).sum(-1) / np.maximum((w * a0**2).sum((1, 2)), 1e-12)
    return np.where(seen[:, None, None], scale[:, None, None] * (a0 @ R) + center_b, np.nan)


def _apart_mm(a: Float64[ndarray, "n j 3"], b: Float64[ndarray, "n j 3"]) -> Float64[ndarray, "n j"]:
    return np.linalg.norm(a - b, axis=-1) * 1000
