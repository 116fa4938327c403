"""Who says where the joints are in the pictures: our own weights, or a file of another program's joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np
from numpy import ndarray

from engine.backends import Engine
from engine.skeleton import BODY25, MPII16
from realtime.progress import Step
from realtime.take_joints import CameraJoints, lens_of, take_joints
from realtime.takes import Take
from train.datasets.openpose import body25_of
from train.own_rig.labels import LabelError

SIGMA_PX = 5.0  # of a file's joints, where it says nothing


@runtime_checkable
class Teacher(Protocol):
    """Finds the joints of every camera of a take."""

    @property
    def name(self) -> str:
        """With the terms under which its joints may be used, where they are not our own."""
        ...

    def __call__(self, take: Take, step: Step) -> Mapping[str, CameraJoints]:
        """Joints by camera. UserError where there are none."""
        ...


@dataclass(frozen=True, slots=True)
class OwnTeacher:
    """The network itself, tracked through the recordings."""

    engine: Engine
    home: Path | None = None  # where its joints are kept; the take

    @property
    def name(self) -> str:
        """As a report says it."""
        return f"own weights {self.engine.weights_name} {self.engine.weights_sha256[:12]}"

    def __call__(self, take: Take, step: Step) -> Mapping[str, CameraJoints]:
        """Joints, also those that were found before with the same weights."""
        lenses = {n: lens_of(c) for n, c in take.cameras.items()}
        return take_joints(take, self.engine, lenses=lenses, step=step, home=self.home)


@dataclass(frozen=True, slots=True)
class FileTeacher:
    """Joints of files, one per camera in the take's order: npz with `keypoints` (frames, n, 3) and `names` (n).

    Names of a skeleton of ours, 16 or 25, or OpenPose's.
    """

    paths: Sequence[Path]

    @property
    def name(self) -> str:
        """As a report says it."""
        return f"joints of {', '.join(path.name for path in self.paths)}"

    def __call__(self, take: Take, step: Step) -> Mapping[str, CameraJoints]:
        """Row i of a file is frame i of its camera."""
        if len(self.paths) != len(take.cameras):
            raise LabelError(f"give --teacher once per camera: {len(self.paths)} files for {', '.join(take.cameras)}")
        found = {}
        for path, (name, camera) in zip(self.paths, take.cameras.items(), strict=True):
            joints = _read(path)
            n = min(len(joints), len(camera.table))
            if len(joints) < len(camera.table) // 2 or len(joints) > len(camera.table) + 1:
                raise LabelError(f"{path} has joints of {len(joints)} frames, {name} has {len(camera.table)}")
            frame = np.arange(n, dtype=np.int64)
            seen = np.all(np.isfinite(joints[:n, :, :2]), axis=-1)
            none = np.zeros(0, np.int64)
            found[name] = CameraJoints(
                frame=frame,
                time_s=camera.steady_s[frame],
                px=np.where(seen[..., None], joints[:n, :, :2], np.nan),
                sigma_px=np.where(seen, SIGMA_PX, np.nan),
                score=np.clip(np.where(seen, joints[:n, :, 2], 0.0), 0.0, 1.0),
                presence=np.any(seen, axis=1).astype(np.float64),
                weights_hash=self.name,
                looked=none,
                others=none,
            )
        step(1, 1, "joints")
        return found


def _read(path: Path) -> ndarray:
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            keypoints, names = file["keypoints"].astype(np.float64), [str(name) for name in file["names"]]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        text = " ".join(str(error).split())
        raise LabelError(f"{path} is no npz with `keypoints` (frames, n, 3) and `names` ({text})") from None
    if keypoints.ndim != 3 or keypoints.shape[1:] != (len(names), 3):
        raise LabelError(f"{path}: `keypoints` should be (frames, {len(names)}, 3), not {keypoints.shape}")
    for skeleton in (BODY25, MPII16):
        if set(skeleton.names) <= set(names):
            return keypoints[:, [names.index(name) for name in skeleton.names]]
    try:
        return body25_of(keypoints, names)
    except ValueError as error:
        raise LabelError(f"{path}: joints are neither {MPII16.names[0]} ... nor OpenPose's ({error})") from None
