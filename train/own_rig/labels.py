"""`labels.npz` of a take: where the joints are in each camera's axes, and how far each can be learned from.

`camera` (n) numbers `names`, `frame` (n) rows of that camera's table, `joints_cam_m` (n, joints, 3), `weight`
(n, joints, 3) for x, y and depth in the crop's axes (0: not to be learned), `flags` (n, joints) as in
`calib.label_checks`, `px` (n, joints, 2) of the picture with its distortion, `K` of each camera. How many joints there
are says of which skeleton they are. Metres are approximate where `metric` is false.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from numpy import ndarray

from engine.errors import UserError
from engine.skeleton import Skeleton, skeleton_of
from realtime.takes.arrays import read_arrays, write_arrays

NAME = "labels.npz"
FIELDS = ("camera", "frame", "joints_cam_m", "weight", "flags", "px", "K", "names", "teacher", "metric", "height_m")


class LabelError(UserError):
    """A take that gives no labels, and why."""


@dataclass(frozen=True, slots=True)
class TakeLabels:
    """The labels of all cameras, camera by camera, in order of frames."""

    names: tuple[str, ...]
    camera: Int64[ndarray, "n"]
    frame: Int64[ndarray, "n"]
    joints_cam_m: Float64[ndarray, "n joints 3"]
    weight: Float32[ndarray, "n joints 3"]
    flags: Int64[ndarray, "n joints"]
    px: Float64[ndarray, "n joints 2"]
    K: Float64[ndarray, "cameras 3 3"]
    noise_mm: Float64[ndarray, "joints"]  # estimated, of each joint's place
    teacher: str  # hash of the weights whose joints they come from, or its name
    metric: bool
    height_m: float  # of the person, as the labels have it

    @property
    def skeleton(self) -> Skeleton:
        """Whose joints these are."""
        return skeleton_of(self.px.shape[1])

    @property
    def kept(self) -> Bool[ndarray, "n joints"]:
        """What may be learned from."""
        return self.flags == 0

    def of(self, name: str) -> Int64[ndarray, "m"]:
        """The rows of one camera."""
        return np.flatnonzero(self.camera == self.names.index(name))


def labels_path(folder: Path) -> Path:
    """Where a take's labels lie."""
    return folder / NAME


def write_labels(folder: Path, labels: TakeLabels) -> Path:
    """Replaces the take's labels."""
    arrays = {name: getattr(labels, name) for name in FIELDS}
    write_arrays(labels_path(folder), arrays | {"names": np.array(labels.names), "noise_mm": labels.noise_mm})
    return labels_path(folder)


def read_labels(folder: Path) -> TakeLabels:
    """LabelError where the take has none, TakeError where they are damaged."""
    if not labels_path(folder).is_file():
        raise LabelError(f"{folder} has no labels yet; make them: python run.py label {folder}")
    held = read_arrays(labels_path(folder), (*FIELDS, "noise_mm"), again=f"make it anew: python run.py label {folder}")
    arrays = {name: held[name] for name in (*FIELDS, "noise_mm") if held[name].ndim}
    arrays.pop("names")
    return TakeLabels(
        names=tuple(str(name) for name in held["names"]),
        teacher=str(held["teacher"]),
        metric=bool(held["metric"]),
        height_m=float(held["height_m"]),
        **arrays,
    )


def labels_hash(folder: Path) -> str:
    """Of the file: what was made from it knows by this whether it still fits."""
    return hashlib.sha256(labels_path(folder).read_bytes()).hexdigest()
