"""A rig from a person who walks before two cameras: clocks, places, metres, floor, labels, and what speaks against it.

The order: clocks from the motion (`sync`), joints at common moments (`moments`), the pose from all pairs
(`epipolar_pose`) with the detector's habits (`habits`) and the body's proportions (`bone_prior`), 3D labels (`labels`),
from them the metre (`people_scale`) and the floor (`people_floor`); then `degeneracy`, `people_suspects` and
`focal_test` look for what a small residual hides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib import degeneracy
from calib import floor as floors
from calib.bone_prior import height_of, with_bones
from calib.camera import Camera, inverted, rigid
from calib.degeneracy import Shape, shape_of
from calib.epipolar import Relative
from calib.epipolar_fit import robust_cost
from calib.epipolar_pose import Pose, find_pose, pairs_of, refined_pose
from calib.errors import UserError
from calib.focal_bones import WORTH_SAYING as FOCAL_WORTH_SAYING
from calib.focal_bones import focal_by_bones
from calib.focal_test import FocalWish, focal_wish
from calib.habits import with_habits
from calib.joint_track import Body, Track
from calib.labels import Labels, fit_labels
from calib.moments import at_times
from calib.people_floor import ground_of, standing_feet
from calib.people_scale import Cues
from calib.people_suspects import Seen, same_pictures, suspects
from calib.rig import Clock, Quality, Rig
from calib.scale import Scale
from calib.sync import ClockFit, camera_time_s, fit_clock
from calib.verdict import Reason, Verdict

FRAMES = (100, 20)  # with a person in both views: yellow below, refused below
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PeopleRig:
    """A rig from people, and how far it may be trusted. Sigmas: see `Pose`."""

    rig: Rig
    verdict: Verdict
    pose: Pose
    shape: Shape
    clock: ClockFit
    scale: Scale
    focal: FocalWish
    labels: Labels  # in the rig's world, at the first camera's frames
    frames: int  # in which both saw the person


def calibrate_people(
    tracks: Mapping[str, Track], cameras: Mapping[str, Camera], body: Body, *, cues: Cues | None = None
) -> PeopleRig:
    """The rig of two cameras whose lenses are known, or assumed, from one person's joints in both.

    UserError where there is no answer at all; what is doubtful is said in the verdict.
    """
    names = _names(tracks, cameras, body)
    lenses = (cameras[names[0]], cameras[names[1]])
    clock = fit_clock(tracks[names[0]], tracks[names[1]], lenses)
    seen = Seen(names, at_common_times(tracks[names[0]], tracks[names[1]], clock.clock), lenses)
    if same_pictures(seen):
        raise UserError(f"{names[0]} and {names[1]} show the same pictures: take each camera's own recording")
    pose, height = pose_of(seen, body)
    shape, frames = shape_of(pose, body, height), len(np.unique(pose.fit.pairs.frame))
    in_baselines = (
        replace(lenses[0], cam_from_world=np.eye(4)),
        replace(lenses[1], cam_from_world=pose.relative.b_from_a),
    )
    labels = fit_labels(*seen.tracks, in_baselines, body)
    scale, metric, scale_reasons = (cues or Cues()).scale(
        Rig(dict(zip(names, in_baselines, strict=True))), labels.height, labels.bones.tolist()
    )
    ground, placed = _placed(in_baselines, labels, scale.factor, body)
    rig = Rig(dict(zip(names, placed, strict=True)), {names[1]: clock.clock})
    world = moved_labels(labels, ground.world_from_root, scale.factor)
    focal = focal_wish(pose.fit)
    verdict = Verdict(
        (
            *suspects(seen, pose, body),
            *degeneracy.reasons_of(pose, shape),
            *_recording(seen, frames),
            *clock.reasons,
            *_lens_reasons(lenses, names, focal),
            *_common_focal(pose, body, seen, frames),
            *scale_reasons,
            *ground.reasons,
            *floors.world_reasons(rig.cameras, world.points[world.kept], what="the joints"),
        )
    )
    quality = _quality(verdict, pose, scale, metric and not any(lens.assumed for lens in lenses))
    return PeopleRig(replace(rig, quality=quality), verdict, pose, shape, clock, scale, focal, world, frames)


def _names(tracks: Mapping[str, Track], cameras: Mapping[str, Camera], body: Body) -> tuple[str, str]:
    if len(tracks) != 2:
        raise UserError(f"a rig from people takes two cameras at a time, not {len(tracks)}: {', '.join(tracks)}")
    a, b = tracks
    if missing := [name for name in (a, b) if name not in cameras]:
        raise UserError(f"the lens of {', '.join(missing)} is not known; calibrate it, or give its field of view")
    for name in (a, b):
        if tracks[name].px.shape[1] != len(body.names):
            raise ValueError(f"{name} has {tracks[name].px.shape[1]} joints, the body {len(body.names)}")
        count = int(tracks[name].seen.any(1).sum())
        if count < FRAMES[1]:
            raise UserError(f"{name} saw the person in {count} frames only; {FRAMES[1]} are the least, walk for longer")
    return a, b


def at_common_times(a: Track, b: Track, clock: Clock) -> tuple[Track, Track]:
    """Both tracks at the first one's frames; b's clock as given."""
    at_a = at_times(b, camera_time_s(a.time_s, clock))
    return a, replace(at_a, time_s=a.time_s)


def pose_of(seen: Seen, body: Body, *, known: Relative | None = None) -> tuple[Pose, float]:
    """The pose from all there is to know, and the body's height in baselines.

    Where `known`, a pose of before, fits about as well as the best one, it is the one: somebody who stands still leaves
    room for others that lie far away.
    """
    pairs = pairs_of(*seen.tracks, seen.cameras)
    pose = find_pose(pairs)
    if known is not None:
        near = refined_pose(pairs, known)
        cost = robust_cost(near.fit.linear.residuals_px, pairs.weight, pose.fit.width_px)
        pose = near if cost < degeneracy.RIVAL * pose.fit.cost else pose
    height = height_of(pose.relative, pose.fit.pairs, pose.fit.width_px, body)
    if not np.isfinite(height):
        raise UserError("hardly a bone was seen by both cameras; let both see the whole person")
    pose = with_bones(with_habits(pose, body, height), body)
    return pose, height_of(pose.relative, pose.fit.pairs, pose.fit.width_px, body)


def _placed(
    cameras: tuple[Camera, Camera], labels: Labels, factor: float, body: Body
) -> tuple[floors.Ground, list[Camera]]:
    """The ground, and the cameras in a world that stands on it, in metres."""
    centers_m = np.array([camera.center_world_m for camera in cameras]) * factor
    feet_m = standing_feet(labels, body) * factor
    ground = ground_of(feet_m, centers_m, labels.height * factor, body)
    root_from_world = inverted(ground.world_from_root)
    placed = [
        replace(camera, cam_from_world=rigid(camera.R, factor * camera.t) @ root_from_world) for camera in cameras
    ]
    return ground, placed


def moved_labels(labels: Labels, world_from_root: Float64[ndarray, "4 4"], factor: float) -> Labels:
    """Labels in other axes and another unit."""
    R, t = world_from_root[:3, :3], world_from_root[:3, 3]
    return replace(
        labels,
        points=factor * labels.points @ R.T + t,
        raw=factor * labels.raw @ R.T + t,
        covariance=factor**2 * np.einsum("ab,njbc,dc->njad", R, labels.covariance, R),
        bones=factor * labels.bones,
        height=factor * labels.height,
    )


def _recording(seen: Seen, frames: int) -> Iterable[Reason]:
    both = (seen.tracks[0].seen & seen.tracks[1].seen).any(1)
    times_s = seen.tracks[0].time_s[both]
    seconds = float(np.ptp(times_s)) if len(times_s) else 0.0
    if frames < FRAMES[0] or seconds < SECONDS:
        text = f"both cameras saw the person in {frames} frames of {seconds:.0f} s; half a minute of walking is wanted"
        yield Reason("yellow", text)


def _lens_reasons(lenses: tuple[Camera, Camera], names: tuple[str, str], wish: FocalWish) -> Iterable[Reason]:
    if assumed := [name for name, lens in zip(names, lenses, strict=True) if lens.assumed]:
        text = f"not metric, focal not verified: the lens of {', '.join(assumed)} is assumed; calibrate it with a board"
        yield Reason("yellow", text)
    if wish.warns_of_one:
        text = f"the joints want the focal length of {names[1]} {100 * wish.apart:+.0f} % against that of {names[0]}"
        yield Reason("yellow", f"{text}: were focus and zoom those of the lens calibration?")


def _common_focal(pose: Pose, body: Body, seen: Seen, frames: int) -> Iterable[Reason]:
    """Whether both lenses are wrong alike: a short recording does not turn the bones enough to say it."""
    if frames < FRAMES[0] or np.ptp(seen.tracks[0].time_s) < SECONDS:
        return
    wish = focal_by_bones(pose.fit, body)
    if abs(wish) > FOCAL_WORTH_SAYING:
        text = f"bones would keep their length better with both focal lengths {100 * np.expm1(wish):+.0f} %"
        yield Reason("yellow", f"{text}: do the lens files belong to these cameras, in this mode?")


def _quality(verdict: Verdict, pose: Pose, scale: Scale, metric: bool) -> Quality:
    turn, way = pose.sigmas_deg
    return Quality(
        verdict.light,
        tuple(verdict.texts()),
        made_from="people",
        metric=metric,
        rms_px=pose.fit.sigma_px,
        rotation_sigma_deg=turn,
        translation_sigma_deg=way,
        scale_sigma=scale.sigma,
    )
