"""TOML of the anipose family (anipose, Pose2Sim, FreeMoCap): a table per camera, Rodrigues, no unit of length said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.toml_text import table
from calib.formats.units import METRES, Unit
from calib.rig import Rig

KNOWN = {"name", "size", "matrix", "distortions", "rotation", "translation", "fisheye"}


def is_anipose(document: Mapping[str, Any]) -> bool:
    """Whether a table looks like one of its cameras."""
    return any(isinstance(raw, Mapping) and "matrix" in raw for raw in document.values())


def read(document: Mapping[str, Any], name: str) -> Found:
    """Cameras by their `name`, or by the table's where names are missing or repeat."""
    tables = {label: raw for label, raw in document.items() if isinstance(raw, Mapping) and label != "metadata"}
    names = [raw.get("name") for raw in tables.values()]
    named = all(isinstance(given, str) for given in names) and len(set(names)) == len(names)
    cameras = {}
    for label, raw in tables.items():
        chosen = str(raw["name"]) if named else label
        cameras[chosen] = _camera(raw, f"{name}, camera {chosen}")
    metadata = document.get("metadata")
    said = metadata.get("unit") if isinstance(metadata, Mapping) else None
    unit = None if said is None else cast(Unit, checked.word(said, f"{name}, unit", METRES))
    ignored = sorted({key for raw in tables.values() for key in raw} - KNOWN)
    notes = (f"not read: {', '.join(ignored)}",) if ignored else ()
    return Found(cameras, unit, notes=notes)


def _camera(raw: Mapping[str, Any], where: str) -> Camera:
    fisheye = raw.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise UserError(f"{where}: fisheye is true or false, not {fisheye!r}")
    return checked.camera(
        where,
        size=checked.size_px(checked.wanted(raw, "size", where), f"{where}, size"),
        K=checked.wanted(raw, "matrix", where),
        dist=checked.wanted(raw, "distortions", where),
        R=checked.wanted(raw, "rotation", where),
        t=checked.wanted(raw, "translation", where),
        model="fisheye" if fisheye else "pinhole",
    )


def write(rig: Rig) -> str:
    """Text in metres, which `[metadata]` says; clocks and quality have no place in it."""
    pieces = []
    for number, (name, camera) in enumerate(rig.cameras.items()):
        if camera.cam_from_world is None:
            raise UserError(f"camera {name} has no place in a world, which this format needs; write a rig.toml")
        items = {
            "name": name,
            "size": [camera.width, camera.height],
            "matrix": camera.K,
            "distortions": camera.dist,
            "rotation": checked.rodrigues(camera.R),
            "translation": camera.t,
            "fisheye": camera.model == "fisheye",
        }
        pieces.append(table(f"cam_{number}", items))
    rms_px = rig.quality.rms_px if rig.quality is not None else None
    error = 0.0 if rms_px is None else float(rms_px)
    pieces.append(table("metadata", {"adjusted": False, "error": error, "unit": "m"}))
    return "\n".join(pieces)
