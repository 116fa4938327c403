"""Pictures decoded smaller where the crop allows, and how fast batches come."""

import cv2
import numpy as np
import pytest

from engine.crop import Box, box_around, camera_matrix, crop_camera, cut
from engine.model import ARCHITECTURES, Architecture
from train.augment import Augmentation, augmented, plain, reduction_for
from train.datasets.sample import Sample, background
from train.loading import report


def photo(width: int = 1000, height: int = 751) -> Sample:
    """A smooth picture whose brightness tells places, with a person of 600 px."""
    y, x = np.mgrid[:height, :width]
    image = np.dstack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 60) * np.cos(y / 50)]).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    px = np.random.default_rng(0).uniform((200, 100), (700, 700), (16, 2)).astype(np.float32)
    weight, depth = np.ones((16, 3), np.float32), np.zeros(16, np.float32)
    return Sample(
        "photo", jpeg, camera_matrix(width, height, fov_deg=60), px, depth, weight, box_around(px.astype(float))
    )


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_picture_decoded_smaller_shows_the_same_crop(factor):
    whole = photo()
    small, image = whole.reduced(factor)
    assert image.shape[:2] == (-(-751 // factor), -(-1000 // factor))
    size = 64
    a = cut(whole.image_bgr(), crop_camera(whole.box, whole.K, size))
    b = cut(image, crop_camera(small.box, small.K, size))
    inside = slice(4, -4)
    assert np.abs(a[inside, inside].astype(int) - b[inside, inside]).mean() < 1.5
    assert plain(whole, size).target == pytest.approx(_plain_target(small, image, size), abs=1e-4)


def _plain_target(small: Sample, image: np.ndarray, size: int) -> np.ndarray:
    jpeg = cv2.imencode(".png", image)[1].tobytes()
    return plain(
        Sample("s", jpeg, small.K, small.joints_px, small.relative_depth, small.weight, small.box), size
    ).target


def test_pictures_are_never_decoded_smaller_than_the_crop_needs():
    sample = photo()
    assert sample.box.side_px > 600
    assert [reduction_for(sample, size) for size in (32, 64, 96, 192, 256)] == [8, 4, 2, 1, 1]
    assert reduction_for(background("b", sample.jpeg), 32) == 1


def test_training_crops_are_alike_however_the_picture_was_decoded(monkeypatch):
    sample, options = photo(), Augmentation(strength=0.0)
    for seed in range(6):
        small = augmented(sample, 64, np.random.default_rng(seed), options)
        with monkeypatch.context() as patch:
            patch.setattr("train.augment.reduction_for", lambda *_: 1)
            whole = augmented(sample, 64, np.random.default_rng(seed), options)
        assert small.target == pytest.approx(whole.target, abs=1e-4)
        assert np.abs(small.image_bgr.astype(int) - whole.image_bgr).mean() < 3.0


def test_the_loaders_rate_stands_beside_the_steps(small_lsp, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "lite", Architecture(backbone=18, input_px=64, deconv=8, depth_bins=8))
    lines = report([small_lsp], name="lite", batch=4, workers=[0, 1], seconds=0.2).splitlines()
    assert lines[2].startswith("| training step, lite at 64 px, batch 4 |")
    assert [line.split("|")[1].strip() for line in lines[3:]] == ["loader alone, no workers", "loader alone, 1 worker"]
    assert all(int(line.split("|")[2]) > 0 for line in lines[2:])


def test_a_box_moves_with_its_picture():
    small, _ = photo().reduced(2)
    whole = photo()
    assert isinstance(small.box, Box)
    assert 2 * (small.box.center_px + 0.5) - 0.5 == pytest.approx(whole.box.center_px)
    assert small.box.side_px * 2 == pytest.approx(whole.box.side_px)
