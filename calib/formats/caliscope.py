"""caliscope's `camera_array.toml`: `[cameras.N]`, metres, rotation as Rodrigues (old files 3x3). Read only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.formats import checked
from calib.formats.found import Found


def is_caliscope(document: Mapping[str, Any]) -> bool:
    """Whether it has `[cameras.N]` with a matrix or a size."""
    tables = document.get("cameras")
    return isinstance(tables, Mapping) and any(
        isinstance(raw, Mapping) and ("matrix" in raw or "size" in raw) for raw in tables.values()
    )


def read(document: Mapping[str, Any], name: str) -> Found:
    """Cameras that are not set aside; one without a place is said and left out later."""
    cameras, notes = {}, []
    for label, raw in document["cameras"].items():
        where = f"{name}, camera {label}"
        raw = checked.mapping(raw, where)
        if raw.get("ignore"):
            notes.append(f"camera {label} is marked `ignore` in the file and left out")
            continue
        if raw.get("rotation_count"):
            notes.append(f"camera {label} is shown turned by caliscope; its numbers belong to the pictures as recorded")
        place = {}
        if "rotation" in raw or "translation" in raw:
            place = {"R": checked.wanted(raw, "rotation", where), "t": checked.wanted(raw, "translation", where)}
        cameras[label] = checked.camera(
            where,
            size=checked.size_px(checked.wanted(raw, "size", where), f"{where}, size"),
            K=checked.wanted(raw, "matrix", where),
            dist=checked.wanted(raw, "distortions", where),
            model="fisheye" if raw.get("fisheye") is True else "pinhole",
            **place,
        )
    return Found(cameras, "m", notes=tuple(notes))
