"""ROS `camera_info` YAML: one camera a file; a folder of two is a stereo pair through its rectification. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from calib.camera import Camera, rigid
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found

MODELS = {"plumb_bob": "pinhole", "rational_polynomial": "pinhole", "equidistant": "fisheye", "fisheye": "fisheye"}


def is_ros(document: Mapping[str, Any]) -> bool:
    """Whether it has ROS's keys."""
    return "camera_matrix" in document and ("distortion_model" in document or "projection_matrix" in document)


def read(document: Mapping[str, Any], name: str) -> Found:
    """One camera without a place."""
    label, camera = _camera(document, name)
    return Found({label: camera}, "m")


def read_pair(documents: Mapping[str, Mapping[str, Any]]) -> Found:
    """Two cameras, by file name; the one whose projection has no baseline is the world."""
    (first, one), (second, other) = sorted(documents.items(), key=lambda item: abs(_baseline_m(item[1], item[0])))
    if _baseline_m(one, first) != 0 or _baseline_m(other, second) == 0:
        raise UserError(f"{first} and {second} hold no stereo pair: one projection_matrix needs a baseline, one none")
    (label_a, camera_a), (label_b, camera_b) = _camera(one, first), _camera(other, second)
    if label_a == label_b:
        label_a, label_b = first.rsplit(".", 1)[0], second.rsplit(".", 1)[0]
    R_a, R_b = _rectification(one, first), _rectification(other, second)
    shift = np.array([_baseline_m(other, second), 0.0, 0.0])
    cameras = {
        label_a: replace(camera_a, cam_from_world=np.eye(4)),
        label_b: replace(camera_b, cam_from_world=rigid(R_b.T @ R_a, R_b.T @ shift)),
    }
    return Found(cameras, "m", notes=("the world is the first camera's axes: no floor is known",))


def _camera(document: Mapping[str, Any], name: str) -> tuple[str, Camera]:
    lens = checked.word(document.get("distortion_model", "plumb_bob"), f"{name}, distortion model", MODELS)
    label = document.get("camera_name") or name.rsplit(".", 1)[0]
    size = [checked.wanted(document, key, name) for key in ("image_width", "image_height")]
    dist = _matrix(document, "distortion_coefficients", name).ravel()
    camera = checked.camera(
        name,
        size=checked.size_px(size, f"{name}, size"),
        K=_matrix(document, "camera_matrix", name),
        dist=dist,
        model="fisheye" if MODELS[lens] == "fisheye" else "pinhole",
    )
    return str(label), camera


def _matrix(document: Mapping[str, Any], key: str, name: str) -> np.ndarray:
    raw = checked.mapping(checked.wanted(document, key, name), f"{name}, {key}")
    rows, columns = (
        int(checked.number(checked.wanted(raw, side, name), f"{name}, {key}")) for side in ("rows", "cols")
    )
    data = checked.array(checked.wanted(raw, "data", f"{name}, {key}"), f"{name}, {key}", (rows * columns,))
    return data.reshape(rows, columns)


def _rectification(document: Mapping[str, Any], name: str) -> np.ndarray:
    return checked.rotation(_matrix(document, "rectification_matrix", name), f"{name}, rectification_matrix")


def _baseline_m(document: Mapping[str, Any], name: str) -> float:
    """Translation along x between the rectified cameras: P[0, 3] = fx * it."""
    P = _matrix(document, "projection_matrix", name)
    if P.shape != (3, 4) or P[0, 0] <= 0:
        raise UserError(f"{name}: projection_matrix is no 3x4 projection; calibrate the pair again")
    return float(P[0, 3] / P[0, 0])
