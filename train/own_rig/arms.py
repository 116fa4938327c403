"""The question behind the paper, asked of a synthetic take: what do labels lose on each step from the truth?

`python -m train.own_rig.arms TAKE` prints errors of labels made in several ways from the same joints (of
`joints_camN.npz`: label the take first), against `truth.npz`:

- F of every single frame, as the paper is written; F of pooled frames; both with polynomial triangulation, no gates;
- E with everything that `calibrate --from people` knows, triangulated alike, then with gates, bones and smoothing;
- the same with the true cameras; the floor: true pixels and true cameras.

Poses are those of `mpii16`, compared after the best scale each (N-MPJPE) and the best similarity (P-MPJPE): two views
know no metre.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.camera import Camera
from calib.epipolar import Pairs, Relative
from calib.epipolar_paper import paper_labels, paper_pose
from calib.epipolar_pose import pairs_of
from calib.errors import UserError as CalibError
from calib.joint_track import Track
from calib.labels import fit_labels
from calib.people_rig import at_common_times, pose_of
from calib.people_suspects import Seen
from calib.sync import fit_clock
from engine.skeleton import CORE
from realtime.take_joints import BODY, read_camera_joints
from realtime.takes import open_take
from train.own_rig.labels import LabelError
from train.own_rig.truth import Truth, true_joints_m, truth_of
from train.pose_errors import mean_mm, pose_errors

Points = Float64[ndarray, "frames joints 3"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to make labels, and what came of it; mm."""

    name: str
    share: float  # of the joints in frames in which the person was seen
    n_mpjpe_mm: float
    p_mpjpe_mm: float


@dataclass(frozen=True, slots=True)
class _Take:
    """What all arms begin with: the first camera's frames, both cameras' joints in them, the truth."""

    tracks: tuple[Track, Track]
    cameras: tuple[Camera, Camera]  # true lenses
    true_cam_m: Points  # in the first camera's axes
    exact: tuple[Track, Track]  # true pixels

    @property
    def placed(self) -> tuple[Camera, Camera]:
        """Both cameras, the first one's axes as the world."""
        a, b = self.cameras
        assert a.cam_from_world is not None
        assert b.cam_from_world is not None
        b_from_a = b.cam_from_world @ np.linalg.inv(a.cam_from_world)
        return replace(a, cam_from_world=np.eye(4)), replace(b, cam_from_world=b_from_a)


def label_arms(folder: Path) -> list[Arm]:
    """All arms of a synthetic take with stored joints. LabelError where it has no truth or no joints."""
    take = _read(folder)
    a, b = take.tracks
    pairs = pairs_of(a, b, take.cameras)
    true = Relative.of(take.placed[1].cam_from_world)  # type: ignore[arg-type]
    ways: Mapping[str, Callable[[], Points]] = {
        "F of each frame, as the paper is written": lambda: _each_frame(take, pairs),
        "F of pooled frames": lambda: _triangulated(take, pairs, paper_pose(pairs, take.cameras)),
        "E, refined": lambda: _triangulated(take, pairs, _pose(take)),
        "E, refined; gates, bones, smoothing": lambda: _fitted(take, take.tracks, _pose(take)),
        "true cameras": lambda: _triangulated(take, pairs, true),
        "true cameras; gates, bones, smoothing": lambda: _fitted(take, take.tracks, true),
        "true pixels and cameras": lambda: _triangulated(take, pairs_of(*take.exact, take.cameras), true),
    }
    return [_judged(name, way, take) for name, way in ways.items()]


def table(arms: list[Arm]) -> str:
    """For a terminal and for notes."""
    width = max(len(arm.name) for arm in arms)
    lines = [f"{'labels by':<{width}}  joints  N-MPJPE  P-MPJPE (mm)"]
    lines += [f"{a.name:<{width}}  {100 * a.share:4.0f} %  {a.n_mpjpe_mm:7.1f}  {a.p_mpjpe_mm:7.1f}" for a in arms]
    return "\n".join(lines)


def _read(folder: Path) -> _Take:
    take, truth = open_take(folder), truth_of(folder)
    names = tuple(take.cameras)[:2]
    joints = [read_camera_joints(folder, name) for name in names]
    if truth is None or len(names) < 2 or joints[0] is None or joints[1] is None:
        raise LabelError(f"{folder}: arms need a synthetic take of two cameras that was labelled: python run.py label")
    cameras = (truth.cameras[names[0]], truth.cameras[names[1]])
    tracks = (joints[0].core_track(), joints[1].core_track())
    clock = fit_clock(*tracks, cameras).clock
    rows = (joints[0].frame, joints[1].frame)
    exact = [
        _exact(truth, name, row, track, cam) for name, row, track, cam in zip(names, rows, tracks, cameras, strict=True)
    ]
    true_m = true_joints_m(truth, names[0], rows[0])[:, CORE]
    return _Take(at_common_times(*tracks, clock), cameras, true_m, at_common_times(exact[0], exact[1], clock))


def _exact(truth: Truth, name: str, rows: Int64[ndarray, "n"], track: Track, camera: Camera) -> Track:
    cam_m = true_joints_m(truth, name, rows)[:, CORE]
    px = camera.project(cam_m.reshape(-1, 3)).reshape(*cam_m.shape[:2], 2)
    return Track(track.time_s, px, np.ones(px.shape[:2]))


def _pose(take: _Take) -> Relative:
    return pose_of(Seen(("a", "b"), take.tracks, take.cameras), BODY)[0].relative


def _triangulated(take: _Take, pairs: Pairs, relative: Relative) -> Points:
    points = np.full(take.true_cam_m.shape, np.nan)
    points[pairs.frame, pairs.joint] = paper_labels(pairs, relative)
    return points


def _each_frame(take: _Take, pairs: Pairs) -> Points:
    points = np.full(take.true_cam_m.shape, np.nan)
    for frame in np.unique(pairs.frame):
        own = pairs.picked(np.flatnonzero(pairs.frame == frame))
        try:
            relative = paper_pose(own, take.cameras, method="8point")
        except CalibError:
            continue
        points[frame, own.joint] = paper_labels(own, relative)
    return points


def _fitted(take: _Take, tracks: tuple[Track, Track], relative: Relative) -> Points:
    a, b = take.placed
    labels = fit_labels(*tracks, (a, replace(b, cam_from_world=relative.b_from_a)), BODY)
    return np.where(labels.kept[..., None], labels.points, np.nan)


def _judged(name: str, way: Callable[[], Points], take: _Take) -> Arm:
    try:
        points = way()
    except CalibError:
        return Arm(name, 0.0, float("nan"), float("nan"))
    known = np.all(np.isfinite(points), axis=-1)
    seen = np.broadcast_to(np.any(np.isfinite(take.tracks[0].px), axis=(1, 2), keepdims=True)[:, :, 0], known.shape)
    errors = pose_errors(np.nan_to_num(points), take.true_cam_m, known)
    return Arm(name, float((known & seen).sum() / max(seen.sum(), 1)), mean_mm(errors.n_mpjpe), mean_mm(errors.p_mpjpe))


if __name__ == "__main__":
    print(table(label_arms(Path(sys.argv[1]))))
