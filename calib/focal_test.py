"""Whether the joints would rather have other focal lengths: a test that warns, and never changes a lens.

With both focal lengths free the joints of a detector, each a little off in its own way, pull them anywhere: on a real
clip 5 to 40 % away. So what is asked is only whether the wish is far larger than its standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.epipolar import Matrix
from calib.epipolar_fit import Fit, Linear, Residuals, covariance, loss_weights, moved, newton_step, steps_of

STEPS = 8
PRIOR_SIGMA = 0.2  # of the logarithm: keeps the search near where it makes sense
WORTH_SAYING = 0.05  # relative
SURE = 3.0  # standard deviations


@dataclass(frozen=True, slots=True)
class FocalWish:
    """What the joints would multiply focal lengths with, as logarithms; positive: they want a longer lens."""

    both: float  # the same for both cameras
    both_sigma: float
    apart: float  # second camera against the first
    apart_sigma: float

    @property
    def warns_of_one(self) -> bool:
        """The lenses do not seem to belong to each other."""
        return abs(self.apart) > WORTH_SAYING and abs(self.apart) > SURE * self.apart_sigma


def focal_wish(fit: Fit) -> FocalWish:
    """The pose and both focal lengths together, from the best pose."""
    relative, logs = fit.relative, np.zeros(2)
    prior = np.zeros((7, 7))
    prior[5:, 5:] = np.eye(2) * (fit.sigma_px / PRIOR_SIGMA) ** 2
    for _ in range(STEPS):
        linear = _linearised(relative.E, steps_of(relative), logs, fit)
        weights = loss_weights(linear.residuals_px, fit.pairs.weight, fit.width_px)
        step = newton_step(linear, weights, prior)
        relative, logs = moved(relative, step), np.clip(logs + step[5:], -0.7, 0.7)
    C = covariance(linear, fit.pairs, fit.width_px)[5:, 5:]
    mean, apart = np.array([0.5, 0.5]), np.array([-1.0, 1.0])
    return FocalWish(
        float(mean @ logs), float(np.sqrt(mean @ C @ mean)), float(apart @ logs), float(np.sqrt(apart @ C @ apart))
    )


def _linearised(E: Matrix, steps: list[Matrix], logs: Float64[ndarray, "2"], fit: Fit) -> Linear:
    """Residuals stay in the pixels that were seen: a longer lens means that rays lie nearer to the axis."""
    of_a, of_b = (np.diag([np.exp(-log), np.exp(-log), 1.0]) for log in logs)
    by_a, by_b = (np.diag([-np.exp(-log), -np.exp(-log), 0.0]) for log in logs)
    turned = [of_b @ step @ of_a for step in steps]
    return Residuals.of(of_b @ E @ of_a, fit.pairs).linear([*turned, of_b @ E @ by_a, by_b @ E @ of_a])
