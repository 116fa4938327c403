"""The text files of TemugeB's stereo calibration: `cameraN_intrinsics.dat` and `cameraN_rot_trans.dat`. Read only."""

from __future__ import annotations

import re
from pathlib import Path

from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.source import read_text

LENS = re.compile(r"(camera\d+)_intrinsics\.dat")


def is_temugeb(folder: Path) -> bool:
    """Whether the folder holds such files."""
    return any(LENS.fullmatch(path.name) for path in folder.glob("*_intrinsics.dat"))


def read(folder: Path, *, size: tuple[int, int] | None) -> Found:
    """Cameras by name; the files have neither a unit nor a picture size."""
    cameras = {}
    for path in sorted(folder.glob("*_intrinsics.dat")):
        if not (found := LENS.fullmatch(path.name)):
            continue
        lens = _sections(path, ("intrinsic", "distortion"))
        place = folder / f"{found[1]}_rot_trans.dat"
        pose = _sections(place, ("R", "T")) if place.exists() else {}
        cameras[found[1]] = checked.camera(
            path.name,
            size=size,
            K=lens["intrinsic"],
            dist=[number for row in lens["distortion"] for number in row],
            R=pose.get("R"),
            t=pose.get("T"),
        )
    notes = () if size else (checked.size_guess(list(cameras), cameras),)
    return Found(cameras, None, notes=notes)


def _sections(path: Path, names: tuple[str, ...]) -> dict[str, list[list[float]]]:
    """Rows of numbers below lines such as `R:`."""
    sections: dict[str, list[list[float]]] = {}
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip().endswith(":"):
            rows = sections.setdefault(line.strip()[:-1], [])
            continue
        try:
            rows.append([float(field) for field in line.split()])
        except ValueError:
            raise UserError(f"{path.name}, line {number} is not made of numbers: {line.strip()[:50]}") from None
    sections = {name: [row for row in found if row] for name, found in sections.items()}
    if missing := [name for name in names if name not in sections]:
        raise UserError(f"{path.name} has no `{missing[0]}:`; is the file cut short?")
    return sections
