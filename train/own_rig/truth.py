"""What evaluation alone may read of a synthetic take: where the joints really were in each frame of each camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from train.own_rig.labels import LabelError, TakeLabels, read_labels
from train.synthetic.truth import NAME, Truth, read_truth


def truth_of(folder: Path) -> Truth | None:
    """None where the take was filmed. TruthError where its truth is damaged."""
    return read_truth(folder) if (folder / NAME).is_file() else None


def true_joints_m(truth: Truth, name: str, rows: Int64[ndarray, "n"]) -> Float64[ndarray, "n joints 3"]:
    """In a camera's axes, in some of its frames."""
    camera = truth.cameras[name]
    return truth.shots[name].joints_world_m[rows] @ camera.R.T + camera.t


def true_labels(folder: Path) -> TakeLabels:
    """A labelled take's frames with the truth in place of the labels: the ceiling of what these pictures can teach.

    LabelError where the take was filmed: nobody knows its truth.
    """
    labels, truth = read_labels(folder), truth_of(folder)
    if truth is None:
        raise LabelError(f"{folder} has no truth beside it: only synthetic takes can be taught with it")
    joints = truth.joints_world_m.shape[1]
    joints_cam_m, px = np.empty((len(labels.frame), joints, 3)), np.empty((len(labels.frame), joints, 2))
    for name in labels.names:
        rows = labels.of(name)
        joints_cam_m[rows] = true_joints_m(truth, name, labels.frame[rows])
        px[rows] = truth.cameras[name].project(joints_cam_m[rows].reshape(-1, 3)).reshape(-1, joints, 2)
    return replace(
        labels,
        joints_cam_m=joints_cam_m,
        px=px,
        weight=np.ones(joints_cam_m.shape, np.float32),
        flags=np.zeros(px.shape[:2], np.int64),
        noise_mm=np.zeros(joints),
        K=np.stack([truth.cameras[name].K for name in labels.names]),
        teacher="the truth",
    )
