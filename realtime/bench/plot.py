"""The bench as a picture: times of the engines, ages of the frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from realtime.bench.report import Report

matplotlib.use("Agg")
BLUE, ORANGE, GREY = "#3a7bd5", "#e8871e", "#7a828c"


def plot(report: Report, path: Path) -> Path:
    """Writes a PNG and gives its path back."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _engines(left, report)
    _ages(right, report)
    figure.savefig(path, dpi=130)
    return path


def _engines(axes: Axes, report: Report) -> None:
    rows = [row for row in report.engines if row.refused is None]
    names = [row.name for row in rows]
    medians = [row.p50_ms for row in rows]
    reach = [[0.0] * len(rows), [row.percentile_ms(0.95) - row.p50_ms for row in rows]]
    axes.barh(names, medians, xerr=reach, color=BLUE, ecolor=GREY, height=0.6)
    for place, value in enumerate(medians):
        axes.annotate(f" {value:.1f}", (value, place), xytext=(2, 7), textcoords="offset points", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("ms per person: median, line to the 95th percentile")
    axes.set_title("Engine alone", loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _ages(axes: Axes, report: Report) -> None:
    for number, row in enumerate(report.cameras):
        colour = matplotlib.colormaps["viridis"](number / max(len(report.cameras), 1))
        age_ms = np.sort(row.age_ms)
        label = f"{row.camera_fps:.0f} fps camera" + ("" if row.window == "none" else f", window {row.window}")
        axes.plot(age_ms, np.linspace(0, 100, len(age_ms)), color=colour, label=label)
    axes.axhline(95, color=GREY, linewidth=0.8, linestyle=":")
    if report.cameras:
        axes.axvline(1.2 * report.cameras[0].bound_ms, color=ORANGE, linewidth=1.0, linestyle="--", label="1.2 x bound")
        axes.set_xlim(0, 3 * max(row.bound_ms for row in report.cameras))
    axes.set_xlabel("age of the frame when its pose is there, ms")
    axes.set_ylabel("share of frames, %")
    axes.set_title("Camera to pose", loc="left")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
