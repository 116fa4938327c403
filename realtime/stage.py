"""Where people stand in the views of space: the point that the eye keeps, and the floor under the feet.

Axes are the camera's: x right, y down, z forward.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import CORE, L_ANKLE, R_ANKLE
from realtime.result import Person

# where a person stands whose distance nobody knows
UNKNOWN_ROOT_M = (0.0, 0.0, 3.0)
START_FLOOR_Y_M = 0.95  # under the camera, until somebody is seen
# an ankle's centre lies this far above the sole
ANKLE_HEIGHT_M = 0.08
# shares of the way per frame: one wrong frame must not throw the view about
FOLLOW_GAIN, FLOOR_GAIN = 0.06, 0.06
# people further than this from the one who is nearest to the camera do not pull the eye along
GROUP_M = 3.0
# the eye rests once it is this near to where it should be
ARRIVED_M = 0.05


def joints_in_space(person: Person) -> Float64[ndarray, "joints 3"]:
    """Metres in camera axes; somebody whose distance is not known stands at `UNKNOWN_ROOT_M`."""
    return person.offsets_m + (UNKNOWN_ROOT_M if person.root_m is None else person.root_m)


class Stage:
    """Follows people and floor from frame to frame: at once to the first person, then slowly.

    Within `slack_m` of the people the eye stays where it is, so that the room stands still.
    """

    def __init__(self, *, slack_m: float = 0.0) -> None:
        self.target_m: Float64[ndarray, "3"] = np.array(UNKNOWN_ROOT_M)
        self.floor_y_m = START_FLOOR_Y_M
        self.reach_m = 0.0  # of the people who are kept in view, sideways from the target
        self._slack_m = slack_m
        self._seen_anybody = False
        self._moving = False

    def follow(self, people_m: Sequence[Float64[ndarray, "joints 3"]], focus: int | None = None) -> None:
        """One frame's people. The eye keeps the person at place `focus`, or else the group nearest to the camera."""
        if not people_m:
            return
        middles = [p[CORE].mean(axis=0) for p in people_m]
        nearest = min(middles, key=lambda m: float(m[2]))
        near = [k for k, m in enumerate(middles) if np.linalg.norm(m - nearest) < GROUP_M]
        group = near if focus is None else [focus]
        middle = np.mean([middles[k] for k in group], axis=0)
        floor_y_m = float(np.mean([people_m[k][[R_ANKLE, L_ANKLE], 1].max() for k in group])) + ANKLE_HEIGHT_M
        self.reach_m = max(float(np.hypot(*(middles[k] - middle)[[0, 2]])) for k in group)
        if not self._seen_anybody:
            self.target_m, self.floor_y_m, self._seen_anybody = middle, floor_y_m, True
        away_m = float(np.linalg.norm(middle - self.target_m))
        self._moving = away_m > (min(ARRIVED_M, self._slack_m) if self._moving else self._slack_m)
        if self._moving:
            self.target_m = self.target_m + FOLLOW_GAIN * (middle - self.target_m)
        self.floor_y_m += FLOOR_GAIN * (floor_y_m - self.floor_y_m)
