"""What fixes the metre: cues with standard deviations, brought together and held against each other.

A cue says how long something is; the rig, in its present unit, says how long it comes out. Their ratio is a scale. Cues
are averaged over logarithms by their weights, and chi-square says whether they can all be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.stats import chi2

from calib.errors import UserError
from calib.rig import Rig
from calib.verdict import Reason

SQUARE_SIGMA = 0.004  # printing and measuring, relative
TAPE_SIGMA_M = 0.01  # lens fronts are not where the rays meet
HEIGHT_SIGMA = 0.015  # bones as parts of the body's height differ between people
BOARD = "the board"
DOUBTFUL, IMPOSSIBLE = 0.05, 0.001  # probability of a chi-square as large: yellow, red


@dataclass(frozen=True, slots=True)
class Reading:
    """One cue held against a rig: both lengths in metres, the first by the cue, the second by the rig as it is."""

    name: str
    says_m: float
    rig_m: float
    sigma: float  # relative, of the ratio
    advice: str  # what to do where it is wrong

    @property
    def log_scale(self) -> float:
        """Logarithm of what the rig must be multiplied with."""
        return float(np.log(self.says_m / self.rig_m))


@runtime_checkable
class Cue(Protocol):
    """Something that says how long a metre is."""

    def reading(self, rig: Rig) -> Reading:
        """The cue against a rig."""
        ...


@dataclass(frozen=True, slots=True)
class Squares:
    """The board's squares as they were given: the rig is made in their unit."""

    square_m: float
    sigma: float = SQUARE_SIGMA

    def reading(self, rig: Rig) -> Reading:
        """The rig has exactly this size."""
        return Reading(BOARD, self.square_m, self.square_m, self.sigma, "measure the squares again")


@dataclass(frozen=True, slots=True)
class Tape:
    """A tape measure from lens front to lens front; between the first two cameras unless named."""

    length_m: float
    between: tuple[str, str] | None = None
    sigma_m: float = TAPE_SIGMA_M

    def __post_init__(self) -> None:
        if not 0.01 <= self.length_m <= 100:
            raise UserError(f"--tape takes the distance between the lenses in metres, not {self.length_m:g}")

    def reading(self, rig: Rig) -> Reading:
        """Against the distance of the two cameras. UserError where a camera is not there."""
        names = list(rig.cameras)
        a, b = self.between or (names[0], names[1] if len(names) > 1 else names[0])
        if a == b or not {a, b} <= set(names):
            raise UserError(f"--tape needs two cameras of {', '.join(names)}, not {a} and {b}")
        return Reading("the tape", self.length_m, rig.baseline_m(a, b), self.sigma_m / self.length_m, "measure again")


@dataclass(frozen=True, slots=True)
class Height:
    """A person's height, and the height that comes out of the rig as it is (from bones, by whoever knows bones)."""

    height_m: float
    rig_m: float
    sigma: float = HEIGHT_SIGMA

    def __post_init__(self) -> None:
        if not 0.5 <= self.height_m <= 2.5:
            raise UserError(f"--height takes a person's height in metres, not {self.height_m:g}")

    def reading(self, rig: Rig) -> Reading:
        """Against the measured body."""
        return Reading("the height", self.height_m, self.rig_m, self.sigma, "ask for the height without shoes")


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale that cues give together."""

    factor: float  # multiply the rig's lengths with it
    sigma: float  # relative; widened where the cues disagree
    readings: tuple[Reading, ...]
    probability: float | None  # of a disagreement as large if all are right; None: nothing to compare

    @property
    def reasons(self) -> list[Reason]:
        """Whether the cues agree, in a sentence that names the two that lie farthest apart."""
        if self.probability is None:
            return []
        by_size = sorted(self.readings, key=lambda reading: reading.log_scale)
        # the board, or else the least sure, is the one to look at again
        first, last = sorted((by_size[0], by_size[-1]), key=lambda reading: (reading.name == BOARD, reading.sigma))
        shown = _common_length(self.readings)
        said = f"{first.name} says {shown * np.exp(first.log_scale):.2f} m, {last.name} says "
        said += f"{shown * np.exp(last.log_scale):.2f} m"
        if self.probability >= DOUBTFUL:
            return [Reason("green", f"the measures agree: {said}")]
        text = f"{said}: {last.advice}, and check that focus and zoom are those of the lens calibration"
        return [Reason("red" if self.probability < IMPOSSIBLE else "yellow", text)]


def combined(readings: Sequence[Reading]) -> Scale:
    """The weighted mean over logarithms, its standard deviation, and chi-square between the cues."""
    if not readings:
        raise ValueError("no cue, no scale")
    for reading in readings:
        if not (reading.says_m > 0 and reading.rig_m > 0 and reading.sigma > 0):
            raise ValueError(f"a cue compares two lengths and has a sigma, got {reading}")
    logs = np.array([reading.log_scale for reading in readings])
    weights = np.array([reading.sigma**-2.0 for reading in readings])
    mean = float(weights @ logs / weights.sum())
    sigma = float(weights.sum() ** -0.5)
    if len(readings) == 1:
        return Scale(float(np.exp(mean)), sigma, tuple(readings), None)
    squares, freedom = float(weights @ (logs - mean) ** 2), len(readings) - 1
    widened = sigma * max(1.0, (squares / freedom) ** 0.5)
    return Scale(float(np.exp(mean)), widened, tuple(readings), float(chi2.sf(squares, freedom)))


def _common_length(readings: Sequence[Reading]) -> float:
    """The length in which the cues are compared, as the rig has it: the tape's, else the height's."""
    named = {reading.name: reading.rig_m for reading in readings}
    return named.get("the tape", named.get("the height", readings[0].rig_m))
