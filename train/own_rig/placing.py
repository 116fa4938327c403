"""Where a take's two cameras stand and how their clocks lie, and every reason why its joints should not teach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from calib.camera import Camera
from calib.epipolar import Relative, sampson
from calib.epipolar_pose import pairs_of
from calib.errors import UserError as CalibError
from calib.joint_track import Track
from calib.people_rig import at_common_times, calibrate_people, pose_of
from calib.people_scale import Cues
from calib.people_suspects import Seen, suspects
from calib.rig import Clock, Rig
from calib.rig_watch import check_rig
from calib.sync import FAR_S, ClockFit, fit_clock
from calib.verdict import Reason, Verdict
from realtime.take_joints import BODY, CameraJoints, lens_of
from realtime.takes import Take
from train.own_rig.labels import LabelError

Names = tuple[str, str]
Tracks = tuple[Track, Track]
Cameras = tuple[Camera, Camera]

NOMINAL_FOCAL_PX = 950.0
# joints of a known rig, at that focal length: a teacher that is off by 35 mm at 3.3 m misses by 10 px, which gates and
# weights of the labels know how to treat; other people, other moments and exchanged lenses miss by far more
MISS_PX = (10.0, 25.0)
COMPANY = (0.1, 0.3)  # share of looks that saw somebody else: yellow, red
COMPANY_LOOKS = 3  # that saw somebody: fewer may be furniture


@dataclass(frozen=True, slots=True)
class Placed:
    """Two cameras of a take in one world, and what speaks against them."""

    names: tuple[str, str]
    tracks: tuple[Track, Track]  # each on its camera's own clock; all joints that both cameras have
    cameras: tuple[Camera, Camera]
    clock: Clock  # the second camera's: rig time = own + offset + drift * own
    clock_sigma_ms: float | None  # None: not from the motion
    rig: Rig
    verdict: Verdict

    @property
    def metric(self) -> bool:
        """Whether lengths are metres that were measured."""
        return self.rig.quality is not None and self.rig.quality.metric

    @property
    def made_from(self) -> str:
        """How the rig came about."""
        return "unknown" if self.rig.quality is None else self.rig.quality.made_from


def place(take: Take, joints: Mapping[str, CameraJoints], *, stood: bool = False) -> Placed:
    """The take's own rig where it has one that is placed, else one from the person. LabelError where neither is.

    `stood`: it is known already that the cameras stood where the rig has them.
    """
    names = _pair(take)
    tracks = (joints[names[0]].core_track(), joints[names[1]].core_track())
    cameras = (lens_of(take.cameras[names[0]]), lens_of(take.cameras[names[1]]))
    stored = take.rig is not None and all(camera.cam_from_world is not None for camera in cameras)
    try:
        placed = _stored(take, names, tracks, cameras, stood) if stored else _from_people(take, names, tracks, cameras)
    except CalibError as error:
        raise LabelError(f"{take.folder}: {error}") from None
    return replace(placed, tracks=_whole(joints, names), verdict=placed.verdict.with_reasons(_company(joints, names)))


def _whole(joints: Mapping[str, CameraJoints], names: Names) -> Tracks:
    """Tracks of one skeleton: of the smaller one where a teacher knew less in one camera."""
    a, b = joints[names[0]].track(), joints[names[1]].track()
    common = range(min(a.px.shape[1], b.px.shape[1]))
    return a.of(common), b.of(common)


def _pair(take: Take) -> tuple[str, str]:
    if len(take.cameras) < 2:
        raise LabelError(f"{take.folder} has one camera; labels need two: python run.py record --camera 0 --camera 1")
    a, b, *_ = take.cameras
    return a, b


def _from_people(take: Take, names: Names, tracks: Tracks, cameras: Cameras) -> Placed:
    cues = Cues(height_m=take.about.subject_height_m)
    lenses = {name: replace(camera, cam_from_world=None) for name, camera in zip(names, cameras, strict=True)}
    made = calibrate_people(dict(zip(names, tracks, strict=True)), lenses, BODY, cues=cues)
    clock, reasons = _clock(take, made.clock, names)
    others = [reason for reason in made.verdict.reasons if reason not in made.clock.reasons]
    placed = (made.rig.cameras[names[0]], made.rig.cameras[names[1]])
    return Placed(names, tracks, placed, clock, _sigma_ms(made.clock), made.rig, Verdict((*others, *reasons)))


def _stored(take: Take, names: Names, tracks: Tracks, cameras: Cameras, stood: bool) -> Placed:
    assert take.rig is not None
    rig = replace(take.rig, cameras=dict(zip(names, cameras, strict=True)), clocks={})
    known = Relative.of(rig.b_from_a(*names))
    fit = fit_clock(*tracks, cameras, known=known)
    clock, reasons = _clock(take, fit, names)
    seen = Seen(names, at_common_times(*tracks, clock), cameras)
    quality = take.rig.quality
    own = (
        [] if quality is None or quality.verdict != "red" else [Reason("red", f"its rig is red: {quality.reasons[0]}")]
    )
    mixed_up = _mixed_up(seen)
    found = [*own, *reasons, *mixed_up, _fit(seen, known)]
    if not stood and not any(reason.light == "red" for reason in mixed_up):
        found.append(_standing(seen, rig))
    return Placed(names, tracks, cameras, clock, _sigma_ms(fit), rig, Verdict(tuple(found)))


def _mixed_up(seen: Seen) -> list[Reason]:
    """What of the views was exchanged, mirrored or somebody else's."""
    try:
        return list(suspects(seen, pose_of(seen, BODY)[0], BODY))
    except CalibError as error:
        return [Reason("yellow", f"whether the cameras still stand there cannot be told: {error}")]


def _standing(seen: Seen, rig: Rig) -> Reason:
    """Whether the cameras stand where the stored rig has them."""
    tracks = dict(zip(seen.names, (seen.tracks[0], seen.tracks[1]), strict=True))
    try:
        return check_rig(replace(rig, clocks={}), tracks, BODY).reason
    except CalibError as error:
        return Reason("yellow", f"whether the cameras still stand there cannot be told: {error}")


def _fit(seen: Seen, known: Relative) -> Reason:
    pairs = pairs_of(*seen.tracks, seen.cameras)
    if len(pairs) < 100:
        return Reason("red", f"only {len(pairs)} joints were seen by both cameras; let both see the whole person")
    miss_px = 1.4826 * float(np.median(np.abs(sampson(known.E, pairs.a, pairs.b)))) * NOMINAL_FOCAL_PX
    light = "red" if miss_px > MISS_PX[1] else "yellow" if miss_px > MISS_PX[0] else "green"
    advice = "" if light == "green" else "; did both see the same person, and only one, at the same time?"
    return Reason(light, f"joints of both views miss each other by {miss_px:.1f} px at 950 px of focal length{advice}")


def _clock(take: Take, fit: ClockFit, names: tuple[str, str]) -> tuple[Clock, list[Reason]]:
    """The second camera's clock, and what to say: cameras of one computer cannot lie far apart."""
    offset_ms = 1000 * fit.clock.offset_s
    if not take.about.clock.shared:
        if not fit.known:
            return fit.clock, [Reason("red", fit.reasons[0].text)]
        return fit.clock, [Reason("green", f"{names[1]} was synced by the motion: {offset_ms:+.1f} ms")]
    if not fit.known:
        stamps = take.sync.clocks.get(names[1], Clock()) if take.sync is not None else Clock()
        return stamps, list(fit.reasons)
    if abs(fit.clock.offset_s) > FAR_S:
        text = (
            f"{names[1]} is {abs(offset_ms):.0f} ms out of sync with {names[0]} by the motion, though one clock stamped"
        )
        return fit.clock, [Reason("red", f"{text} both; record again, or import the videos as a take without a clock")]
    return fit.clock, list(fit.reasons)


def _sigma_ms(fit: ClockFit) -> float | None:
    return None if fit.sigma_s is None else 1000 * fit.sigma_s


def _company(joints: Mapping[str, CameraJoints], names: tuple[str, str]) -> Iterator[Reason]:
    for name in names:
        share = joints[name].company
        if share > COMPANY[0]:
            text = f"{name} saw a second person in {100 * share:.0f} % of the looks: one person alone should be there"
            often = share > COMPANY[1] and (joints[name].others > 0).sum() >= COMPANY_LOOKS
            yield Reason("red" if often else "yellow", text)
