"""The score map: how likely a joint lies within 0.2 torso, fitted on people not trained on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from scipy.optimize import minimize

from engine.joints import ScoreMap, mass_logit


def fit_score_map(mass: Float64[ndarray, "n"], fill: Float64[ndarray, "n"], hit: Bool[ndarray, "n"]) -> ScoreMap:
    """Logistic regression of hits on the mass' logit and the logarithm of the fill (Platt 1999).

    Where all joints are right, or all wrong, nothing ranks them: every score is the share of hits (Laplace).
    """
    if hit.all() or not hit.any():
        return ScoreMap(intercept=float(np.log((hit.sum() + 1) / ((~hit).sum() + 1))), mass=0.0, fill=0.0)
    x = np.column_stack([np.ones(len(hit)), mass_logit(mass), np.log(fill)])
    sign = np.where(hit, 1.0, -1.0)
    best = minimize(lambda line: float(np.logaddexp(0.0, -sign * (x @ line)).mean()), np.zeros(3), method="BFGS")
    return ScoreMap(*(float(v) for v in best.x))


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
