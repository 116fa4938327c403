import cv2
import numpy as np
import pytest

from engine.crop import box_around, camera_matrix
from train.datasets.sample import Sample


@pytest.fixture
def stick_figure():
    """Makes a sample: 16 coloured dots on a plain picture, so that pixels tell where joints are."""

    def make(seed: int = 0, *, depth: bool = True) -> Sample:
        rng = np.random.default_rng(seed)
        px = rng.uniform(60, 240, (16, 2)).astype(np.float32)
        image = np.full((300, 320, 3), 60, np.uint8)
        for x, y in px:
            cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
        relative = rng.normal(0, 0.05, 16).astype(np.float32) * depth
        relative[6] = 0
        weight = np.ones((16, 3), np.float32)
        weight[:, 2] = depth
        K = camera_matrix(320, 300, fov_deg=60)
        return Sample(f"stick {seed}", jpeg, K, px, relative, weight, box_around(px.astype(np.float64)))

    return make
