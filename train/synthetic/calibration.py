"""The pictures that int8 engines are calibrated with: rendered people, and places without anybody.

Everything in them is made by program: bodies, poses, clothes, backgrounds. `python -m train.synthetic.calibration`
writes `engine/bundled/calibration.npz`, which `engine/backends/calibration.py` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.backends.calibration import BUNDLED_CROPS, CROP_PX, write_crops
from train.synthetic.body import Body, load_body
from train.synthetic.plan import WIDER
from train.synthetic.sample import random_sample
from train.synthetic.sources import Sources, random_background

COUNT = 160
# the search for people mostly sees places where nobody is
EMPTY_EVERY = 8
JPEG_QUALITY = 75  # keeps the file below 1 MB


def calibration_crops(
    count: int = COUNT, *, seed: int = 0, body: Body | None = None
) -> Iterator[UInt8[ndarray, "s s 3"]]:
    """Crops as a tracker cuts them. Crop i depends on (seed, i) alone."""
    body = body or load_body()
    wide_px = round(CROP_PX * WIDER)
    low = (wide_px - CROP_PX) // 2
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        if i % EMPTY_EVERY == EMPTY_EVERY - 1:
            yield random_background(Sources(), CROP_PX, rng)
            continue
        image = random_sample(rng, size_px=wide_px, body=body).image_bgr
        yield image[low : low + CROP_PX, low : low + CROP_PX]


def render_calibration(path: Path = BUNDLED_CROPS, *, count: int = COUNT, body: Body | None = None) -> None:
    """Render the crops and store them as JPEG."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    write_crops(
        path, [cv2.imencode(".jpg", crop, quality)[1].tobytes() for crop in calibration_crops(count, body=body)]
    )


if __name__ == "__main__":
    render_calibration()
