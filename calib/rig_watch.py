"""Whether the cameras still stand where a stored rig says: a check of every new recording, and alarm.

A person's joints give the cameras' relative pose anew. It is held against the stored one by the standard deviations of
both; a little more than that is the detector, a lot is a camera that was moved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib import floor as floors
from calib.camera import Camera, inverted, rigid
from calib.degeneracy import STILL, shape_of
from calib.epipolar import Relative
from calib.errors import UserError
from calib.joint_track import Body, Track
from calib.labels import fit_labels
from calib.people_floor import standing_feet
from calib.people_rig import at_common_times, pose_of
from calib.people_suspects import Seen
from calib.rig import Clock, Rig
from calib.sync import ClockFit, fit_clock
from calib.verdict import Reason

MOVED_DEG = 1.0  # smaller is nobody's concern
SIGMAS = 3.0
SIGMA_MAX_DEG = 3.0  # a pose less sure than this says nothing about a move
APART_DEG = 1.0  # what speaks for one camera must be clearer by this much than what speaks for the other


@dataclass(frozen=True, slots=True)
class RigCheck:
    """How far two cameras are from where the rig has them."""

    names: tuple[str, str]
    rotation_deg: float
    direction_deg: float  # of the baseline, seen from the camera for which it changed less
    rotation_sigma_deg: float  # of the pose as it is now
    direction_sigma_deg: float
    moved: str | None  # which camera, where the floor says; both names where it does not; None: none did
    told: bool  # False: the recording is too poor to say
    relative: Relative  # the pose as it is now
    clock: ClockFit

    @property
    def angle_deg(self) -> float:
        """The larger of both."""
        return max(self.rotation_deg, self.direction_deg)

    @property
    def reason(self) -> Reason:
        """For the verdict of a recording."""
        if not self.told:
            return Reason("yellow", "whether a camera was moved cannot be told: the person moved too little")
        if self.moved is None:
            return Reason("green", f"the cameras stand where the rig has them, to {self.angle_deg:.1f} degrees")
        return Reason("red", f"camera {self.moved} moved: {self.angle_deg:.1f} degrees; calibrate again")


def check_rig(rig: Rig, tracks: Mapping[str, Track], body: Body) -> RigCheck:
    """Two of the rig's cameras against a new recording of a person. UserError where there is no answer at all."""
    if len(tracks) != 2 or not set(tracks) <= set(rig.cameras):
        raise UserError(f"a check needs two of the cameras {', '.join(rig.cameras)}, not {', '.join(tracks)}")
    a, b = tracks
    cameras = (rig.cameras[a], rig.cameras[b])
    stored = Relative.of(rig.b_from_a(a, b))
    clock = fit_clock(tracks[a], tracks[b], cameras)
    used = clock.clock if clock.known else _stored_clock(rig, a, b)
    seen = Seen((a, b), at_common_times(tracks[a], tracks[b], used), cameras)
    pose, height = pose_of(seen, body, known=stored)
    turn, in_b = stored.apart_deg(pose.relative)
    in_a = _angle_deg(_b_seen_from_a(stored), _b_seen_from_a(pose.relative))
    way, (turn_sigma, way_sigma) = min(in_a, in_b), pose.sigmas_deg
    walked = shape_of(pose, body, height).path >= STILL
    told = walked and max(turn_sigma, way_sigma) < SIGMA_MAX_DEG
    stored_turn_sigma, stored_way_sigma = _stored_sigmas_deg(rig)
    turn_limit = max(MOVED_DEG, SIGMAS * math.hypot(turn_sigma, stored_turn_sigma))
    way_limit = max(MOVED_DEG, SIGMAS * math.hypot(way_sigma, stored_way_sigma))
    beyond = turn > turn_limit or way > way_limit
    moved = None
    if told and beyond:
        # a camera that turned where it stands sees the other one elsewhere; the other one does not
        turned = b if in_a < in_b - APART_DEG else a if in_b < in_a - APART_DEG else None
        moved = turned or _by_floor(seen, rig, pose.relative, body)
    return RigCheck((a, b), turn, way, turn_sigma, way_sigma, moved, told, pose.relative, clock)


def _stored_sigmas_deg(rig: Rig) -> tuple[float, float]:
    """How sure the rig itself is of its turn and its direction; an imported one does not say."""
    if rig.quality is None:
        return 0.0, 0.0
    return rig.quality.rotation_sigma_deg or 0.0, rig.quality.translation_sigma_deg or 0.0


def _stored_clock(rig: Rig, a: str, b: str) -> Clock:
    of_a, of_b = rig.clocks.get(a, Clock()), rig.clocks.get(b, Clock())
    return Clock(of_b.offset_s - of_a.offset_s, of_b.drift_ppm - of_a.drift_ppm)


def _b_seen_from_a(relative: Relative) -> Float64[ndarray, "3"]:
    return -relative.R.T @ relative.t


def _angle_deg(one: Float64[ndarray, "3"], other: Float64[ndarray, "3"]) -> float:
    return float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other)))


def _by_floor(seen: Seen, rig: Rig, now: Relative, body: Body) -> str:
    """The camera that moved: with the other one in its place the person still walks on the floor."""
    a, b = seen.names
    b_from_a = rigid(now.R, rig.baseline_m(a, b) * now.t)
    of_a, of_b = rig.cameras[a].cam_from_world, rig.cameras[b].cam_from_world
    assert of_a is not None
    assert of_b is not None
    a_stays = (seen.cameras[0], replace(seen.cameras[1], cam_from_world=b_from_a @ of_a))
    b_stays = (replace(seen.cameras[0], cam_from_world=inverted(b_from_a) @ of_b), seen.cameras[1])
    tilts = [_tilt_deg(seen, cameras, body) for cameras in (a_stays, b_stays)]
    if None in tilts:
        return f"{a} or {b}"
    if_a_stays, if_b_stays = (float(tilt) for tilt in tilts if tilt is not None)
    if abs(if_a_stays - if_b_stays) < APART_DEG:
        return f"{a} or {b}"
    return b if if_a_stays < if_b_stays else a


def _tilt_deg(seen: Seen, cameras: tuple[Camera, Camera], body: Body) -> float | None:
    """How far the floor under the feet is from level; None where the feet do not give one."""
    labels = fit_labels(*seen.tracks, cameras, body)
    centers_m = np.array([camera.center_world_m for camera in cameras])
    try:
        ground = floors.from_feet(floors.FloorFeet(standing_feet(labels, body)), centers_m)
    except UserError:
        return None
    return float(np.rad2deg(np.arccos(np.clip(ground.up[2], -1, 1))))
