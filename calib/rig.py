"""Several cameras in one world: what calibration gives and what everything downstream reads.

World: metres, z up, floor at z = 0, origin on the floor under the first camera. x_cam = R x_world + t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, inverted
from calib.verdict import Light


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a rig is and what it was made from; None where it is not known."""

    verdict: Light
    reasons: tuple[str, ...] = ()
    made_from: str = "unknown"  # "board", "people", "imported"
    metric: bool = False  # lengths are metres, by a measured square, a tape or a body height
    rms_px: float | None = None
    rotation_sigma_deg: float | None = None
    translation_sigma_deg: float | None = None  # of its direction
    scale_sigma: float | None = None  # relative


@dataclass(frozen=True, slots=True)
class Clock:
    """A camera's clock against the rig's: time_rig = time_camera + offset + drift * time_camera."""

    offset_s: float = 0.0
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True)
class Rig:
    """Cameras by name, in order; each has a place in the world. ValueError otherwise."""

    cameras: Mapping[str, Camera]
    clocks: Mapping[str, Clock] = field(default_factory=dict)  # absent: no offset, no drift
    quality: Quality | None = None

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("a rig needs at least one camera")
        homeless = [name for name, camera in self.cameras.items() if camera.cam_from_world is None]
        if homeless and len(self.cameras) > 1:
            raise ValueError(f"cameras without a place in the world: {', '.join(homeless)}")
        if strange := set(self.clocks) - set(self.cameras):
            raise ValueError(f"clocks of cameras that are not there: {', '.join(sorted(strange))}")

    def b_from_a(self, a: str, b: str) -> Float64[ndarray, "4 4"]:
        """Camera b's axes from camera a's."""
        of_a, of_b = self.cameras[a].cam_from_world, self.cameras[b].cam_from_world
        if of_a is None or of_b is None:
            raise ValueError(f"{a} or {b} has no place in the world")
        return of_b @ inverted(of_a)

    def baseline_m(self, a: str, b: str) -> float:
        """Distance between two cameras."""
        return float(np.linalg.norm(self.b_from_a(a, b)[:3, 3]))
