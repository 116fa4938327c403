"""What a calibration found, as text, as JSON and as one page that needs nothing beside it.

`ReportData` is plain arrays, so that lens and rig results become one by small adapters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, rotation_angle_deg
from calib.formats.source import make_folder, write_whole
from calib.predicted import Volume, mm_per_px, volume_of
from calib.rig import Rig
from calib.verdict import Light, Verdict

SCHEMA = 1
CELLS = 5  # coverage counts cells of a picture that is cut into 5 x 5
GRID = 11  # points along each side of the volume


@dataclass(frozen=True, slots=True)
class ViewReport:
    """One picture of a board."""

    name: str
    corners_px: Float64[ndarray, "corners 2"]
    residuals_px: Float64[ndarray, "corners 2"]  # found minus predicted
    used: bool = True  # False: dropped as an outlier or not needed

    @property
    def rms_px(self) -> float:
        """Root mean square distance of its corners; NaN without any."""
        return rms(self.residuals_px)


@dataclass(frozen=True)
class CameraReport:
    """One camera and the views that it was calibrated with; none where the lens was given."""

    name: str
    camera: Camera
    views: tuple[ViewReport, ...] = ()
    sigma: Mapping[str, float] = field(default_factory=dict)  # standard deviations by JSON name: fx_px, cx_px, k1, ...
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def light(self) -> Light:
        """The verdict's; a lens that is a guess is never green."""
        return "yellow" if self.camera.assumed and self.verdict.light == "green" else self.verdict.light

    @property
    def word(self) -> str:
        """The light where the lens was judged here, else where it comes from."""
        if self.camera.assumed:
            return "assumed, not calibrated"
        return self.light if self.views or self.verdict.reasons else "given"

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of its picture."""
        return self.camera.width, self.camera.height

    @property
    def used(self) -> tuple[ViewReport, ...]:
        """Views that the result rests on."""
        return tuple(view for view in self.views if view.used)

    @property
    def rms_px(self) -> float | None:
        """Over the corners of used views."""
        return rms(np.concatenate([view.residuals_px for view in self.used])) if self.used else None

    @property
    def coverage(self) -> float | None:
        """Share of the picture's cells with a corner of a used view."""
        if not self.used:
            return None
        corners = np.concatenate([view.corners_px for view in self.used])
        cells = np.floor((corners + 0.5) / self.size_px * CELLS).astype(int)
        inside = ((cells >= 0) & (cells < CELLS)).all(axis=1)
        return len(np.unique(cells[inside], axis=0)) / CELLS**2


@dataclass(frozen=True, slots=True)
class PairReport:
    """Two cameras, as measured with what both saw. Sigmas are standard deviations."""

    a: str
    b: str
    views: int  # seen by both
    rms_px: float
    rotation_sigma_deg: float | None = None
    baseline_sigma_m: float | None = None


@dataclass(frozen=True, slots=True)
class ScaleReport:
    """One cue about lengths: what it should be and what the rig measures."""

    cue: str  # "board distances", "tape between the lenses", "body height"
    expected_m: float
    measured_m: float
    sigma_m: float | None = None

    @property
    def difference(self) -> float:
        """Relative: 0.01 where the rig measures 1 % too long."""
        return self.measured_m / self.expected_m - 1


@dataclass(frozen=True)
class ReportData:
    """All that a report shows. Either part may be missing: a lens alone has no rig, an imported rig no views."""

    title: str
    verdict: Verdict
    cameras: tuple[CameraReport, ...] = ()
    rig: Rig | None = None
    pairs: tuple[PairReport, ...] = ()
    scales: tuple[ScaleReport, ...] = ()
    volume: Volume | None = None  # None: where the cameras look
    notes: tuple[str, ...] = ()  # what was assumed
    made_at: str | None = None  # a date for people

    @property
    def metric(self) -> bool:
        """Whether the rig's lengths are metres."""
        return self.rig is not None and self.rig.quality is not None and self.rig.quality.metric

    @property
    def small_unit(self) -> str:
        """Of a thousandth of the rig's unit."""
        return "mm" if self.metric else "1/1000 of the rig's unit"

    @property
    def floor_known(self) -> bool:
        """False where the world is just the first camera's axes."""
        if self.rig is None:
            return False
        first = next(iter(self.rig.cameras.values()))
        return first.cam_from_world is not None and not np.allclose(first.cam_from_world, np.eye(4))

    @cached_property
    def seen_volume(self) -> Volume | None:
        """The volume of the maps; None without two placed cameras and a floor."""
        if self.rig is None or len(self.rig.cameras) < 2 or not self.floor_known:
            return None
        return self.volume or volume_of(self.rig)

    @cached_property
    def volume_mm_per_px(self) -> Float64[ndarray, "n"] | None:
        """Predicted error on a grid over the volume, mm for 1 px; NaN where fewer than two cameras see."""
        if self.rig is None or self.seen_volume is None:
            return None
        return mm_per_px(self.rig, self.seen_volume.grid_m(GRID))


def rms(residuals_px: Float64[ndarray, "n 2"]) -> float:
    """Root mean square length; NaN without any."""
    return float(np.sqrt((residuals_px**2).sum(axis=1).mean())) if len(residuals_px) else float("nan")


def write_report(folder: str | Path, report: ReportData) -> list[Path]:
    """Writes `report.txt`, `report.json` and `report.html` into the folder and gives their paths back."""
    from calib.report_page import page
    from calib.report_text import text

    folder = Path(folder)
    make_folder(folder)
    contents = {
        "report.txt": text(report),
        "report.json": json.dumps(as_json(report), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
        "report.html": page(report),
    }
    for name, content in contents.items():
        write_whole(folder / name, content)
    return [folder / name for name in contents]


def as_json(report: ReportData) -> dict[str, Any]:
    """For `report.json` and `--json`: units in the names; null where something is not known."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "title": report.title,
        "made_at": report.made_at,
        "verdict": report.verdict.light,
        "reasons": report.verdict.texts(),
        "checks": [{"verdict": reason.light, "text": reason.text} for reason in report.verdict.reasons],
        "notes": list(report.notes),
        "cameras": {camera.name: _camera_json(camera) for camera in report.cameras},
    }
    if report.rig is not None:
        document["rig"] = _rig_json(report)
    return document


def _camera_json(report: CameraReport) -> dict[str, Any]:
    camera = report.camera
    return {
        "verdict": report.light,
        "reasons": report.verdict.texts(),
        "model": camera.model,
        "size_px": list(report.size_px),
        "fx_px": float(camera.K[0, 0]),
        "fy_px": float(camera.K[1, 1]),
        "cx_px": float(camera.K[0, 2]),
        "cy_px": float(camera.K[1, 2]),
        "dist": camera.dist.tolist(),
        "fov_deg": camera.fov_deg,
        "assumed": camera.assumed,
        "sigma": {name: known(value) for name, value in report.sigma.items()},
        "rms_px": known(report.rms_px),
        "views": len(report.views),
        "views_used": len(report.used),
        "coverage": known(report.coverage),
        "per_view": [
            {"name": v.name, "used": v.used, "corners": len(v.corners_px), "rms_px": known(v.rms_px)}
            for v in report.views
        ],
    }


def _rig_json(report: ReportData) -> dict[str, Any]:
    assert report.rig is not None
    placed = {name: camera for name, camera in report.rig.cameras.items() if camera.cam_from_world is not None}
    quality = report.rig.quality
    return {
        "metric": report.metric,
        "made_from": None if quality is None else quality.made_from,
        "rms_px": None if quality is None else known(quality.rms_px),
        "cameras": {name: {"center_m": camera.center_world_m.tolist()} for name, camera in placed.items()},
        "pairs": [{**pair_figures(report.rig, pair)} for pair in report.pairs],
        "scale": [
            {
                "cue": scale.cue,
                "expected_m": scale.expected_m,
                "measured_m": scale.measured_m,
                "sigma_m": known(scale.sigma_m),
                "difference_percent": 100 * scale.difference,
            }
            for scale in report.scales
        ],
        "volume": volume_figures(report),
    }


def pair_figures(rig: Rig, pair: PairReport) -> dict[str, Any]:
    """Everything about a pair, as in the JSON."""
    b_from_a = rig.b_from_a(pair.a, pair.b)
    return {
        "a": pair.a,
        "b": pair.b,
        "views": pair.views,
        "rms_px": known(pair.rms_px),
        "rotation_deg": rotation_angle_deg(b_from_a[:3, :3]),
        "rotation_sigma_deg": known(pair.rotation_sigma_deg),
        "baseline_m": rig.baseline_m(pair.a, pair.b),
        "baseline_sigma_m": known(pair.baseline_sigma_m),
    }


def volume_figures(report: ReportData) -> dict[str, Any] | None:
    """How good triangulation will be: over the points that two cameras see."""
    if report.seen_volume is None or report.volume_mm_per_px is None:
        return None
    seen = report.volume_mm_per_px[np.isfinite(report.volume_mm_per_px)]
    low, middle, high = np.percentile(seen, [5, 50, 95]).tolist() if len(seen) else (None, None, None)
    return {
        "low_m": report.seen_volume.low_m.tolist(),
        "high_m": report.seen_volume.high_m.tolist(),
        "seen_by_two": len(seen) / len(report.volume_mm_per_px),
        "mm_per_px_p05": low,
        "mm_per_px_p50": middle,
        "mm_per_px_p95": high,
    }


def known(value: float | None) -> float | None:
    """The number, or None where it is not finite: JSON has no NaN."""
    return float(value) if value is not None and np.isfinite(value) else None
