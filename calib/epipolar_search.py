"""Essential matrices that many of the pairs agree with: the best of OpenCV's samplers, each only a start.

Measured (`python -m tests.calib.people_table`): none of the samplers is best everywhere, all of them stay behind the
refinement of `epipolar_fit`, and the plain one does not get better with more frames.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.epipolar import Matrix, Pairs, best_of

THRESHOLD_PX = 3.0  # at 950 px of focal length: what still counts as agreement
NOMINAL_FOCAL_PX = 950.0
CONFIDENCE = 0.9999
PAIRS_MIN = 8
METHODS = {"accurate": cv2.USAC_ACCURATE, "magsac": cv2.USAC_MAGSAC, "ransac": cv2.RANSAC}


def threshold_px(pairs: Pairs) -> float:
    """What counts as agreement: the same angle whatever the lens."""
    return THRESHOLD_PX * max(pairs.focal_px / NOMINAL_FOCAL_PX, 0.3)


def sampled(pairs: Pairs, method: str, *, limit_px: float | None = None) -> list[Matrix]:
    """What one sampler finds: mostly one matrix, several where the pairs are few, none where it gives up."""
    if len(pairs) < 5:
        return []
    limit = (limit_px or threshold_px(pairs)) / pairs.focal_px
    a, b = np.ascontiguousarray(pairs.a), np.ascontiguousarray(pairs.b)
    try:
        found, _ = cv2.findEssentialMat(a, b, np.eye(3), METHODS[method], CONFIDENCE, limit)
    except cv2.error:  # a sample that no camera could have seen
        return []
    if found is None or found.shape[1] != 3:
        return []
    return [E for E in found.reshape(-1, 3, 3).astype(np.float64) if np.isfinite(E).all() and np.abs(E).max() > 0]


def candidates(pairs: Pairs) -> list[Matrix]:
    """One matrix from each sampler: the best of what it gives."""
    found = []
    for method in METHODS:
        best = best_of(sampled(pairs, method), pairs, 3 * threshold_px(pairs))
        if best is not None:
            found.append(best)
    return found


def thinned(pairs: Pairs, frames_max: int) -> Pairs:
    """Pairs of at most so many frames, spread over all of them."""
    frames = np.unique(pairs.frame)
    if len(frames) <= frames_max:
        return pairs
    kept = frames[np.linspace(0, len(frames) - 1, frames_max).round().astype(int)]
    return pairs.picked(np.isin(pairs.frame, kept))


def shuffled(pairs: Pairs, seed: int) -> Pairs:
    """Half of the frames, by chance: another start for the samplers."""
    frames = np.unique(pairs.frame)
    rng = np.random.default_rng(seed)
    kept = rng.choice(frames, max(len(frames) // 2, 1), replace=False)
    return pairs.picked(np.isin(pairs.frame, kept))


def spread_ratio(values: Float64[ndarray, "n"]) -> float:
    """Standard deviation of the values without outliers, by their median."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if len(values) else float("nan")
