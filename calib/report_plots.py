"""The report's plots as SVG that takes its text colour from the page: matplotlib, loaded only for this."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from calib.predicted import Volume, mm_per_px
from calib.report import CELLS, GRID, CameraReport, ReportData

BLUE, ORANGE, GREY = "#3b82c4", "#e0812b", "#8b949e"
INK, LINE = "#010203", "#010204"  # replaced by the page's colours
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.0,
}
RASTER_DPI = 130
DOTS_DRAWN = 6000
FEWEST_FOR_MEAN = 8
LONGEST_ARROW = 0.06  # of the picture's width, for the 95th percentile of residuals
PLAN_STEPS = 41
HIPS_M = 1.0
CAMERA_COLOURS = ("#3b82c4", "#e0812b", "#2f9e68", "#b5509c", "#8c7ae6", "#c0a020")


def coverage(report: CameraReport) -> str:
    """Where corners were seen; the cells without any are hatched."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _picture(report, "Coverage")
        width, height = report.size_px
        corners = np.concatenate([view.corners_px for view in report.used])
        cells = np.floor((corners + 0.5) / (width, height) * CELLS).astype(int)
        full = {tuple(cell) for cell in cells.tolist()}
        side = np.array([width, height]) / CELLS
        for column, row in np.ndindex(CELLS, CELLS):
            if (column, row) not in full:
                corner = (column * side[0] - 0.5, row * side[1] - 0.5)
                patch = Rectangle(
                    corner, *side, facecolor="none", edgecolor=ORANGE, hatch="///", linewidth=0, alpha=0.8
                )
                axes.add_patch(patch)
        unused = [view.corners_px for view in report.views if not view.used and len(view.corners_px)]
        if unused:
            axes.plot(*_few(np.concatenate(unused)).T, ".", color=GREY, markersize=2, alpha=0.6, rasterized=True)
        axes.plot(*_few(corners).T, ".", color=BLUE, markersize=3, alpha=0.7, rasterized=True)
        return _svg(figure, f"coverage of the picture of camera {report.name} by corners")


def residual_field(report: CameraReport) -> str:
    """Each corner's residual as an arrow, longer than it is; thick ones are means: noise has none, a wrong lens has."""
    corners = np.concatenate([view.corners_px for view in report.used])
    residuals = np.concatenate([view.residuals_px for view in report.used])
    typical = float(np.percentile(np.linalg.norm(residuals, axis=1), 95))
    factor = float(f"{LONGEST_ARROW * report.size_px[0] / max(typical, 1e-6):.1g}")
    with matplotlib.rc_context(STYLE):
        figure, axes = _picture(report, f"Residuals, {factor:g} times as long; thick: means")
        style: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1 / factor}
        fine = {"width": 0.002, "headwidth": 4, "headlength": 5, "alpha": 0.55, "rasterized": True}
        axes.quiver(*_few(corners).T, *_few(residuals).T, color=BLUE, **style, **fine)
        places, means = _cell_means(corners, residuals, report.size_px)
        if len(places):
            axes.quiver(*places.T, *means.T, color=ORANGE, width=0.007, **style)
        return _svg(figure, f"residuals of camera {report.name} over the picture")


def _cell_means(corners: np.ndarray, residuals: np.ndarray, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean place and mean residual of each cell with enough corners to have one."""
    cells = np.floor((corners + 0.5) / size_px * CELLS).astype(int) @ (1, 100)
    found = [cells == cell for cell in np.unique(cells)]
    found = [chosen for chosen in found if chosen.sum() >= FEWEST_FOR_MEAN]
    rows = [(corners[chosen].mean(axis=0), residuals[chosen].mean(axis=0)) for chosen in found]
    places, means = (np.array([row[k] for row in rows]).reshape(-1, 2) for k in (0, 1))
    return places, means


def per_view(report: CameraReport) -> str:
    """A bar per view; views that were not used are pale."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 2.1), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(report.views))
        heights = np.nan_to_num([view.rms_px for view in report.views])
        colours = [BLUE if view.used else GREY for view in report.views]
        axes.bar(places, heights, color=colours, width=0.75)
        if report.rms_px is not None:
            axes.axhline(report.rms_px, color=ORANGE, linewidth=1.2)
        few = len(places) <= 24
        axes.set_xticks(places if few else places[:: len(places) // 12])
        names = [report.views[int(place)].name[-14:] for place in axes.get_xticks()]
        axes.set_xticklabels(names, rotation=35, ha="right", fontsize=7)
        axes.set_ylabel("RMS, px")
        together = "" if report.rms_px is None else f", line: {report.rms_px:.3f} px together"
        axes.set_title("Per view" + together + ("" if len(report.used) == len(report.views) else ", grey: not used"))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(-0.6, len(places) - 0.4)
        return _svg(figure, f"RMS of each view of camera {report.name}")


def positions(report: ReportData) -> str:
    """The cameras with their fields of view, from above and from the side."""
    depth = depth_axis(report)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.7), layout="constrained")
        above, side = figure.subplots(1, 2)
        _cameras(above, report, (0, 1))
        _cameras(side, report, (depth, 2))
        above.set_title("From above" if report.floor_known else "x and y of the first camera")
        side.set_title("From the side" if report.floor_known else "z is ahead of the first camera")
        if report.floor_known:
            side.axhline(0, color=LINE, linewidth=1.5)
            where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
            side.annotate("floor", (0, 0), xytext=(4, -10), **where)
            above.plot(0, 0, "+", color=INK, markersize=8)
        _metres(above, "x", "y", report.metric)
        _metres(side, "xyz"[depth], "z", report.metric)
        return _svg(figure, "positions of the cameras from above and from the side")


def depth_axis(report: ReportData) -> int:
    """The level axis, x or y, along which the cameras look the most: a view from the side shows it."""
    assert report.rig is not None
    placed = [camera for camera in report.rig.cameras.values() if camera.cam_from_world is not None]
    return int(np.argmax(np.abs([camera.R[2, :2] for camera in placed]).sum(axis=0)))


def volume_map(report: ReportData) -> str | None:
    """Predicted millimetres for one pixel at hip height and on an upright plane; None without a volume."""
    volume, rig, predicted = report.seen_volume, report.rig, report.volume_mm_per_px
    if volume is None or rig is None or predicted is None or not np.isfinite(predicted).any():
        return None
    across = 1 - depth_axis(report)
    planes = [(2, _level_m(volume, predicted)), (across, float(volume.middle_m[across]))]
    maps = [mm_per_px(rig, volume.plane_m(axis, at_m, PLAN_STEPS).reshape(-1, 3)) for axis, at_m in planes]
    top = float(np.nanpercentile(np.concatenate([predicted, *maps]), 95))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.7), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, values, (axis, at_m) in zip(panels, maps, planes, strict=True):
            level, upright = (letter for letter in "xyz" if letter != "xyz"[axis])
            axes.set_title(f"{'xyz'[axis]} = {round(at_m, 1) + 0.0:.1f} m, from {'above' if axis == 2 else 'the side'}")
            _metres(axes, level, upright, report.metric)
            image = _map(axes, values, volume, axis, top)
            if axis == 2:
                label = f"{report.small_unit} for 1 px of noise"
                figure.colorbar(image, ax=panels, label=label, shrink=0.9, extend="max")
        return _svg(figure, "predicted error of a triangulated point for one pixel of noise")


def _level_m(volume: Volume, predicted: np.ndarray) -> float:
    """Hip height where two cameras see that, else the height at which they see the most: a rig on a table."""
    seen = np.isfinite(predicted).reshape(GRID, GRID, GRID).sum(axis=(0, 1))
    heights = np.linspace(volume.low_m[2], volume.high_m[2], GRID)
    hips = int(np.argmin(np.abs(heights - HIPS_M)))
    if seen[hips] >= seen.max() / 2:
        return float(np.clip(HIPS_M, heights[0], heights[-1]))
    return float(heights[np.argmax(seen)])


def _map(axes: Axes, values: np.ndarray, volume: Volume, axis: int, top: float):
    across, up = (other for other in range(3) if other != axis)
    extent = (volume.low_m[across], volume.high_m[across], volume.low_m[up], volume.high_m[up])
    image = np.ma.masked_invalid(values.reshape(PLAN_STEPS, PLAN_STEPS))
    axes.set_facecolor("none")
    drawn = axes.imshow(
        image, extent=extent, origin="lower", cmap="viridis_r", vmin=0, vmax=top, interpolation="nearest"
    )
    axes.set_aspect("equal")
    return drawn


def _cameras(axes: Axes, report: ReportData, plane: tuple[int, int]) -> None:
    assert report.rig is not None
    placed = {name: camera for name, camera in report.rig.cameras.items() if camera.cam_from_world is not None}
    centers = np.array([camera.center_world_m for camera in placed.values()])
    spread = float(np.ptp(centers, axis=0).max()) if len(centers) > 1 else 1.0
    reach = 0.35 * max(spread, 0.2)
    for number, (name, camera) in enumerate(placed.items()):
        colour = CAMERA_COLOURS[number % len(CAMERA_COLOURS)]
        size = np.array([camera.width, camera.height])
        half = size / 2 / (camera.K[0, 0], camera.K[1, 1])
        rim = np.array([[x * half[0], y * half[1], 1.0] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        rim = camera.center_world_m + reach * rim @ camera.R
        for k in range(4):
            corners = np.array([camera.center_world_m, rim[k], rim[(k + 1) % 4]])[:, plane]
            axes.add_patch(Polygon(corners, facecolor=colour, edgecolor=colour, alpha=0.22, linewidth=0.8))
        axes.plot(*camera.center_world_m[list(plane)], "o", color=colour, markersize=5)
        x, y = camera.center_world_m[list(plane)]
        axes.annotate(name, (x, y), xytext=(6, -12 if number % 2 else 5), textcoords="offset points", fontsize=8)
    axes.autoscale_view()
    axes.margins(0.15)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(color=LINE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)


def _metres(axes: Axes, across: str, up: str, metric: bool) -> None:
    unit = "m" if metric else "not metric"
    axes.set_xlabel(f"{across}, {unit}")
    axes.set_ylabel(f"{up}, {unit}")
    axes.spines[["top", "right"]].set_visible(False)


def _picture(report: CameraReport, title: str) -> tuple[Figure, Axes]:
    """Axes that are the camera's picture, y down."""
    width, height = report.size_px
    figure = Figure(figsize=(4.4, 4.4 * min(max(height / width, 0.5), 1.6) + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_title(title)
    axes.tick_params(labelsize=7)
    return figure, axes


def _few(points: np.ndarray) -> np.ndarray:
    return points[:: 1 + len(points) // DOTS_DRAWN]


def _svg(figure: Figure, label: str) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, dpi=RASTER_DPI, metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "var(--ink)").replace(LINE, "var(--line)")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{_escaped(label)}"', 1)


def _escaped(label: str) -> str:
    return label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
