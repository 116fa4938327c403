"""What is true in a synthetic take: `truth.npz` beside its videos. Only evaluation reads it, never what it judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, rigid
from calib.rig import Clock, Quality, Rig
from engine.errors import UserError

NAME = "truth.npz"
SCHEMA = 1


class TruthError(UserError):
    """A truth that is not there or not readable."""


@dataclass(frozen=True, slots=True)
class Shots:
    """One camera's frames, row by row as in its table."""

    time_s: Float64[ndarray, "n"]  # true moments
    joints_world_m: Float64[ndarray, "n joints 3"]


@dataclass(frozen=True, slots=True)
class Truth:
    """The world is a calibrated rig's: z up, floor at z = 0, origin under the first camera. Times are the take's."""

    time_s: Float64[ndarray, "n"]  # evenly dense
    joints_world_m: Float64[ndarray, "n joints 3"]
    cameras: Mapping[str, Camera]
    clocks: Mapping[str, Clock]  # take time = camera time + offset + drift * camera time
    shots: Mapping[str, Shots]
    height_m: float

    @property
    def rig(self) -> Rig:
        """The true cameras as calibration would give them."""
        return Rig(self.cameras, self.clocks, Quality("green", made_from="synthetic", metric=True))

    def save(self, folder: Path) -> None:
        """Writes `truth.npz`."""
        names, cameras = list(self.cameras), list(self.cameras.values())
        arrays: dict[str, ndarray] = {
            "schema": np.array(SCHEMA),
            "time_s": self.time_s,
            "joints_world_m": self.joints_world_m,
            "names": np.array(names),
            "size_px": np.array([(c.width, c.height) for c in cameras]),
            "K": np.stack([c.K for c in cameras]),
            "dist": np.stack([c.dist for c in cameras]),
            "cam_from_world": np.stack([rigid(c.R, c.t) for c in cameras]),
            "clock": np.array([(self.clocks[n].offset_s, self.clocks[n].drift_ppm) for n in names]),
            "height_m": np.array(self.height_m),
        }
        for name, shots in self.shots.items():
            arrays |= {f"{name}_time_s": shots.time_s, f"{name}_joints_world_m": shots.joints_world_m}
        np.savez_compressed(folder / NAME, **arrays)  # type: ignore[arg-type]


def read_truth(folder: Path) -> Truth:
    """The truth of a synthetic take. TruthError where the take has none or it cannot be read."""
    path = folder / NAME
    if not path.is_file():
        raise TruthError(f"{folder} has no {NAME}: it was filmed, or its truth was taken away")
    try:
        with np.load(path, allow_pickle=False) as raw:
            held = {name: raw[name] for name in raw.files}
        if int(held["schema"]) != SCHEMA:
            raise TruthError(f"{path} has schema {held['schema']}, this program reads {SCHEMA}; update the program")
        names = [str(name) for name in held["names"]]
        cameras = {
            name: Camera(int(held["size_px"][i, 0]), int(held["size_px"][i, 1]), held["K"][i], held["dist"][i],
                         cam_from_world=held["cam_from_world"][i])
            for i, name in enumerate(names)
        }  # fmt: skip
        clocks = {name: Clock(*(float(v) for v in held["clock"][i])) for i, name in enumerate(names)}
        shots = {name: Shots(held[f"{name}_time_s"], held[f"{name}_joints_world_m"]) for name in names}
        return Truth(held["time_s"], held["joints_world_m"], cameras, clocks, shots, float(held["height_m"]))
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise TruthError(f"{path} is damaged ({error}); render the take again") from None
