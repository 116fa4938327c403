"""Whether both focal lengths are wrong by the same share: with a wrong one bones change their length as they turn.

The essential matrix cannot say it: cameras that look at one place leave the common focal length free (Kruppa's
equations degenerate; Sturm 2001), and freed it is unsure by a factor of e. But a wrong one stretches depth, so
that a rigid bone seems longer in one direction than in another.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.bone_prior import bone_lengths
from calib.epipolar import Pairs, Relative
from calib.epipolar_fit import Fit, refined
from calib.epipolar_search import NOMINAL_FOCAL_PX, thinned
from calib.joint_track import Body

LOGS = np.linspace(-0.3, 0.3, 9)  # focal lengths that are tried
FRAMES = 300
SEEN_MIN = 30  # frames in which a bone was seen
FARTHEST = 0.15  # a length further from the bone's median, as a logarithm, says no more than this
WIDTHS = (3.0,)
# noise is largest in depth and lengthens bones there, which looks like a lens too short; measured with made-up
# people, 0.5 to 6 px of noise (`tests/calib/test_focal_bones.py`)
BIAS, BIAS_PER_PX = 0.022, 0.010  # px at 950 px of focal length
WORTH_SAYING = 0.06


def focal_by_bones(fit: Fit, body: Body) -> float:
    """The logarithm of what both focal lengths should be multiplied with for bones to be most rigid; NaN if unknown."""
    pairs = thinned(fit.pairs, FRAMES)
    spreads = np.array([_spread(fit.relative, scaled(pairs, log), fit.width_px, body) for log in LOGS])
    if not np.isfinite(spreads).all():
        return float("nan")
    fine = np.linspace(LOGS[0], LOGS[-1], 601)
    best = float(fine[np.argmin(np.polyval(np.polyfit(LOGS, spreads, 3), fine))])
    return best - BIAS - BIAS_PER_PX * fit.sigma_px * NOMINAL_FOCAL_PX / fit.pairs.focal_px


def scaled(pairs: Pairs, log: float) -> Pairs:
    """The same pixels through lenses that are longer by exp(log)."""
    return replace(pairs, a=pairs.a * np.exp(-log), b=pairs.b * np.exp(-log), focal_px=pairs.focal_px * np.exp(log))


def _spread(start: Relative, pairs: Pairs, width_px: float, body: Body) -> float:
    """Mean squared deviation of bones from their median lengths, logarithms; with the pose that fits these lenses."""
    relative = refined(pairs, start, widths=WIDTHS).relative
    spreads = [_of_bone(lengths) for lengths in bone_lengths(relative, pairs, width_px, body)]
    known = [spread for spread in spreads if np.isfinite(spread)]
    return float(np.mean(known)) if known else float("nan")


def _of_bone(lengths: Float64[ndarray, "frames"]) -> float:
    if len(lengths) < SEEN_MIN:
        return float("nan")
    logs = np.log(lengths)
    return float(np.mean(np.minimum(np.abs(logs - np.median(logs)), FARTHEST) ** 2))
