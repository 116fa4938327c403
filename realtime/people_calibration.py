"""From a take of two cameras to clocks and rig, by the person who walks in it: `calibrate TAKE --from people`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from calib.camera import Camera
from calib.errors import UserError as CalibError
from calib.formats import read_lenses, write_rig
from calib.people_rig import PeopleRig, calibrate_people
from calib.people_scale import Cues
from calib.report import CameraReport, PairReport, ReportData, ScaleReport, write_report
from calib.rig import Rig
from calib.rig_watch import RigCheck, check_rig
from calib.verdict import Verdict
from engine.backends import Engine
from realtime.calibration import Calibrated
from realtime.progress import Step
from realtime.take_joints import BODY, CameraJoints, lens_of, take_joints
from realtime.takes import Sync, Take, TakeError, open_take, write_sync
from realtime.takes.about import NAME as TAKE_FILE

# measured on rendered people with `lite`: docs/calibration-people.md
NOT_IN_SIGMA = (
    "standard deviations hold chance and each joint's habit, not all that a network does wrong: rigs have been off by "
    "five of them; where the cameras themselves matter, use a board"
)


def is_take(place: Path) -> bool:
    """Whether a folder is a take."""
    return (place / TAKE_FILE).is_file()


def calibrate_from_people(
    folder: Path,
    engine: Engine,
    *,
    out: Path | None = None,
    intrinsics: Path | None = None,
    cues: Cues,
    step: Step,
) -> Calibrated:
    """Finds the take's joints, then its rig; writes sync.toml, rig.toml and a report into the take, or into `out`.

    A take that has a rig from a board keeps it: the rig is held against the joints, and only that is said. TakeError
    or UserError where there is no answer at all.
    """
    take = open_take(folder)
    lenses = _lenses(take, intrinsics)
    joints = take_joints(take, engine, lenses=lenses, step=step)
    tracks = {name: joints[name].core_track() for name in lenses}
    if out is None and _has_rig_of_board(take):
        assert take.rig is not None
        return _checked(folder, take.rig, check_rig(take.rig, tracks, BODY))
    if cues.height_m is None:
        cues = replace(cues, height_m=take.about.subject_height_m)
    made = calibrate_people(tracks, lenses, BODY, cues=cues)
    place = out or folder
    place.mkdir(parents=True, exist_ok=True)
    report = _report(folder, made, joints, engine)
    written = [write_rig(place / "rig.toml", made.rig), *write_report(place, report)]
    if out is None and made.clock.sigma_s is not None:
        write_sync(folder, Sync("epipolar", dict(made.rig.clocks), _sigmas_ms(made)))
        written.append(folder / "sync.toml")
    return Calibrated(made.rig, made.verdict, report, written)


def _lenses(take: Take, intrinsics: Path | None) -> dict[str, Camera]:
    """The first two cameras' lenses without places: of the file, the take's own, or assumed."""
    if len(take.cameras) < 2:
        raise TakeError(f"{take.folder} has one camera; a rig needs two: python run.py record --camera 0 --camera 1")
    names = list(take.cameras)[:2]
    if intrinsics is None:
        return {name: replace(lens_of(take.cameras[name]), cam_from_world=None) for name in names}
    given = read_lenses(intrinsics)
    if not set(names) <= set(given):
        if len(given) < len(names):
            raise CalibError(f"{intrinsics} has cameras {', '.join(given)}, the take {', '.join(names)}")
        given = dict(zip(names, given.values(), strict=False))
    lenses = {}
    for name in names:
        try:
            lenses[name] = replace(given[name].scaled_to(*take.cameras[name].size_px), cam_from_world=None)
        except ValueError as error:
            raise CalibError(f"{intrinsics} does not fit {name}: {error}; calibrate in the mode that records") from None
    return lenses


def _has_rig_of_board(take: Take) -> bool:
    rig = take.rig
    if rig is None or any(camera.cam_from_world is None for camera in rig.cameras.values()):
        return False
    return len(rig.cameras) > 1 and (rig.quality is None or rig.quality.made_from != "people")


def _checked(folder: Path, rig: Rig, check: RigCheck) -> Calibrated:
    verdict = Verdict((check.reason,))
    a, b = check.names
    pair = PairReport(a, b, views=0, rms_px=float("nan"), rotation_sigma_deg=check.rotation_sigma_deg)
    report = ReportData(
        title=f"{folder.name} held against its rig",
        verdict=verdict,
        cameras=tuple(CameraReport(name, camera) for name, camera in rig.cameras.items()),
        rig=rig,
        pairs=(pair,),
        notes=("the rig of the take stays as it is",),
    )
    return Calibrated(rig, verdict, report, [])


def _report(folder: Path, made: PeopleRig, joints: dict[str, CameraJoints], engine: Engine) -> ReportData:
    a, b = made.rig.cameras
    turn, _ = made.pose.sigmas_deg
    pair = PairReport(
        a,
        b,
        views=made.frames,
        rms_px=made.pose.fit.sigma_px,
        rotation_sigma_deg=turn,
        baseline_sigma_m=made.scale.sigma * made.rig.baseline_m(a, b),
    )
    notes = [f"joints by {engine.weights_name}: {_seen(joints[name])} in {name}" for name in (a, b)]
    kept = made.labels.kept.mean()
    notes.append(f"{100 * kept:.0f} % of the joints agree well enough between the views to be learned from")
    notes.append(NOT_IN_SIGMA)
    return ReportData(
        title=f"Calibration of {folder.name} from a person",
        verdict=made.verdict,
        cameras=tuple(CameraReport(name, camera) for name, camera in made.rig.cameras.items()),
        rig=made.rig,
        pairs=(pair,),
        scales=tuple(
            ScaleReport(reading.name, reading.says_m, reading.rig_m * made.scale.factor, reading.sigma * reading.says_m)
            for reading in made.scale.readings
        ),
        notes=tuple(notes),
        made_at=date.today().isoformat(),
    )


def _seen(joints: CameraJoints) -> str:
    seen = np.asarray((joints.score > 0).any(axis=1))
    return f"a person in {int(seen.sum())} of {len(seen)} frames"


def _sigmas_ms(made: PeopleRig) -> dict[str, float]:
    assert made.clock.sigma_s is not None
    return dict.fromkeys(made.rig.clocks, 1000 * made.clock.sigma_s)
