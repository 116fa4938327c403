"""Lengths in files: metres, centimetres or millimetres; asked for, said by the format, or inferred and said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from calib.camera import Camera, rigid
from calib.errors import UserError

Unit = Literal["m", "cm", "mm"]
METRES: dict[Unit, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001}
WORDS: dict[Unit, str] = {"m": "metres", "cm": "centimetres", "mm": "millimetres"}
# a room is a few metres wide and a few thousand millimetres; in between nobody can tell
SURELY_METRES, SURELY_MILLIMETRES = 15.0, 50.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What one unit of the file is, how that is known, and the sentence that says so."""

    metres: float
    certain: bool
    note: str | None


def scale_of(
    cameras: Mapping[str, Camera], *, asked: Unit | None, said: Unit | None, free: bool, name: str = "the file"
) -> Scale:
    """The unit of the cameras' translations: as asked, else as the format or the file says, else by their size."""
    if asked is not None:
        contradiction = f", though the file says {WORDS[said]}" if said is not None and said != asked else ""
        return Scale(METRES[asked], True, f"lengths taken as {WORDS[asked]}, as asked{contradiction}")
    if said is not None:
        return Scale(METRES[said], True, None if said == "m" else f"lengths are {WORDS[said]} in this file")
    if all(camera.cam_from_world is None for camera in cameras.values()):
        return Scale(1.0, False, None)
    if free:
        return Scale(
            1.0, False, "this format has no unit of length: taken as metres, but not metric until a unit is given"
        )
    longest = _longest(cameras)
    if SURELY_METRES < longest < SURELY_MILLIMETRES:
        raise UserError(
            f"{name} does not say its unit, and a distance of {longest:.3g} may be cm, mm or m; give the unit"
        )
    unit: Unit = "mm" if longest >= SURELY_MILLIMETRES else "m"
    return Scale(
        METRES[unit], False, f"lengths taken as {WORDS[unit]}: the longest is {longest:.4g}; give the unit if not"
    )


def _longest(cameras: Mapping[str, Camera]) -> float:
    placed = [camera for camera in cameras.values() if camera.cam_from_world is not None]
    return max(float(np.linalg.norm(camera.t)) for camera in placed)


def in_metres(camera: Camera, metres: float) -> Camera:
    """The same camera with its place in metres."""
    if camera.cam_from_world is None or metres == 1.0:
        return camera
    return replace(camera, cam_from_world=rigid(camera.R, camera.t * metres))
