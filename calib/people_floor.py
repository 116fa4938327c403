"""The floor under a person: where feet came to rest, lowered by the height of the ankle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib import floor as floors
from calib.errors import UserError
from calib.joint_track import Body
from calib.labels import Labels
from calib.verdict import Reason

REST_SPEED = 0.2  # heights per second: a foot that moves slower stands
FEET_MAX = 2000


def standing_feet(labels: Labels, body: Body) -> Float64[ndarray, "n 3"]:
    """Kept feet that hardly move, in the labels' axes and unit."""
    if len(labels.time_s) < 3:
        return np.zeros((0, 3))
    feet = list(body.feet)
    points, kept = labels.points[:, feet], labels.kept[:, feet]
    speed = np.linalg.norm(np.gradient(points, labels.time_s, axis=0), axis=-1)
    resting = points[kept & (speed < REST_SPEED * labels.height)]
    step = max(len(resting) // FEET_MAX, 1)
    return resting[::step]


def ground_of(
    feet_m: Float64[ndarray, "n 3"], centers_m: Float64[ndarray, "cameras 3"], height_m: float, body: Body
) -> floors.Ground:
    """The floor in the first camera's axes; where feet do not give it, under the lowest that was seen, and said."""
    try:
        ground = floors.from_feet(floors.FloorFeet(feet_m), centers_m)
    except UserError as error:
        up = np.array([0.0, -1.0, 0.0])
        lowest_m = max([0.0, *(-(feet_m @ up)), *(-(centers_m @ up))])
        text = f"the floor is not known ({error}); up is the top of the first camera's picture"
        return floors.Ground(up, float(lowest_m), (Reason("yellow", text),))
    return replace(ground, height_m=ground.height_m + body.foot_part * height_m)
