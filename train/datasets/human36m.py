"""Human3.6M (Ionescu et al., PAMI 2014) as common tools lay it out: joints in space, cameras, one JPEG per frame.

    FOLDER/annotation_body3d/cameras.pkl          of each (subject, camera): R, T (m), f, c, k, p
    FOLDER/annotation_body3d/fps50/h36m_train.npz, h36m_test.npz   (or fps10: every 5th frame)
    FOLDER/S1/MyPoseFeatures/ ...                 instead of those: the release itself (human36m_release.py)
    FOLDER/data_3d_h36m.npz                       instead of those: VideoPose3D's, 32 joints in the world, metres
    FOLDER/images/S1/S1_Directions_1.54138969/S1_Directions_1.54138969_000001.jpg

`cameras.pkl` and the npz come from mmpose's `preprocess_h36m.py`, which starts from the official release. In it R turns
camera axes into the world's, and T is where the camera stands: x_cam = R^T (x_world - T). Joints in space are metres in
camera axes; `part` holds their pixels, with distortion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, rigid
from engine.crop import box_around
from engine.skeleton import H36M17_TO_MPII16, ROOT
from train.datasets.damage import DAMAGED, said
from train.datasets.human36m_release import holds_release, recordings
from train.datasets.labelled2d import DatasetError
from train.datasets.pickles import read_object_array, read_pickle
from train.datasets.reading import Reading
from train.datasets.sample import SPINE, Captured, Sample

Part = Literal["train", "test"]
# the paper's list has S3 where everybody else has S6: S3 has no published joints
SUBJECTS: dict[Part, tuple[str, ...]] = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}
EVERY: dict[Part, int] = {"train": 5, "test": 64}  # frames, as the paper counts (4.1)
SPINE17 = 7
# Human3.6M's 32 joints hold every end twice; these are the 17 that everybody uses
H32_TO_H17 = np.array([0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27])
NAME = re.compile(
    r"(?P<subject>S\d+)_(?P<action>[A-Za-z]+)(?:[ _](?P<take>\d+))?\.(?P<camera>\d{8})_(?P<frame>\d+)\.jpg$"
)
MIN_Z_M = 0.1


@dataclass(frozen=True, slots=True)
class Pose:
    """One annotated frame: where its picture is called, its pixels, what the studio knows."""

    name: str  # of the picture, under images/
    px: Float64[ndarray, "17 2"]
    captured: Captured


def holds_human36m(folder: Path, part: Part) -> bool:
    """Whether a folder looks like Human3.6M and has this part of it."""
    videopose = (folder / "data_3d_h36m.npz").is_file()
    return videopose or bool(_tables(folder, part)) or holds_release(folder, SUBJECTS[part])


def read_human36m(folder: Path, part: Part, *, every: int | None = None) -> Reading:
    """Every 5th frame of the training subjects, or every 64th of the test subjects, with all that is true of them.

    DatasetError where the annotation cannot be read or no frame has its picture.
    """
    reading = Reading(folder)
    for pose in annotated(folder, part, reading, every=every):
        path = folder / "images" / pose.name
        size = reading.picture_size(pose.name, path)
        if size is None:
            continue
        lens = pose.captured.lens
        if size != (lens.width, lens.height):
            reading.leave(pose.name, f"its picture is not {lens.width}x{lens.height} as its camera")
            continue
        reading.samples.append(sample_of(pose, path))
    return reading.checked(f"Human3.6M's {part} subjects")


def annotated(folder: Path, part: Part, reading: Reading, *, every: int | None = None) -> Iterator[Pose]:
    """The chosen frames, with or without pictures; what is damaged goes into `reading`."""
    every = every or EVERY[part]
    if holds_release(folder, SUBJECTS[part]):
        yield from _of_release(folder, part, reading, every)
        return
    cameras = _cameras(folder)
    if (folder / "data_3d_h36m.npz").is_file():
        yield from _of_videopose(folder, part, cameras, every)
        return
    tables = _tables(folder, part)
    if not tables:
        raise DatasetError(f"{folder} has no h36m_{part}.npz; docs/datasets.md shows the layouts that are read")
    for name, px, joints_m in _rows(tables[0], reading):
        found = NAME.search(name)
        if found is None:
            reading.leave(name, "its name says no subject, action, camera and frame")
        elif (found["subject"], found["camera"]) not in cameras:
            reading.leave(name, "cameras.pkl has no such camera")
        elif found["subject"] in SUBJECTS[part] and (int(found["frame"]) - 1) % every == 0:
            lens = cameras[found["subject"], found["camera"]]
            yield Pose(name, px, _captured(found, joints_m, lens))


def sample_of(pose: Pose, path: Path) -> Sample:
    """A frame with full labels: x, y and depth of all joints."""
    index = np.array(H36M17_TO_MPII16)
    px, z_m = pose.px[index], pose.captured.joints_m[:SPINE, 2]
    return Sample(
        name=pose.name,
        jpeg=path,
        K=pose.captured.lens.K,
        joints_px=px.astype(np.float32),
        relative_depth=((z_m - z_m[ROOT]) / z_m[ROOT]).astype(np.float32),
        weight=np.ones((SPINE, 3), np.float32),
        box=box_around(px),
        captured=pose.captured,
    )


def _captured(found: re.Match[str], joints_m: Float64[ndarray, "17 3"], lens: Camera) -> Captured:
    ours = np.vstack([joints_m[list(H36M17_TO_MPII16)], joints_m[SPINE17]])
    recording = f"{found['action']} {found['take'] or ''}".strip()
    return Captured(found["subject"], found["action"], recording, found["camera"], int(found["frame"]), ours, lens)


def _tables(folder: Path, part: Part) -> list[Path]:
    """The annotation of a part: 50 frames a second before 10, since every 64th frame needs all."""
    inside = folder / "annotation_body3d"
    places = [inside / "fps50", inside / "fps10", inside, folder]
    return [path for place in places if (path := place / f"h36m_{part}.npz").is_file()]


def _rows(table: Path, reading: Reading) -> Iterator[tuple[str, ndarray, ndarray]]:
    try:
        with open(table, "rb") as file, np.load(file, allow_pickle=False) as held:
            names, part, space = held["imgname"], held["part"], held["S"]
    except DAMAGED as error:
        raise DatasetError(f"{table} is no annotation of Human3.6M ({said(error)})") from None
    n = len(names)
    if part.shape[:2] != (n, 17) or space.shape[:2] != (n, 17) or min(part.shape[2:] + space.shape[2:]) < 2:
        raise DatasetError(f"{table}: {n} names, part {part.shape}, S {space.shape}; wanted (n, 17, 3) and (n, 17, 4)")
    for name, px, joints_m in zip(names, part[..., :2].astype(float), space[..., :3].astype(float), strict=True):
        if not (np.isfinite(px).all() and np.isfinite(joints_m).all()):
            reading.leave(str(name), "a joint is not a number")
        elif joints_m[:, 2].min() < MIN_Z_M:
            reading.leave(str(name), "a joint lies behind its camera")
        else:
            yield str(name), px, joints_m


def _cameras(folder: Path) -> dict[tuple[str, str], Camera]:
    path = next(
        (p for p in (folder / "annotation_body3d" / "cameras.pkl", folder / "cameras.pkl") if p.is_file()), None
    )
    if path is None:
        raise DatasetError(f"{folder} has no cameras.pkl; mmpose's preprocess_h36m.py writes it from the release")
    content = read_pickle(path)
    if not isinstance(content, Mapping):
        raise DatasetError(f"{path} holds no dictionary of cameras")
    cameras = {}
    for key, one in content.items():
        try:
            subject, name = key
            cameras[str(subject), str(name)] = _camera(one)
        except DAMAGED as error:
            raise DatasetError(f"{path}: camera {key} is damaged ({said(error)})") from None
    return cameras


def _camera(one: Mapping) -> Camera:
    f, c, k, p = (np.asarray(one[name], np.float64).ravel() for name in ("f", "c", "k", "p"))
    R_world_from_cam, center_m = np.asarray(one["R"], np.float64), np.asarray(one["T"], np.float64).ravel()
    return Camera(
        width=int(one["w"]),
        height=int(one["h"]),
        K=np.array([[f[0], 0, c[0]], [0, f[1], c[1]], [0, 0, 1]]),
        dist=np.array([k[0], k[1], p[0], p[1], k[2]]),
        cam_from_world=rigid(R_world_from_cam.T, -R_world_from_cam.T @ center_m),
    )


def _of_release(folder: Path, part: Part, reading: Reading, every: int) -> Iterator[Pose]:
    for subject, recording, px, joints_m, lens in recordings(folder, SUBJECTS[part]):
        for frame in range(0, len(px), every):
            picture = f"{subject}/{recording}/{recording}_{frame + 1:06d}.jpg"
            flat, space, found = px[frame, H32_TO_H17], joints_m[frame, H32_TO_H17], NAME.search(picture)
            if not (np.isfinite(flat).all() and np.isfinite(space).all()):
                reading.leave(picture, "a joint is not a number")
            elif found is None:
                reading.leave(picture, "its name says no subject, action, camera and frame")
            else:
                yield Pose(picture, flat, _captured(found, space, lens))


def _of_videopose(folder: Path, part: Part, cameras: Mapping[tuple[str, str], Camera], every: int) -> Iterator[Pose]:
    """Of each camera of a subject, seen through its lens."""
    content = read_object_array(folder / "data_3d_h36m.npz", "positions_3d")
    if not isinstance(content, Mapping):
        raise DatasetError(f"{folder / 'data_3d_h36m.npz'} holds no dictionary of subjects")
    for subject in (s for s in SUBJECTS[part] if s in content):
        for action, world_m in content[subject].items():
            if not (isinstance(world_m, ndarray) and world_m.ndim == 3 and world_m.shape[1:] == (32, 3)):
                raise DatasetError(f"{folder / 'data_3d_h36m.npz'}: {subject} {action} is not (frames, 32, 3)")
            for (_, name), lens in ((key, c) for key, c in cameras.items() if key[0] == subject):
                for frame in range(0, len(world_m), every):
                    joints_m = world_m[frame, H32_TO_H17].astype(np.float64) @ lens.R.T + lens.t
                    recording = f"{subject}_{action.replace(' ', '_')}.{name}"
                    picture = f"{subject}/{recording}/{recording}_{frame + 1:06d}.jpg"
                    found = NAME.search(picture)
                    assert found is not None
                    yield Pose(picture, lens.project(joints_m), _captured(found, joints_m, lens))
