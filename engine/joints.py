"""What an engine says about one frame, and its meaning in the full image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from engine.crop import BOX_MARGIN, Box, crop_camera, crop_px_from_units

# a pose smaller than this in its crop is no pose that could be judged
FILL_MIN = 0.2


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """Raw numbers of one frame, a row per box."""

    joints: Float32[ndarray, "people 16 6"]  # x, y, z in crop units, then their sigmas
    presence: Float32[ndarray, "people"]  # probability that the crop shows a person


@dataclass(frozen=True, slots=True)
class Joints:
    """One person's joints in the full image."""

    px: Float64[ndarray, "16 2"]  # full-image pixels
    depth: Float64[ndarray, "16"]  # crop units from the root, see engine/crop.py
    sigma: Float64[ndarray, "16 3"]  # crop units
    score: Float64[ndarray, "16"]  # probability of being within 0.2 torso
    presence: float
    box: Box


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """Maps a joint's spread to the probability that it lies within 0.2 torso: a logistic curve."""

    intercept: float
    slope: float  # per unit of log(spread in crop units), negative

    def __call__(self, sigma: Float64[ndarray, "... 3"]) -> Float64[ndarray, "..."]:
        """Scores in [0, 1] from the spreads along x, y, z; z plays no part."""
        spread = np.hypot(sigma[..., 0], sigma[..., 1])
        return 1.0 / (1.0 + np.exp(-(self.intercept + self.slope * np.log(spread + 1e-6))))


def read_joints(
    output: EngineOutput, boxes: list[Box], K: Float64[ndarray, "3 3"], score_map: ScoreMap
) -> list[Joints]:
    """An engine's raw output as joints in the full image, one per box."""
    people = []
    for row, presence, box in zip(output.joints.astype(np.float64), output.presence, boxes, strict=True):
        camera = crop_camera(box, K, 1)  # with a crop of one pixel, units and pixels differ by a shift
        px = camera.to_px(crop_px_from_units(row[:, :2], 1))
        # the map was fitted on people who fill their crop: where somebody is small in it, the same spread means more
        fill = float(np.clip(np.ptp(row[:, :2], axis=0).max() * BOX_MARGIN, FILL_MIN, 1.0))
        score = score_map(row[:, 3:] / fill)
        people.append(Joints(px, row[:, 2] - row[6, 2], row[:, 3:], score, float(presence), box))
    return people
