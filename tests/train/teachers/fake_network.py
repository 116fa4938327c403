"""A network for tests that finds three coloured dots, and answers with them for all of its points."""

from dataclasses import dataclass

import numpy as np

from train.teachers.blazepose import MIRROR, POINTS, Output

LEFT, RIGHT, MIDDLE = (0, 255, 0), (0, 0, 255), (255, 0, 0)  # BGR of the dots
LEFT_POINTS = list(range(7, POINTS, 2))
RIGHT_POINTS = [MIRROR[row] for row in LEFT_POINTS]


@dataclass
class DotNetwork:
    """Left points are where it is green, right ones where it is red, the others where it is blue.

    In a mirror image it takes the left dot for the right one, as a network does that goes by the body. Depth is the
    place in the crop: right is far.
    """

    name: str = "dots"
    presence: float = 1.0
    asked: int = 0

    def __call__(self, rgb):
        self.asked += 1
        red, green, blue = (_middle(rgb[..., channel]) for channel in range(3))
        if self.asked % 2 == 0:  # the mirror image comes second
            red, green = green, red
        px = np.tile(blue, (POINTS, 1))
        px[LEFT_POINTS], px[RIGHT_POINTS] = green, red
        world_m = np.column_stack([(px - 127.5) / 100, px[:, 0] / 1000])
        return Output(px, world_m, np.full(POINTS, 0.9), self.presence)


def _middle(channel):
    rows, columns = np.nonzero(channel > 0.5)
    weights = channel[rows, columns]
    return np.array([np.average(columns, weights=weights), np.average(rows, weights=weights)])
