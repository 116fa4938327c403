"""Whether two engines say the same: what a compiled network must show before it is used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from engine.decode import Z_RANGE
from engine.model import Architecture

APART_VOXELS = 1.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the joints of two engines lie apart on the same crops, or how far they may."""

    median_voxels: float  # of all coordinates
    apart: float  # share of joints more than APART_VOXELS apart along x or y, or not finite

    def within(self, tolerance: Agreement) -> bool:
        """Whether the one engine may stand for the other. What is not a number may not."""
        return self.median_voxels <= tolerance.median_voxels and self.apart <= tolerance.apart

    def against(self, tolerance: Agreement) -> str:
        """For people."""
        return (
            f"median {self.median_voxels:.3f} voxel, at most {tolerance.median_voxels}; "
            f"{100 * self.apart:.1f} % of the joints apart, at most {100 * tolerance.apart:.0f} %"
        )


def agreement(
    ours: Float32[ndarray, "n joints 7"], theirs: Float32[ndarray, "n joints 7"], architecture: Architecture
) -> Agreement:
    """Compare the joints of two engines, in voxels of the network's volume."""
    voxels = voxels_apart(ours, theirs, architecture)
    return Agreement(float(np.median(voxels)), float((~(voxels[..., :2].max(-1) <= APART_VOXELS)).mean()))


def voxels_apart(
    ours: Float32[ndarray, "n joints 7"], theirs: Float32[ndarray, "n joints 7"], architecture: Architecture
) -> Float32[ndarray, "n joints 3"]:
    """Distance along x, y and z, in voxels."""
    side = architecture.input_px // 4
    return np.abs(ours - theirs)[..., :3] * np.array([side, side, architecture.depth_bins / Z_RANGE], np.float32)
