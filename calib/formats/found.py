"""What a reader gives back before units are settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from calib.camera import Camera
from calib.errors import UserError
from calib.formats.units import Unit
from calib.rig import Rig


@dataclass(frozen=True, slots=True)
class ReadRig:
    """A rig from a file, in metres."""

    rig: Rig
    format: str  # as in `calib.formats.FORMATS`
    notes: tuple[str, ...] = ()  # what was assumed or left out, a sentence each


@dataclass(frozen=True, slots=True)
class Found:
    """Cameras with their places in the file's own unit."""

    cameras: Mapping[str, Camera]
    unit: Unit | None  # None: neither the format nor the file says it
    scale_free: bool = False  # the format has no unit at all
    notes: tuple[str, ...] = ()

    def placed(self, where: str) -> Found:
        """Only cameras that can stand in one rig: a single one, or those that have a place."""
        if not self.cameras:
            raise UserError(f"{where} has no camera; give the calibration file")
        homeless = [name for name, camera in self.cameras.items() if camera.cam_from_world is None]
        if not homeless or len(self.cameras) == 1:
            return self
        kept = {name: camera for name, camera in self.cameras.items() if name not in homeless}
        if not kept:
            raise UserError(f"{where} has lenses of {len(homeless)} cameras but no places; calibrate the rig as well")
        return replace(self, cameras=kept, notes=(*self.notes, f"left out, without a place: {', '.join(homeless)}"))
