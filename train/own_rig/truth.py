"""`truth.npz` of a synthetic take: what evaluation alone may read.

By camera `NAME_joints_world_m` (n, 16, 3), row by row as in its table, and in the order of `names` the true cameras:
`size_px` (c, 2), `K`, `dist`, `cam_from_world` (c, 4, 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.camera import Camera
from realtime.takes.about import read_about
from realtime.takes.arrays import read_arrays

NAME = "truth.npz"


@dataclass(frozen=True, slots=True)
class Truth:
    """Where the joints really were in each frame, and where the cameras stood."""

    joints_world_m: Mapping[str, Float64[ndarray, "_ 16 3"]]
    cameras: Mapping[str, Camera]

    def joints_cam_m(self, name: str, rows: Int64[ndarray, "n"]) -> Float64[ndarray, "n 16 3"]:
        """In a camera's axes, in some of its frames."""
        camera = self.cameras[name]
        return self.joints_world_m[name][rows] @ camera.R.T + camera.t


def read_truth(folder: Path) -> Truth | None:
    """None where the take has none. TakeError where it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    names = list(read_about(folder).cameras)
    wanted = [f"{name}_joints_world_m" for name in names]
    held = read_arrays(
        path, ("names", "size_px", "K", "dist", "cam_from_world", *wanted), again="render the take again"
    )
    cameras = {}
    for i, name in enumerate(held["names"]):
        K, dist, pose = (held[key][i].astype(float) for key in ("K", "dist", "cam_from_world"))
        cameras[str(name)] = Camera(
            int(held["size_px"][i, 0]), int(held["size_px"][i, 1]), K, dist, cam_from_world=pose
        )
    return Truth({name: held[f"{name}_joints_world_m"].astype(float) for name in names}, cameras)
