"""Takes whose pictures say their own number."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from realtime.takes import CameraAbout, Row, create_take

SIZE_PX = (160, 96)
BITS = 10


def numbered(number: int) -> np.ndarray:
    """A picture with its number as black and white fields along the top, and a grey level below."""
    image = np.full((SIZE_PX[1], SIZE_PX[0], 3), 40 + number % 160, np.uint8)
    for bit in range(BITS):
        image[:32, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    return image


def number_of(image_bgr: np.ndarray) -> int:
    """The number in a picture, also in one that was compressed."""
    return sum((int(image_bgr[8:24, 16 * bit + 4 : 16 * bit + 12].mean()) > 127) << bit for bit in range(BITS))


def times_us(count: int, *, start_us: int = 0, jitter_us: int = 0, period_us: float = 1e6 / 30) -> list[int]:
    """Moments of a camera at a rate, each displaced by up to the jitter."""
    rng = np.random.default_rng(count)
    return [start_us + round(period_us * n) + int(rng.integers(0, jitter_us + 1)) for n in range(count)]


def made_take(folder: Path, times: Mapping[str, Sequence[int]], *, codec: str = "mjpeg") -> Path:
    """A take with these moments per camera."""
    about = {name: CameraAbout("made up", *SIZE_PX, codec=codec, clock="exact") for name in times}
    with create_take(folder, about, made_by="synth") as writer:
        for name, moments in times.items():
            for number, time_us in enumerate(moments):
                writer[name].write_image(numbered(number), Row(time_us))
    return folder
