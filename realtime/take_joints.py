"""A person's joints in every frame of a take, camera by camera, seen headless by the eyes of the live program.

    joints = take_joints(take, engine, lenses={"cam0": lens}, step=step)      # or what lies there already
    joints["cam0"].track()                                                     # for `calib`

`joints_camN.npz` holds them: `frame`, `time_s` (the camera's own clock, steady), `px`, `sigma_px`, `score`, `presence`,
`weights_hash`; and, of some frames a second apart (`looked`), how many `others` were seen beside the one followed.
How many joints there are says which skeleton they are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.camera import Camera
from calib.joint_track import Body, Track
from engine import skeleton as at
from engine.backends import Engine
from engine.joints import Joints
from engine.skeleton import MPII16, Skeleton, skeleton_of
from realtime.frame import Frame
from realtime.progress import Step
from realtime.search import Search
from realtime.sight import Sight, fitted_box, quality
from realtime.takes.arrays import read_arrays, write_arrays
from realtime.takes.errors import TakeError
from realtime.takes.take import Take, TakeCamera
from realtime.tracker import Tracker

ASSUMED_FOV_DEG = 60.0
LOOK_EVERY_S = 1.0  # for others
OTHER_QUALITY, OTHER_SIDE = 0.7, 0.4  # of the person followed: less is furniture
SCORE_LEAST = 0.1  # below it a place is a guess
AGAIN = "remove it, it is made anew"
FIELDS = ("frame", "time_s", "px", "sigma_px", "score", "presence", "weights_hash", "looked", "others")


def body_of(skeleton: Skeleton) -> Body:
    """A skeleton as calibration and labels know it."""
    parts = at.BONE_OVER_HEIGHT | at.EXTREMITY_OVER_HEIGHT
    extremities = tuple(joint for joint in at.EXTREMITIES if joint < len(skeleton))
    # whoever takes a back for a front takes one ear for the other, too
    along = ((at.R_HEEL, at.R_TOE), (at.R_HAND, at.R_EAR))
    return Body(
        names=skeleton.names,
        bones=skeleton.bones,
        bone_parts=tuple(parts[bone] for bone in skeleton.bones),
        mirror=tuple(skeleton.mirror.tolist()),
        limbs=(
            (at.R_ANKLE, at.R_KNEE, at.R_HIP),
            (at.R_WRIST, at.R_ELBOW, at.R_SHOULDER),
        ),
        feet=(at.R_ANKLE, at.L_ANKLE),
        root=at.ROOT,
        head=(at.THORAX, at.HEAD_TOP),
        extremities=extremities,
        along=along if extremities else ((), ()),
    )


# what cameras are calibrated with: a network's idea of an ear or a heel is less exact than that of a knee
BODY = body_of(MPII16)


@dataclass(frozen=True, slots=True)
class CameraJoints:
    """One camera's joints, a row per frame that could be decoded; NaN and 0 where nobody was seen."""

    frame: Int64[ndarray, "n"]  # row of the camera's table
    time_s: Float64[ndarray, "n"]
    px: Float64[ndarray, "n joints 2"]  # of the picture, with its distortion
    sigma_px: Float64[ndarray, "n joints"]  # per coordinate
    score: Float64[ndarray, "n joints"]
    presence: Float64[ndarray, "n"]
    weights_hash: str  # of whatever found them
    looked: Int64[ndarray, "m"]  # frames in which others were looked for
    others: Int64[ndarray, "m"]  # how many were seen

    def track(self) -> Track:
        """As calibration wants it: joints that are mere guesses are not seen."""
        seen = np.isfinite(self.px).all(-1) & (self.score >= SCORE_LEAST)
        return Track(self.time_s, np.where(seen[..., None], self.px, np.nan), np.where(seen, self.score, 0.0))

    def core_track(self) -> Track:
        """The same of BODY's joints alone, as cameras are calibrated with."""
        return self.track().of(range(len(BODY.names)))

    @property
    def skeleton(self) -> Skeleton:
        """Whose joints these are. ValueError where it is none that this program knows."""
        return skeleton_of(self.px.shape[1])

    @property
    def company(self) -> float:
        """Share of the looks in which somebody else was seen; 0 without any look."""
        return float((self.others > 0).mean()) if len(self.looked) else 0.0


def joints_path(folder: Path, camera: str) -> Path:
    """Where a camera's joints lie."""
    return folder / f"joints_{camera}.npz"


def write_joints(folder: Path, camera: str, joints: CameraJoints) -> Path:
    """Replaces a camera's file."""
    path = joints_path(folder, camera)
    write_arrays(path, {name: getattr(joints, name) for name in FIELDS})
    return path


def read_camera_joints(folder: Path, camera: str) -> CameraJoints | None:
    """What was stored; None where nothing was. TakeError where it is damaged."""
    path = joints_path(folder, camera)
    if not path.is_file():
        return None
    held = read_arrays(path, FIELDS, again=AGAIN)
    try:
        arrays = {name: held[name] for name in FIELDS if name != "weights_hash"}
        joints = CameraJoints(**arrays, weights_hash=str(held["weights_hash"]))
        if joints.px.shape != (len(joints.frame), len(joints.skeleton), 2):
            raise ValueError(f"joints of shape {joints.px.shape} in {len(joints.frame)} frames")
        return joints
    except (TypeError, ValueError) as error:
        raise TakeError(f"{path} does not fit ({' '.join(str(error).split())[:120]}); {AGAIN}") from None


def take_joints(
    take: Take,
    engine: Engine,
    *,
    lenses: Mapping[str, Camera] | None = None,
    step: Step,
    home: Path | None = None,
) -> dict[str, CameraJoints]:
    """All cameras' joints; those that lie there from the same weights are taken as they are.

    `lenses` are of the pictures' sizes; a camera without one gets the take's own, else an assumed field of view. The
    joints are kept in `home`, else in the take.
    """
    total, home = sum(len(camera.table) for camera in take.cameras.values()), home or take.folder
    found: dict[str, CameraJoints] = {}
    done = 0
    for name, camera in take.cameras.items():
        stored = read_camera_joints(home, name)
        if stored is None or stored.weights_hash != engine.weights_sha256 or not _fits(stored, camera):
            lens = (lenses or {}).get(name) or lens_of(camera)
            stored = _seen(camera, engine, lens, lambda n, at=done, of=name: step(at + n, total, of))
            write_joints(home, name, stored)
        found[name] = stored
        done += len(camera.table)
        step(done, total, name)
    return found


def lens_of(camera: TakeCamera) -> Camera:
    """The take's own lens, else an assumed one of the pictures' size."""
    return camera.lens or Camera.from_fov(*camera.size_px, ASSUMED_FOV_DEG)


def _fits(joints: CameraJoints, camera: TakeCamera) -> bool:
    """Whether the joints belong to this recording."""
    if not len(joints.frame) or joints.frame[-1] >= len(camera.table):
        return False
    apart_s = np.abs(camera.steady_s[joints.frame] - joints.time_s)
    return float(apart_s.max()) < 1e-4


def _seen(camera: TakeCamera, engine: Engine, lens: Camera, step) -> CameraJoints:
    """Looks at every frame. TakeError where nobody was ever seen."""
    tracker = Tracker(engine, lens.K)
    company = _Company(engine, lens)
    frames: list[int] = []
    rows: list[Joints | None] = []
    for frame in camera.frames():
        following = tracker.begin(frame)
        people = tracker.finish(following)
        joints = max((j for _, j in people), key=lambda j: j.box.side_px, default=None)
        frames.append(frame.index)
        rows.append(joints)
        company.look(frame, joints)
        step(frame.index + 1)
    if not any(rows):
        raise TakeError(
            f"{camera.path.name}: nobody was seen in {len(frames)} frames; is a whole person in the picture?"
        )
    return _collected(camera, np.array(frames, np.int64), rows, engine, company)


class _Company:
    """Looks now and then whether somebody else is there."""

    def __init__(self, engine: Engine, lens: Camera) -> None:
        self._search = Search(Sight(engine, lens.K))
        self._last_s: float | None = None
        self.looked: list[int] = []
        self.others: list[int] = []

    def look(self, frame: Frame, joints: Joints | None) -> None:
        """At this frame, if the last look was long enough ago."""
        if joints is None or (self._last_s is not None and frame.time_s - self._last_s < LOOK_EVERY_S):
            return
        self._last_s = frame.time_s
        self.looked.append(frame.index)
        found = self._search(frame.image_bgr, wanted=1, taken=[joints])
        self.others.append(sum(_as_sure(other, joints) for other in found))


def _as_sure(other: Joints, joints: Joints) -> bool:
    """Whether what was found beside the person followed is one as well, and not a coat on a chair."""
    as_good = quality(other) > OTHER_QUALITY * quality(joints)
    return as_good and fitted_box(other).side_px > OTHER_SIDE * fitted_box(joints).side_px


def _collected(
    camera: TakeCamera, frames: Int64[ndarray, "n"], rows: list[Joints | None], engine: Engine, company: _Company
) -> CameraJoints:
    shape = (len(rows), len(engine.skeleton))
    px, sigma_px = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    score, presence = np.zeros(shape), np.zeros(len(rows))
    for i, joints in enumerate(rows):
        if joints is None:
            continue
        inside = np.all((joints.px > -0.5) & (joints.px < np.array(camera.size_px) - 0.5), axis=1)
        px[i], score[i] = np.where(inside[:, None], joints.px, np.nan), np.where(inside, joints.score, 0.0)
        presence[i] = joints.presence
        sigma_px[i] = np.sqrt((joints.sigma[:, :2] ** 2).mean(axis=1)) * joints.box.side_px
    looked, others = np.array(company.looked, np.int64), np.array(company.others, np.int64)
    time_s, hash = camera.steady_s[frames], engine.weights_sha256
    return CameraJoints(frames, time_s, px, sigma_px, score, presence, hash, looked, others)
