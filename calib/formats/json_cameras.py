"""Cameras in the JSON files of data sets. Read only.

Human3.6M: `intrinsics` by camera and `extrinsics` by subject and camera, mm, x_cam = R x_world + t.
Panoptic: a list `cameras` with K, distCoef, R, t, resolution, in cm.
Campus and Shelf: by camera R, T (its centre), fx, fy, cx, cy, k, p, in mm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found

# two of the four cameras of Human3.6M have two rows more
HUMAN36M_SIZES = {
    "54138969": (1000, 1002),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1000, 1002),
}


def parse_json(text: str, name: str) -> Any:
    """The document. UserError where it breaks."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{name} is no valid JSON: {error}; is the file cut short?") from None


def read(document: Any, name: str, *, part: str | None, size: tuple[int, int] | None) -> Found | None:
    """The cameras; `part` is the subject of Human3.6M. None where it is none of these files."""
    if not isinstance(document, Mapping):
        return None
    if "intrinsics" in document and "extrinsics" in document:
        return _human36m(document, name, part, size)
    if isinstance(document.get("cameras"), list):
        return _panoptic(document["cameras"], name)
    if document and all(isinstance(raw, Mapping) and {"R", "T", "fx"} <= set(raw) for raw in document.values()):
        return _campus(document, name, size)
    return None


def _human36m(document: Mapping[str, Any], name: str, part: str | None, size: tuple[int, int] | None) -> Found:
    lenses = checked.mapping(document["intrinsics"], f"{name}, intrinsics")
    subjects = checked.mapping(document["extrinsics"], f"{name}, extrinsics")
    if not subjects or (part is not None and part not in subjects):
        raise UserError(f"{name} has no part {part}; known: {', '.join(subjects)}")
    chosen = next(iter(subjects)) if part is None else part
    notes = (
        [] if len(subjects) == 1 else [f"the rig of {chosen}; the file also has {', '.join(set(subjects) - {chosen})}"]
    )
    cameras, guessed = {}, []
    for label, place in checked.mapping(subjects[chosen], f"{name}, {chosen}").items():
        where = f"{name}, {chosen}, camera {label}"
        lens = checked.mapping(checked.wanted(lenses, label, f"{name}, intrinsics"), where)
        place = checked.mapping(place, where)
        known = size or HUMAN36M_SIZES.get(label)
        cameras[label] = checked.camera(
            where,
            size=known,
            K=checked.wanted(lens, "calibration_matrix", where),
            dist=checked.wanted(lens, "distortion", where),
            R=checked.wanted(place, "R", where),
            t=checked.wanted(place, "t", where),
        )
        guessed += [] if known else [label]
    if guessed:
        notes.append(checked.size_guess(guessed, cameras))
    return Found(cameras, "mm", notes=tuple(notes))


def _panoptic(rows: list[Any], name: str) -> Found:
    cameras = {}
    for number, raw in enumerate(rows):
        raw = checked.mapping(raw, f"{name}, camera {number}")
        label = str(checked.wanted(raw, "name", f"{name}, camera {number}"))
        where = f"{name}, camera {label}"
        if label in cameras:
            raise UserError(f"{where} is there twice; give each camera its own name")
        cameras[label] = checked.camera(
            where,
            size=checked.size_px(checked.wanted(raw, "resolution", where), f"{where}, resolution"),
            K=checked.wanted(raw, "K", where),
            dist=checked.wanted(raw, "distCoef", where),
            R=checked.wanted(raw, "R", where),
            t=checked.wanted(raw, "t", where),
        )
    return Found(cameras, "cm")


def _campus(document: Mapping[str, Any], name: str, size: tuple[int, int] | None) -> Found:
    cameras = {}
    for label, raw in document.items():
        where = f"{name}, camera {label}"
        fx, fy, cx, cy = (
            checked.number(checked.wanted(raw, key, where), f"{where}, {key}") for key in ("fx", "fy", "cx", "cy")
        )
        k = checked.array(checked.wanted(raw, "k", where), f"{where}, k", (3,))
        p = checked.array(checked.wanted(raw, "p", where), f"{where}, p", (2,))
        R = checked.rotation(raw["R"], f"{where}, rotation")
        center = checked.array(raw["T"], f"{where}, T", (3,))
        cameras[label] = checked.camera(
            where,
            size=size,
            K=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]),
            dist=np.array([k[0], k[1], p[0], p[1], k[2]]),
            R=R,
            t=-R @ center,
        )
    notes = () if size else (checked.size_guess(list(cameras), cameras),)
    return Found(cameras, "mm", notes=notes)
