"""From pictures of a board to a rig file and its report: the order of the steps; `calib` does each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np

from calib.board import Board
from calib.camera import Camera
from calib.floor import FloorBoard
from calib.formats import read_lenses, write_rig
from calib.intrinsics import Intrinsics, calibrate_intrinsics
from calib.report import CameraReport, PairReport, ReportData, ScaleReport, ViewReport, as_json, write_report
from calib.rig import Quality, Rig
from calib.scale import Cue, Tape
from calib.stereo import RigResult, calibrate_rig
from calib.verdict import Reason, Verdict
from engine.errors import UserError
from realtime.board_pictures import Looked, cameras_in, find_floor, look_for_boards
from realtime.board_take import look_in_take, shared_moments
from realtime.progress import Step
from realtime.takes.replay import is_take
from realtime.takes.take import open_take


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A rig with its verdict, and what was written."""

    rig: Rig
    verdict: Verdict
    report: ReportData
    written: list[Path]

    def lines(self) -> list[str]:
        """For a terminal."""
        verdict = self.verdict.light.upper()
        lines = [f"{verdict}: {_meaning(self.verdict)}", *(f"- {text}" for text in self.verdict.texts())]
        for camera in self.report.cameras:
            K, rms_px = camera.camera.K, camera.rms_px
            fit = "given" if rms_px is None else f"rms {rms_px:.2f} px over {len(camera.used)} views"
            lines.append(f"{camera.name}: f {K[0, 0]:.1f} {K[1, 1]:.1f} px, c {K[0, 2]:.1f} {K[1, 2]:.1f}, {fit}")
        for a, b in combinations(self.rig.cameras, 2):
            lines.append(f"{a} - {b}: {self.rig.baseline_m(a, b):.3f} m apart")
        return lines

    def summary(self) -> dict[str, object]:
        """For `--json`."""
        return as_json(self.report)


def calibrate(
    place: Path,
    board: Board,
    out: Path,
    *,
    intrinsics: Path | None = None,
    tape_m: float | None = None,
    floor: str | None = None,
    step: Step,
) -> Calibrated:
    """Calibrates the cameras whose pictures lie in `place`; writes rig.toml and the report into `out`.

    `floor` names the picture, or the second of videos, in which the board lies on the floor; see `find_floor`.
    UserError where the pictures cannot carry a result at all; where they carry a poor one the verdict says so.
    """
    looked, lying = _looked(place, board, tape_m=tape_m, floor=floor, step=step)
    _refuse_blind(looked, board)
    given = _given(intrinsics, looked)
    lenses = {} if given else {one.name: _lens(one, board) for one in looked}
    cameras = given or {name: lens.camera for name, lens in lenses.items()}
    verdict = _lens_verdict(lenses)
    result: RigResult | None = None
    if len(looked) > 1:
        cues: list[Cue] = [] if tape_m is None else [Tape(tape_m)]
        views = {one.name: one.detections for one in looked}
        ground = None if lying is None else FloorBoard(lying)
        result = calibrate_rig(views, board, cameras, cues=cues, floor=ground)
        verdict = verdict.with_reasons(result.verdict.reasons)
    rig = result.rig if result else Rig(cameras)
    rig = replace(rig, quality=_quality(rig.quality, verdict, looked, lenses))
    report = _report(place, rig, verdict, looked, lenses, result)
    out.mkdir(parents=True, exist_ok=True)
    written = [write_rig(out / "rig.toml", rig), *write_report(out, report)]
    return Calibrated(rig, verdict, report, written)


def _meaning(verdict: Verdict) -> str:
    return {
        "green": "use it",
        "yellow": "usable, with this in mind:",
        "red": "do not use it:",
    }[verdict.light]


def _looked(
    place: Path, board: Board, *, tape_m: float | None, floor: str | None, step: Step
) -> tuple[list[Looked], int | None]:
    """What the cameras of a folder or a take saw, and the moment in which the board lies on the floor."""
    if is_take(str(place)):
        take = open_take(place)
        _refuse_needless(take.cameras, tape_m=tape_m, floor=floor)
        times_s, lying = shared_moments(take, floor)
        return look_in_take(take, board, times_s, step=step), lying
    places = cameras_in(place)
    _refuse_needless(places, tape_m=tape_m, floor=floor)
    frame = find_floor(places, floor) if len(places) > 1 else None
    looked = look_for_boards(places, board, also=frame, step=step)
    return looked, None if frame is None else looked[0].frames.index(frame)


def _refuse_needless(places: Mapping[str, object], *, tape_m: float | None, floor: str | None) -> None:
    """What says how cameras stand to each other, or in the world, says nothing about one lens."""
    given = [name for name, value in (("--tape", tape_m), ("--floor", floor)) if value is not None]
    if given and len(places) < 2:
        raise UserError(f"{' and '.join(given)}: there is one camera only, {', '.join(places)}; leave it out")


def _refuse_blind(looked: Sequence[Looked], board: Board) -> None:
    for one in looked:
        if not one.found:
            why = one.commonest_absence or "there are no pictures"
            raise UserError(f"{one.name}: no {board.size_text} board in {len(one.moments)} pictures; {why}")


def _given(path: Path | None, looked: Sequence[Looked]) -> dict[str, Camera]:
    """The lenses of a file, by name where names agree, else in order."""
    if path is None:
        return {}
    cameras = read_lenses(path)
    names = [one.name for one in looked]
    if all(name in cameras for name in names):
        return {name: cameras[name] for name in names}
    if len(cameras) != len(names):
        raise UserError(f"{path} has cameras {', '.join(cameras)}, the pictures are of {', '.join(names)}")
    return dict(zip(names, cameras.values(), strict=True))


def _lens(one: Looked, board: Board) -> Intrinsics:
    try:
        return calibrate_intrinsics(one.found, board)
    except Exception as error:
        error.args = (f"{one.name}: {error}",)
        raise


def _lens_verdict(lenses: Mapping[str, Intrinsics]) -> Verdict:
    return Verdict(
        tuple(
            Reason(reason.light, f"{name}: {reason.text}")
            for name, lens in lenses.items()
            for reason in lens.verdict.reasons
        )
    )


def _quality(
    quality: Quality | None, verdict: Verdict, looked: Sequence[Looked], lenses: Mapping[str, Intrinsics]
) -> Quality:
    if quality is not None:
        return replace(quality, verdict=verdict.light, reasons=tuple(verdict.texts()))
    rms_px = lenses[looked[0].name].rms_px if lenses else None
    return Quality(verdict.light, tuple(verdict.texts()), made_from="board", metric=True, rms_px=rms_px)


def _report(
    place: Path,
    rig: Rig,
    verdict: Verdict,
    looked: Sequence[Looked],
    lenses: Mapping[str, Intrinsics],
    result: RigResult | None,
) -> ReportData:
    cameras = tuple(_camera_report(one, rig.cameras[one.name], lenses.get(one.name)) for one in looked)
    notes = [f"{one.name}: the board was found in {len(one.found)} of {len(one.moments)} pictures" for one in looked]
    notes += [f"{one.name}: where it was not, {one.commonest_absence}" for one in looked if one.absences]
    return ReportData(
        title=f"Calibration of {place.name}",
        verdict=verdict,
        cameras=cameras,
        rig=rig if result else None,
        pairs=_pairs(result) if result else (),
        scales=_scales(result) if result else (),
        notes=tuple(notes),
        made_at=date.today().isoformat(),
    )


def _camera_report(one: Looked, camera: Camera, lens: Intrinsics | None) -> CameraReport:
    if lens is None:
        return CameraReport(one.name, camera)
    moments = [moment for moment, seen in zip(one.moments, one.detections, strict=True) if seen is not None]
    views = []
    for at, ids, residuals_px in zip(lens.used, lens.corner_ids, lens.residuals_px, strict=True):
        seen = one.found[at]
        corners_px = seen.px[np.searchsorted(seen.ids, ids)]
        views.append(ViewReport(moments[at], corners_px, residuals_px))
    sigma = {name: getattr(lens.sigma, name) for name in ("fx_px", "fy_px", "cx_px", "cy_px")}
    return CameraReport(one.name, camera, tuple(views), sigma, lens.verdict)


def _pairs(result: RigResult) -> tuple[PairReport, ...]:
    figures = result.figures
    return tuple(
        PairReport(
            a,
            b,
            views=figures.views_used,
            rms_px=figures.rms_px,
            rotation_sigma_deg=figures.rotation_sigma_deg,
            baseline_sigma_m=figures.baseline_sigma * result.rig.baseline_m(a, b),
        )
        for a, b in combinations(result.rig.cameras, 2)
    )


def _scales(result: RigResult) -> tuple[ScaleReport, ...]:
    return tuple(
        ScaleReport(reading.name, reading.says_m, reading.rig_m, reading.sigma * reading.rig_m)
        for reading in result.scale.readings
    )
