"""`truth.npz` of a synthetic take: what evaluation alone may read.

By camera `NAME_joints_world_m` (n, 16, 3), row by row as in its table, and `cam_from_world` (c, 4, 4) in the order of
`names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float64, Int64
from numpy import ndarray

from realtime.takes.about import read_about
from realtime.takes.arrays import read_arrays

NAME = "truth.npz"


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the joints really were in each frame, and where the cameras stood."""

    joints_world_m: Mapping[str, Float64[ndarray, "_ 16 3"]]
    cam_from_world: Mapping[str, Float64[ndarray, "4 4"]]

    def joints_cam_m(self, name: str, rows: Int64[ndarray, "n"]) -> Float64[ndarray, "n 16 3"]:
        """In a camera's axes, in some of its frames."""
        T = self.cam_from_world[name]
        return self.joints_world_m[name][rows] @ T[:3, :3].T + T[:3, 3]


def read_truth(folder: Path) -> Truth | None:
    """None where the take has none. TakeError where it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    cameras = list(read_about(folder).cameras)
    wanted = [f"{camera}_joints_world_m" for camera in cameras]
    held = read_arrays(path, ("names", "cam_from_world", *wanted), again="render the take again")
    at = {str(name): i for i, name in enumerate(held["names"])}
    return Truth(
        {camera: held[f"{camera}_joints_world_m"].astype(float) for camera in cameras},
        {camera: held["cam_from_world"][at[camera]].astype(float) for camera in cameras},
    )
