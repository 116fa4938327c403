"""The picture of failures shows the worst people first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from train.augment import plain
from train.crops_seen import Seen
from train.datasets.sample import Sample
from train.failures import mean_errors
from train.plots import TILE_PX, errors_sheet


def _seen(samples: list[Sample], shift: list[float]) -> Seen:
    crops = [plain(sample, 96) for sample in samples]
    target = np.stack([crop.target for crop in crops]).astype(np.float64)
    joints = np.zeros((len(samples), 16, 7))
    joints[..., :2] = target[..., :2] + np.array(shift)[:, None, None] * [0.6, 0.8]
    labelled = np.stack([crop.weight[:, 0] > 0 for crop in crops])
    return Seen(joints, np.ones(len(samples)), target, labelled)


def test_errors_are_of_labelled_joints_alone(stick_figure: Callable[[int], Sample]) -> None:
    seen = _seen([stick_figure(0), stick_figure(1)], [0.1, 0.3])
    seen.labelled[1, 0] = False
    seen.joints[1, 0] = 99.0
    np.testing.assert_allclose(mean_errors(seen), [0.1, 0.3])


def test_what_is_said_lies_over_what_is_true(tmp_path: Path, stick_figure: Callable[[int], Sample]) -> None:
    samples = [stick_figure(0)]
    plainly = cv2.imread(str(errors_sheet(samples, _seen(samples, [0.0]), tmp_path / "right.png")))
    wrongly = cv2.imread(str(errors_sheet(samples, _seen(samples, [0.2]), tmp_path / "wrong.png")))
    assert plainly is not None
    assert wrongly is not None
    white = [(tile[:TILE_PX, :TILE_PX] == 255).all(axis=2).sum() for tile in (plainly, wrongly)]
    assert white[1] > 2 * white[0]  # the truth is hidden only where the network is right
