"""A camera without hardware: pictures of the bundled clip at any rate, each with its own moment in its pixels.

The moment that is read back from the very picture that a result belongs to gives its age exactly, whatever buffers,
threads or mix-ups lie between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import count

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Frame

BITS, CELL_PX = 56, 4  # microseconds for two thousand years of uptime; cells survive any resampling of the picture
_WEIGHTS = 1 << np.arange(BITS, dtype=np.int64)


def write_stamp(image_bgr: UInt8[ndarray, "h w 3"], time_s: float) -> None:
    """Draws a moment into the lower left corner, black and white cells, lowest bit first."""
    if image_bgr.shape[1] < BITS * CELL_PX:
        raise ValueError(f"a stamp needs {BITS * CELL_PX} pixels, the picture is {image_bgr.shape[1]} wide")
    bits = (round(time_s * 1e6) // _WEIGHTS) % 2
    image_bgr[-CELL_PX:, : BITS * CELL_PX] = np.repeat(bits * 255, CELL_PX).astype(np.uint8)[None, :, None]


def read_stamp(image_bgr: UInt8[ndarray, "h w 3"]) -> float:
    """The moment in a picture, seconds."""
    cells = image_bgr[-CELL_PX // 2, CELL_PX // 2 : BITS * CELL_PX : CELL_PX, 0] > 127
    return float(cells @ _WEIGHTS) / 1e6


class StampedCamera:
    """Gives `images` in turn, forth and back, one every `period_s`; late ones are skipped as a camera would.

    The moment is drawn into the pictures themselves, as a driver fills its ring of buffers: copying each would cost
    more than any camera does. A picture is drawn on again when its turn comes, so give more than are under way at once.
    """

    live = True
    frame_count: int | None = None

    def __init__(
        self,
        images: Sequence[UInt8[ndarray, "h w 3"]],
        period_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = "synthetic camera"
        self.size_px = (images[0].shape[1], images[0].shape[0])
        self.rate: Fraction | None = Fraction(1 / period_s).limit_denominator(1001)
        self.description = f"synthetic camera, {float(self.rate):.1f} fps"
        self._images = [*images, *(image.copy() for image in images[-2:0:-1])]
        self._period_s, self._clock, self._sleep = period_s, clock, sleep
        self._closed = False

    def frames(self) -> Iterator[Frame]:
        """Frames until `close`."""
        start_s = self._clock()
        for index in count():
            wait_s = start_s + index * self._period_s - self._clock()
            if wait_s > 0:
                self._sleep(wait_s)
            if self._closed:
                return
            image = self._images[index % len(self._images)]
            time_s = self._clock()
            write_stamp(image, time_s)
            yield Frame(index, time_s, image)

    def close(self) -> None:
        """Ends the frames."""
        self._closed = True
