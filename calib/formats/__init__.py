"""Calibration files of this project and of others: read by content, written atomically, never unpickled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from calib.camera import Camera
from calib.errors import UserError
from calib.formats import anipose, colmap, kalibr, opencv, rig_toml
from calib.formats.found import ReadRig
from calib.formats.recognise import recognised
from calib.formats.source import write_whole
from calib.formats.units import Unit, in_metres, scale_of
from calib.rig import Quality, Rig

__all__ = ["FORMATS", "WRITABLE", "ReadRig", "Unit", "Writable", "read_lenses", "read_rig", "write_rig"]

Writable = Literal["rig", "anipose", "opencv", "kalibr", "colmap"]
WRITABLE: tuple[Writable, ...] = ("rig", "anipose", "opencv", "kalibr", "colmap")
FORMATS = (*WRITABLE, "caliscope", "easymocap", "ros", "json", "qualisys", "temugeb")


def read_rig(
    path: str | Path, *, unit: Unit | None = None, size_px: tuple[int, int] | None = None, part: str | None = None
) -> ReadRig:
    """The rig of a file or folder, in metres, and what was assumed.

    `unit` is asked for where the file does not say its own. `size_px` is for formats without picture sizes, `part` for
    files with several rigs (a subject of Human3.6M). UserError, one line, where it is no calibration or a damaged one.
    """
    path = Path(path)
    name, found = recognised(path, part=part, size=size_px)
    if isinstance(found, Rig):
        if unit not in (None, "m"):
            raise UserError(f"{path.name} is in metres by its format; leave the unit out")
        return ReadRig(found, name)
    found = found.placed(path.name)
    scale = scale_of(found.cameras, asked=unit, said=found.unit, free=found.scale_free, name=path.name)
    cameras = {label: in_metres(camera, scale.metres) for label, camera in found.cameras.items()}
    notes = found.notes if scale.note is None else (*found.notes, scale.note)
    reason = f"imported from {path.name}, not measured by this program"
    return ReadRig(Rig(cameras, quality=Quality("yellow", (reason, *notes), "imported", scale.certain)), name, notes)


def read_lenses(
    path: str | Path, *, size_px: tuple[int, int] | None = None, part: str | None = None
) -> dict[str, Camera]:
    """Only the lenses of a file or folder: for several cameras that have no places, and without a question of units."""
    _, found = recognised(Path(path), part=part, size=size_px)
    if not found.cameras:
        raise UserError(f"{path} has no camera; give the calibration file")
    return {name: replace(camera, cam_from_world=None) for name, camera in found.cameras.items()}


def write_rig(path: str | Path, rig: Rig, *, format: Writable = "rig") -> Path:
    """Writes the rig in metres and gives the path back; COLMAP's is a folder.

    Only `rig` keeps everything; `kalibr` makes the first camera the world. UserError where a camera does not fit.
    """
    path = Path(path)
    if format not in WRITABLE:
        raise UserError(f"format {format!r} cannot be written; known: {', '.join(WRITABLE)}")
    if format == "colmap":
        colmap.write(rig, path)
        return path
    if format == "opencv":
        text = opencv.write(rig, path.suffix.lower())
    else:
        text = {"rig": rig_toml.write, "anipose": anipose.write, "kalibr": kalibr.write}[format](rig)
    write_whole(path, text)
    return path
