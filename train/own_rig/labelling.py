"""From a take of two cameras to labels for each of them: joints, clocks, places, 3D, camera axes, weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from calib.camera import Camera
from calib.formats import write_rig
from calib.labels import Labels, fit_labels
from calib.moments import at_times
from calib.people_rig import at_common_times
from calib.sync import rig_time_s
from engine.crop import box_around, crop_camera
from engine.skeleton import CORE, ROOT, skeleton_of
from realtime.progress import Step
from realtime.take_joints import CameraJoints, body_of
from realtime.takes import Sync, Take, open_take, write_sync
from train.own_rig.label_quality import LabelQuality, quality_of
from train.own_rig.labels import LabelError, TakeLabels, labels_path, write_labels
from train.own_rig.placing import Placed, place
from train.own_rig.teachers import Teacher

SIGMA_HALF = 0.018  # of the body's height: a label this unsure counts half; 30 mm of 1.7 m
JOINTS_MIN = 8  # a frame with fewer kept joints is not written; feet, face and hands do not count


@dataclass(frozen=True, slots=True)
class Labelled:
    """What labelling a take gave. `labels` is None where the verdict is red."""

    take: Take
    joints: Mapping[str, CameraJoints]
    placed: Placed
    labels: TakeLabels | None
    quality: LabelQuality | None


def label_take(folder: Path, teacher: Teacher, *, step: Step) -> Labelled:
    """Labels a take and writes labels.npz, sync.toml and, where there was none, rig.toml.

    A take that must not teach gets no labels, and loses those of before. LabelError where there is nothing to judge.
    """
    take = open_take(folder)
    joints = teacher(take, step)
    placed = place(take, joints)
    if placed.verdict.light == "red":
        labels_path(folder).unlink(missing_ok=True)
        return Labelled(take, joints, placed, None, None)
    fitted = fit_both(placed)
    labels = _moved(fitted, placed, joints)
    if not len(labels.frame):
        raise LabelError(f"{folder}: no frame has {JOINTS_MIN} joints that both cameras agree on; see the report")
    _store(take, placed)
    write_labels(folder, labels)
    return Labelled(open_take(folder), joints, placed, labels, quality_of(labels, fitted, joints, placed))


def labelled_anew(folder: Path, teacher: Teacher, *, step: Step) -> TakeLabels | None:
    """What another teacher makes of a labelled take, whose files stay as they are; None where that is nothing.

    A better teacher finds the cameras a little elsewhere; that they moved, in a take that was labelled, it cannot say.
    """
    take = open_take(folder)
    joints = teacher(take, step)
    placed = place(take, joints, stood=True)
    labels = None if placed.verdict.light == "red" else _moved(fit_both(placed), placed, joints)
    return labels if labels is not None and len(labels.frame) else None


def _moved(fitted: Mapping[str, Labels], placed: Placed, joints: Mapping[str, CameraJoints]) -> TakeLabels:
    hash = next(iter(joints.values())).weights_hash
    return moved_into_cameras(fitted, placed, {n: joints[n].frame for n in placed.names}, teacher=hash)


def fit_both(placed: Placed) -> dict[str, Labels]:
    """3D labels in the rig's world at each camera's own frames."""
    (a, b), (track_a, track_b), (camera_a, camera_b) = placed.names, placed.tracks, placed.cameras
    at_a = at_common_times(track_a, track_b, placed.clock)
    rig_b_s = rig_time_s(track_b.time_s, placed.clock)
    a_at_b = at_times(track_a, rig_b_s)
    body = body_of(skeleton_of(track_a.px.shape[1]))
    on_rig = type(track_b)(rig_b_s, track_b.px, track_b.score)
    return {
        a: fit_labels(*at_a, (camera_a, camera_b), body),
        b: fit_labels(on_rig, a_at_b, (camera_b, camera_a), body),
    }


def moved_into_cameras(
    fitted: Mapping[str, Labels], placed: Placed, frames: Mapping[str, ndarray], *, teacher: str
) -> TakeLabels:
    """Labels in each camera's axes, with weights and pixels; frames with too few kept joints left out."""
    parts: dict[str, list[ndarray]] = {}
    for number, (name, camera) in enumerate(zip(placed.names, placed.cameras, strict=True)):
        labels = fitted[name]
        rows = np.flatnonzero(labels.kept[:, CORE].sum(axis=1) >= JOINTS_MIN)
        cam_m = labels.points[rows] @ camera.R.T + camera.t
        px = camera.project(cam_m.reshape(-1, 3)).reshape(*cam_m.shape[:2], 2)
        columns = {
            "camera": np.full(len(rows), number, np.int64),
            "frame": frames[name][rows].astype(np.int64),
            "joints_cam_m": cam_m,
            "weight": weights_of(labels, rows, camera, px),
            "flags": labels.flags[rows],
            "px": px,
        }
        for key, column in columns.items():
            parts.setdefault(key, []).append(column)
    first = fitted[placed.names[0]]
    return TakeLabels(
        names=placed.names,
        K=np.stack([camera.K for camera in placed.cameras]),
        noise_mm=_noise_mm(fitted),
        teacher=teacher,
        metric=placed.metric,
        height_m=first.height,
        **{key: np.concatenate(columns) for key, columns in parts.items()},
    )


def weights_of(
    labels: Labels, rows: ndarray, camera: Camera, px: Float64[ndarray, "n joints 2"]
) -> Float32[ndarray, "n joints 3"]:
    """How far x, y and depth of each label can be trusted, in the axes of the crop that a person's box gives.

    1 / (1 + (sigma / 30 mm)^2) for a person of 1.7 m; depths say nothing where the root is not known.
    """
    sigma = np.empty((*px.shape[:2], 3))
    for i, row in enumerate(rows):
        box = box_around(px[i][CORE][labels.kept[row][CORE]])
        R_crop_from_world = crop_camera(box, camera.K, 1).R_crop_from_cam @ camera.R
        in_crop = np.einsum("ab,jbc,dc->jad", R_crop_from_world, labels.covariance[row], R_crop_from_world)
        sigma[i] = np.sqrt(np.maximum(np.einsum("jaa->ja", in_crop), 0.0))
    weight = labels.kept[rows][..., None] / (1 + (sigma / (SIGMA_HALF * labels.height)) ** 2)
    weight[..., 2] *= labels.kept[rows][:, ROOT, None]
    return weight.astype(np.float32)


def _noise_mm(fitted: Mapping[str, Labels]) -> Float64[ndarray, "joints"]:
    """Median standard deviation of kept labels, joint by joint; NaN where none was kept."""
    sigma = np.concatenate([np.where(labels.kept, labels.sigma, np.nan) for labels in fitted.values()])
    some = np.isfinite(sigma).any(axis=0)
    noise = np.full(sigma.shape[1], np.nan)
    noise[some] = 1000 * np.nanmedian(sigma[:, some], axis=0)
    return noise


def _store(take: Take, placed: Placed) -> None:
    """What the labels rest on stays with the take: its clocks, and a rig that the person gave."""
    if placed.clock_sigma_ms is not None:
        name = placed.names[1]
        write_sync(take.folder, Sync("epipolar", {name: placed.clock}, {name: placed.clock_sigma_ms}))
    if take.rig is None or any(camera.cam_from_world is None for camera in take.rig.cameras.values()):
        write_rig(take.folder / "rig.toml", placed.rig)
