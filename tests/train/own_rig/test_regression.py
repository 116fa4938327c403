"""The figure that says what was forgotten."""

import numpy as np
import pytest

from engine.decode import Decoded
from engine.model import Architecture, PoseResNet
from train.augment import plain
from train.crops_seen import Seen
from train.own_rig import regression
from train.own_rig.regression import people_mm, regression_samples


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return regression_samples(people=6, folder=tmp_path_factory.mktemp("people"), step=lambda *_: None)


def saying(samples, change, monkeypatch):
    """The figure of a network that says the truth, changed."""
    crops = [plain(sample, 96) for sample in samples]
    target = np.stack([crop.target for crop in crops]).astype(np.float64)
    labelled = np.stack([crop.weight[:, 0] > 0 for crop in crops])
    joints = np.concatenate([change(target.copy()), np.zeros_like(target), np.ones((*target.shape[:2], 1))], axis=-1)
    seen = Seen(joints, np.ones(len(samples)), target, labelled)
    monkeypatch.setattr(regression, "predict", lambda *_: seen)
    unasked = Decoded(PoseResNet(Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)))
    return people_mm(unasked, samples, 96)


def test_a_perfect_network_has_no_error_and_a_shift_in_depth_is_none(samples, monkeypatch):
    assert saying(samples, lambda t: t, monkeypatch) == pytest.approx(0, abs=1e-6)
    assert saying(samples, lambda t: t + (0, 0, 0.05) * np.ones(3), monkeypatch) < 3


def test_the_error_is_that_of_a_person_of_ordinary_size(samples, monkeypatch):
    def wobbly(target):
        # a crop spans 1.25 of a person, about 2 m: 0.05 of it is about 100 mm
        return target + np.random.default_rng(0).choice([-0.05, 0.05], target.shape) * (1, 1, 0)

    assert 60 < saying(samples, wobbly, monkeypatch) < 250
