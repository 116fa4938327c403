"""Figures on labelled data, for a terminal and for a JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.skeleton import EXTREMITIES, LIMB_JOINTS, MPII16
from train.calibrate_score import auroc, expected_calibration_error
from train.metrics import (
    PCKH_JOINTS,
    pck_hits,
    pck_of_neck_to_top_hits,
    pckh_auc,
    pckh_hits,
    per_joint,
    share,
    swap_rate,
)

# heading and format of each number that a terminal shows, in this order
COLUMNS = {
    "people": ("people", "{:d}"),
    "found": ("found", "{:d}"),
    "pck_at_0.2": ("PCK@0.2", "{:.3f}"),
    "pckh_at_0.5": ("PCKh@0.5", "{:.3f}"),
    "pck_at_0.5_neck_to_top": ("PCK@0.5 neck-top", "{:.3f}"),
    "pckh_auc": ("PCKh AUC", "{:.3f}"),
    "pck_at_0.2_extremities": ("feet, face, hands", "{:.3f}"),
    "swap_rate": ("swaps", "{:.1%}"),
    "mpjpe_mm": ("MPJPE mm", "{:.1f}"),
    "n_mpjpe_mm": ("N-MPJPE mm", "{:.1f}"),
    "p_mpjpe_mm": ("P-MPJPE mm", "{:.1f}"),
    "mpjpe_17_mm": ("MPJPE of 17", "{:.1f}"),
    "pck3d_at_150mm": ("3DPCK", "{:.3f}"),
    "auc3d": ("AUC", "{:.3f}"),
    "score_ece": ("score ECE", "{:.3f}"),
    "score_auroc": ("score AUROC", "{:.3f}"),
    "presence_auroc": ("presence AUROC", "{:.3f}"),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one list of pictures or frames; numbers by the names of COLUMNS."""

    name: str
    numbers: dict[str, float] = field(default_factory=dict)
    per_joint: dict[str, float] = field(default_factory=dict)  # PCK@0.2 of the twelve limb joints
    tables: dict[str, dict[str, float]] = field(default_factory=dict)  # others, by what they hold

    def summary(self) -> dict[str, object]:
        """For a JSON file."""
        numbers: dict[str, object] = {k: round(v, 4) for k, v in self.numbers.items()}
        if self.per_joint:
            numbers["pck_at_0.2_per_joint"] = {k: round(v, 4) for k, v in self.per_joint.items()}
        return numbers | {name: {k: round(v, 4) for k, v in held.items()} for name, held in self.tables.items()}


def figures_2d(
    name: str,
    predicted: Float64[ndarray, "n joints 2"],
    true: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
) -> Figures:
    """PCK within 0.2 torso lengths, how many were found (not NaN), and how often left and right are exchanged."""
    hits, counts = pck_hits(predicted, true, labelled)
    with np.errstate(invalid="ignore"):
        shares = hits.sum(0) / counts.sum(0)
    numbers = {
        "people": len(predicted),
        "found": int(np.isfinite(predicted).all(axis=(1, 2)).sum()),
        "pck_at_0.2": float(hits.sum() / counts.sum()),
        "swap_rate": swap_rate(predicted, true, labelled),
    }
    if predicted.shape[1] > max(EXTREMITIES) and labelled[:, list(EXTREMITIES)].any():
        numbers["pck_at_0.2_extremities"] = share(*pck_hits(predicted, true, labelled, joints=EXTREMITIES))
    joints = (MPII16.names[j] for j in LIMB_JOINTS)
    return Figures(name, numbers, {j: float(share) for j, share in zip(joints, shares, strict=True)})


def head_figures(
    predicted: Float64[ndarray, "n joints 2"],
    true: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
    box_xyxy: Float64[ndarray, "n 4"],
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """PCKh@0.5, its area and each joint's where there are head boxes (NaN: none); else the fallback under its name."""
    if not np.isfinite(box_xyxy).all(axis=1).any():
        return {"pck_at_0.5_neck_to_top": share(*pck_of_neck_to_top_hits(predicted, true, labelled))}, {}
    hits, counts = pckh_hits(predicted, true, labelled, box_xyxy)
    names = (MPII16.names[j] for j in PCKH_JOINTS)
    numbers = {"pckh_at_0.5": share(hits, counts), "pckh_auc": pckh_auc(predicted, true, labelled, box_xyxy)}
    joints = {n: float(v) for n, v in zip(names, per_joint(hits, counts), strict=True)}
    return numbers, {"pckh_at_0.5_per_joint": joints}


def score_figures(
    score: Float64[ndarray, "n joints"],
    predicted: Float64[ndarray, "n joints 2"],
    true: Float64[ndarray, "n joints 2"],
    labelled: Bool[ndarray, "n joints"],
) -> dict[str, float]:
    """Whether scores are the probabilities that they claim to be, and how well they rank right above wrong."""
    hits, counts = pck_hits(predicted, true, labelled)
    given = score[:, list(LIMB_JOINTS)][counts]
    return {"score_ece": expected_calibration_error(given, hits[counts]), "score_auroc": auroc(given, hits[counts])}


def table(figures: Sequence[Figures]) -> str:
    """The figures for a terminal: a row each, a column for every number that any of them has."""
    columns = [c for c in COLUMNS if any(c in f.numbers for f in figures)]
    rows = [["", *(COLUMNS[c][0] for c in columns)]]
    for f in figures:
        rows.append([f.name, *(COLUMNS[c][1].format(f.numbers[c]) if c in f.numbers else "" for c in columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
