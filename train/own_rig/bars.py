"""Errors joint by joint, before and after (the paper's Figure 13, twice)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.skeleton import CORE, ROOT, skeleton_of
from train.evaluate_takes import TakeFigures
from train.pose_errors import mean_mm


def plot_joints(before: Sequence[TakeFigures], after: Sequence[TakeFigures], path: Path) -> Path:
    """A row of bars for agreement, one more for the error where it is known; takes are averaged by their frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in ("agreement", "error") if any(f.kind == kind for f in before)]
    figure, rows = pyplot.subplots(
        len(kinds), 1, figsize=(9, 3.2 * len(kinds)), layout="constrained", sharex=True, squeeze=False
    )
    count = max(len(f.per_joint_mm) for f in (*before, *after))
    names = skeleton_of(count).names
    joints = [j for j in range(count) if j != ROOT]
    places = np.arange(len(joints))
    for axes, kind in zip(rows[:, 0], kinds, strict=True):
        for side, (when, figures) in enumerate((("before", before), ("after", after))):
            of_kind = [f for f in figures if f.kind == kind]
            mm = _mean_per_joint(of_kind, count)
            core = np.delete(mm[CORE], ROOT)
            axes.bar(places + 0.4 * (side - 0.5), mm[joints], 0.4, label=f"{when}, mean {mean_mm(core[None]):.0f} mm")
        axes.set_ylabel(f"{kind}, mm")
        axes.grid(axis="y", alpha=0.3)
        axes.legend(frameon=False)
    rows[-1, 0].set_xticks(places, [names[j].replace("_", " ") for j in joints], rotation=45, ha="right")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _mean_per_joint(figures: Sequence[TakeFigures], count: int) -> np.ndarray:
    """NaN where no take knows a joint."""
    values = np.full((len(figures), count), np.nan)
    for row, f in zip(values, figures, strict=True):
        row[: len(f.per_joint_mm)] = f.per_joint_mm
    weights = np.array([f.frames for f in figures], float)[:, None] * np.isfinite(values)
    total = weights.sum(axis=0)
    mean = (np.nan_to_num(values) * weights).sum(axis=0) / np.maximum(total, 1e-9)
    return np.where(total > 0, mean, np.nan)
