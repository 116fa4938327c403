"""The score map: how likely a joint with this spread lies within 0.2 torso, fitted on people not trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.optimize import minimize

from engine.joints import ScoreMap


def fit_score_map(sigma: Float64[ndarray, "n 3"], hit: Bool[ndarray, "n"]) -> ScoreMap:
    """Logistic regression of hits on the logarithm of the spread (Platt 1999).

    Where all joints are right, or all wrong, the spread tells nothing: every score is the share of hits (Laplace).
    """
    if hit.all() or not hit.any():
        return ScoreMap(intercept=float(np.log((hit.sum() + 1) / ((~hit).sum() + 1))), slope=0.0)
    x = np.log(np.hypot(sigma[:, 0], sigma[:, 1]) + 1e-6)
    sign = np.where(hit, 1.0, -1.0)

    def loss(line: Float64[ndarray, "2"]) -> float:
        return float(np.logaddexp(0.0, -sign * (line[0] + line[1] * x)).mean())

    best = minimize(loss, np.array([0.0, -1.0]), method="BFGS")
    return ScoreMap(intercept=float(best.x[0]), slope=float(best.x[1]))


def expected_calibration_error(score: Float64[ndarray, "n"], hit: Bool[ndarray, "n"], *, bins: int = 10) -> float:
    """Mean gap between score and hit rate over equal-width bins, weighted by count (Naeini et al., AAAI 2015)."""
    index = np.minimum((score * bins).astype(int), bins - 1)
    gaps = [abs(score[index == b].mean() - hit[index == b].mean()) * (index == b).sum() for b in np.unique(index)]
    return float(sum(gaps) / len(score))


def auroc(score: Float64[ndarray, "n"], positive: Bool[ndarray, "n"]) -> float:
    """Probability that a positive scores above a negative (Mann-Whitney); NaN without both."""
    if positive.all() or not positive.any():
        return float("nan")
    order = np.argsort(score, kind="stable")
    ranks = np.empty(len(score))
    _, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks[order] = ((ends - counts + 1 + ends) / 2)[inverse]
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))
