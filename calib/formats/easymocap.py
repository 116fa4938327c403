"""EasyMocap: a folder with `intri.yml` (K_n, dist_n) and `extri.yml` (R_n Rodrigues or Rot_n, T_n). Read only."""

from __future__ import annotations

from pathlib import Path

from calib.errors import UserError
from calib.formats import checked
from calib.formats.found import Found
from calib.formats.source import read_text
from calib.formats.storage import Storage

FILES = ("intri.yml", "extri.yml")


def is_easymocap(folder: Path) -> bool:
    """Whether the folder holds its two files."""
    return all((folder / name).is_file() for name in FILES)


def read(folder: Path, *, size: tuple[int, int] | None) -> Found:
    """Cameras by `names`; mostly without picture sizes and without a unit (EasyMocap itself uses metres)."""
    lenses, places = (Storage(read_text(folder / name), name) for name in FILES)
    names = lenses.texts(lenses.first("names"))
    if not names:
        raise UserError("intri.yml has no `names`; is the file cut short?")
    cameras, guessed = {}, []
    for name in names:
        known = size or _size(lenses, name)
        cameras[name] = checked.camera(
            f"camera {name}",
            size=known,
            K=_wanted(lenses, f"K_{name}"),
            dist=_wanted(lenses, f"dist_{name}", f"D_{name}"),
            R=_wanted(places, f"Rot_{name}", f"R_{name}"),
            t=_wanted(places, f"T_{name}"),
        )
        guessed += [] if known else [name]
    notes = (checked.size_guess(guessed, cameras),) if guessed else ()
    return Found(cameras, None, notes=notes)


def _wanted(storage: Storage, *keys: str):
    node = storage.first(*keys)
    if node is None:
        raise UserError(f"{storage.name} has no `{keys[0]}`; is the file cut short?")
    return storage.numbers(node, keys[0])


def _size(storage: Storage, name: str) -> tuple[int, int] | None:
    sides = [storage.first(f"{side}_{name}") for side in ("W", "H")]
    if None in sides:
        return None
    return checked.size_px([checked.number(storage.numbers(side, "size"), "size") for side in sides], f"{name}, size")
