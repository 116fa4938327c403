"""Which pictures of a take are shown more often: those that the network gets wrong.

Most of what one camera gets wrong lies in few pictures: somebody turned away whose left and right are exchanged, a limb
behind the trunk. Two cameras got their labels right, and a run is too short to come by them often enough by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.weights import Weights
from realtime.progress import Step
from train.datasets.sample import Sample
from train.own_rig.regression import people_errors
from train.pose_errors import mean_mm

BOUNDS = (0.5, 3.0)  # a picture is never left out, and a label that is wrong itself does not take over
CHUNK = 200


def how_often(weights: Weights, samples: Sequence[Sample], size_px: int, step: Step) -> Float64[ndarray, "n"]:
    """How often each sample is to be drawn, 1 for a usual one: its error over the usual error, within bounds."""
    model, errors = weights.decoded(), np.empty(len(samples))
    for first in range(0, len(samples), CHUNK):
        chunk = samples[first : first + CHUNK]
        of_joints = people_errors(model, chunk, size_px).n_mpjpe
        errors[first : first + len(chunk)] = [mean_mm(of_pose[None]) for of_pose in of_joints]
        step(first + len(chunk), len(samples), "what is hard")
    told = np.isfinite(errors)  # a pose without its root tells nothing
    usual = float(np.median(errors[told])) if told.any() else 0.0
    return np.where(told, np.clip(errors / usual, *BOUNDS), 1.0) if usual > 0 else np.ones(len(samples))
