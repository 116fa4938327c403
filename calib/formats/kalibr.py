"""Kalibr's camchain YAML: metres, T_cn_cnm1 from the camera before to this one; the first camera is the world."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from calib.camera import Camera, rigid
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.toml_text import quoted
from calib.rig import Rig

MODELS = {"radtan": "pinhole", "equidistant": "fisheye", "none": "pinhole"}


def is_kalibr(document: Mapping[str, Any]) -> bool:
    """Whether a table looks like one of its cameras."""
    return any(isinstance(raw, Mapping) and "camera_model" in raw for raw in document.values())


def read(document: Mapping[str, Any], name: str) -> Found:
    """Cameras along the chain, `cam0` first; a name that this project's writer left beside them is taken."""
    cameras: dict[str, Camera] = {}
    place = np.eye(4)
    for number, (label, raw) in enumerate(sorted(document.items(), key=lambda item: _place(item[0], name))):
        where = f"{name}, {label}"
        raw = checked.mapping(raw, where)
        if number:
            link = checked.array(checked.wanted(raw, "T_cn_cnm1", where), f"{where}, T_cn_cnm1", (4, 4))
            if not np.array_equal(link[3], (0, 0, 0, 1)):
                raise UserError(f"{where}: T_cn_cnm1 has a last row other than 0 0 0 1; calibrate again")
            place = rigid(checked.rotation(link[:3, :3], f"{where}, T_cn_cnm1"), link[:3, 3]) @ place
        chosen = raw.get("name", label)
        if not isinstance(chosen, str) or chosen in cameras:
            raise UserError(f"{where}: name {chosen!r} is there twice or is no text; give each camera its own")
        cameras[chosen] = _camera(raw, where, place if len(document) > 1 else None)
    notes = ("the world is the first camera's axes: no floor is known",) if len(cameras) > 1 else ()
    return Found(cameras, "m", notes=notes)


def _place(label: str, name: str) -> int:
    found = re.fullmatch(r"cam(\d+)", label)
    if not found:
        raise UserError(f"{name}: {label} is no camera of a chain; they are named cam0, cam1, ...")
    return int(found[1])


def _camera(raw: Mapping[str, Any], where: str, place: np.ndarray | None) -> Camera:
    if (model := checked.wanted(raw, "camera_model", where)) != "pinhole":
        raise UserError(f"{where}: camera model {model!r} is not supported; calibrate with pinhole-radtan or -equi")
    lens = checked.word(checked.wanted(raw, "distortion_model", where), f"{where}, distortion model", MODELS)
    fx, fy, cx, cy = checked.array(checked.wanted(raw, "intrinsics", where), f"{where}, intrinsics", (4,))
    dist = [] if lens == "none" else checked.wanted(raw, "distortion_coeffs", where)
    if lens != "none":
        dist = checked.array(dist, f"{where}, distortion_coeffs", (4,))
    return checked.camera(
        where,
        size=checked.size_px(checked.wanted(raw, "resolution", where), f"{where}, resolution"),
        K=[[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]],
        dist=np.asarray(dist, dtype=np.float64),
        R=None if place is None else place[:3, :3],
        t=None if place is None else place[:3, 3],
        model="fisheye" if MODELS[lens] == "fisheye" else "pinhole",
    )


def write(rig: Rig) -> str:
    """The chain in metres. UserError for lenses that radtan and equidistant cannot hold."""
    pieces = []
    names = list(rig.cameras)
    for number, (name, camera) in enumerate(rig.cameras.items()):
        K = camera.K
        lines = [f"cam{number}:", f"  name: {_text(name)}"]
        if number:
            lines.append("  T_cn_cnm1:")
            lines += [f"  - {row}" for row in rig.b_from_a(names[number - 1], name).tolist()]
        lines += [
            "  camera_model: pinhole",
            f"  intrinsics: {[float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])]}",
            f"  distortion_model: {'equidistant' if camera.model == 'fisheye' else 'radtan'}",
            f"  distortion_coeffs: {_four(name, camera)}",
            f"  resolution: [{camera.width}, {camera.height}]",
        ]
        pieces.append("\n".join(lines) + "\n")
    return "".join(pieces)


def _text(name: str) -> str:
    if not re.fullmatch(r"[\w .+-]+", name):
        raise UserError(f"camera name {name!r} has signs that this format cannot hold; use letters, digits, - and _")
    return quoted(name)


def _four(name: str, camera: Camera) -> list[float]:
    if camera.model == "pinhole" and camera.dist[4:].any():
        raise UserError(f"camera {name} uses k3 or more, Kalibr's radtan ends at p2; write a rig.toml or anipose TOML")
    return camera.dist[:4].tolist()
