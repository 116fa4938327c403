"""Where wrists and ankles have just been: tails that get thinner and darker with age."""

from __future__ import annotations

from collections import deque

import numpy as np
from jaxtyping import Float64, Int32
from numpy import ndarray

from engine.skeleton import L_ANKLE, L_WRIST, R_ANKLE, R_WRIST
from realtime.colours import BACKGROUND_RGB, side_rgb
from realtime.viewer.body import tubes

TRAILED = (R_WRIST, L_WRIST, R_ANKLE, L_ANKLE)
LENGTH = 40  # results
RADIUS_M = 0.016
SIDES = 5
# a hand does not get this far between two results: the person was lost and found
JUMP_M = 0.5


class Trails:
    """Remembers people by id; those who are not seen lose their tail."""

    def __init__(self) -> None:
        self._past: dict[int, deque[Float64[ndarray, "4 3"]]] = {}

    def add(self, ids: list[int], joints_m: Float64[ndarray, "people joints 3"]) -> None:
        """One result's people."""
        kept: dict[int, deque[Float64[ndarray, "4 3"]]] = {}
        for id, person in zip(ids, joints_m, strict=True):
            past = self._past.get(id, deque(maxlen=LENGTH))
            now = person[list(TRAILED)]
            if past and np.abs(now - past[-1]).max() > JUMP_M:
                past.clear()
            past.append(now)
            kept[id] = past
        self._past = kept

    def mesh(self) -> tuple[Float64[ndarray, "v 3"], Int32[ndarray, "t 3"], Float64[ndarray, "v 3"]] | None:
        """Vertices, triangles and colours, or None where there is no tail yet."""
        pieces, radii, colours = [], [], []
        for past in self._past.values():
            if len(past) < 2:
                continue
            way = np.stack(past).transpose(1, 0, 2)  # (4, results, 3)
            age = np.linspace(0.0, 1.0, len(past))  # 1 = now
            for joint, points in zip(TRAILED, way, strict=True):
                pieces.append(np.stack([points[1:], points[:-1]], axis=1))
                radii.append(RADIUS_M * np.column_stack([age[1:], age[:-1]]))
                shade = np.column_stack([age[1:], age[:-1]])[..., None] * 0.9
                colours.append(np.array(BACKGROUND_RGB) * (1 - shade) + np.array(side_rgb(joint)) * shade)
        if not pieces:
            return None
        vertices, triangles = tubes(np.concatenate(pieces), np.concatenate(radii), SIDES)
        return vertices, triangles, np.repeat(np.concatenate(colours).reshape(-1, 3), SIDES, axis=0)
