"""`truth.npz` of a synthetic take: what evaluation alone may read.

`time_s` (m) on the rig's clock, `joints_world_m` (m, 16, 3), and by camera in the take's order `K` (c, 3, 3), `dist`,
`cam_from_world` (c, 4, 4), `clock` (c, 2): offset in seconds and drift in ppm; rig time = own + offset + drift * own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.rig import Clock
from calib.sync import rig_time_s
from realtime.takes.about import read_about
from realtime.takes.arrays import read_arrays

NAME = "truth.npz"


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the joints really were."""

    names: tuple[str, ...]
    time_s: Float64[ndarray, "m"]
    joints_world_m: Float64[ndarray, "m 16 3"]
    cam_from_world: Float64[ndarray, "c 4 4"]
    clocks: tuple[Clock, ...]

    def joints_cam_m(self, name: str, own_s: Float64[ndarray, "n"]) -> Float64[ndarray, "n 16 3"]:
        """In a camera's axes at moments of its own clock; NaN outside what is known."""
        number = self.names.index(name)
        at_s = rig_time_s(own_s, self.clocks[number])
        flat = self.joints_world_m.reshape(len(self.time_s), -1)
        columns = [np.interp(at_s, self.time_s, column, left=np.nan, right=np.nan) for column in flat.T]
        world_m = np.stack(columns, axis=1).reshape(len(own_s), 16, 3)
        T = self.cam_from_world[number]
        return world_m @ T[:3, :3].T + T[:3, 3]


def read_truth(folder: Path) -> Truth | None:
    """None where the take has none. TakeError where it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    names = ("time_s", "joints_world_m", "cam_from_world", "clock")
    held = read_arrays(path, names, again="render the take again")
    clocks = tuple(Clock(float(row[0]), float(row[1])) for row in np.asarray(held["clock"], np.float64).reshape(-1, 2))
    return Truth(
        tuple(read_about(folder).cameras),
        held["time_s"].astype(np.float64),
        held["joints_world_m"].astype(np.float64),
        held["cam_from_world"].astype(np.float64),
        clocks,
    )
