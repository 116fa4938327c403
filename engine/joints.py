"""What an engine says about one frame, and its meaning in the full image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from numpy import ndarray

from engine.crop import BOX_MARGIN, Box, crop_camera, crop_px_from_units
from engine.skeleton import CORE, ROOT

# a pose smaller than this in its crop is no pose that could be judged
FILL_MIN = 0.2
# keeps the logit of a mass of 0 or 1 finite
MASS_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """Raw numbers of one frame, a row per box."""

    joints: Float32[ndarray, "people joints 7"]  # x, y, z in crop units, their sigmas, mass around the peak
    presence: Float32[ndarray, "people"]  # probability that the crop shows a person

    @classmethod
    def nobody(cls, joints: int) -> EngineOutput:
        """Of a frame without boxes."""
        return cls(np.zeros((0, joints, 7), np.float32), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Joints:
    """One person's joints in the full image."""

    px: Float64[ndarray, "joints 2"]  # full-image pixels
    depth: Float64[ndarray, "joints"]  # crop units from the root, see engine/crop.py
    sigma: Float64[ndarray, "joints 3"]  # crop units
    score: Float64[ndarray, "joints"]  # probability of being within 0.2 torso
    presence: float
    box: Box


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """The probability that a joint lies within 0.2 torso, from its mass around the peak: a logistic curve.

    Where somebody is small in the crop, the same mass stands within a larger part of the body, so it says less.
    """

    intercept: float
    mass: float  # per unit of the mass' logit, positive
    fill: float  # per unit of log(fill), positive

    def __call__(self, mass: Float64[ndarray, "... j"], fill: Float64[ndarray, "..."]) -> Float64[ndarray, "... j"]:
        """Scores in [0, 1] from masses in [0, 1] and from how far each person fills the crop."""
        logit = self.intercept + self.mass * mass_logit(mass) + self.fill * np.log(fill)[..., None]
        return 0.5 * (1.0 + np.tanh(0.5 * logit))  # the logistic function, which no logit overflows


def mass_logit(mass: Float64[ndarray, "..."]) -> Float64[ndarray, "..."]:
    """log(m / (1 - m)), finite at both ends."""
    return np.log((mass + MASS_FLOOR) / (1.0 - mass + MASS_FLOOR))


def fill_of(units: Float64[ndarray, "... joints 2"]) -> Float64[ndarray, "..."]:
    """How far a pose fills its crop: 1 in a box as training has it, less where the person is small.

    Boxes are made around the joints of CORE, so these are what counts.
    """
    extent = np.ptp(units[..., CORE, :], axis=-2).max(axis=-1)
    return np.asarray(np.clip(extent * BOX_MARGIN, FILL_MIN, 1.0))


def read_joints(
    output: EngineOutput, boxes: list[Box], K: Float64[ndarray, "3 3"], score_map: ScoreMap
) -> list[Joints]:
    """An engine's raw output as joints in the full image, one per box."""
    people = []
    for row, presence, box in zip(output.joints.astype(np.float64), output.presence, boxes, strict=True):
        camera = crop_camera(box, K, 1)  # with a crop of one pixel, units and pixels differ by a shift
        px = camera.to_px(crop_px_from_units(row[:, :2], 1))
        score = score_map(row[:, 6], fill_of(row[:, :2]))
        people.append(Joints(px, row[:, 2] - row[ROOT, 2], row[:, 3:6], score, float(presence), box))
    return people
