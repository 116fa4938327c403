"""What a network gets wrong is shown to it more often, within bounds."""

from dataclasses import replace

import numpy as np
import pytest

from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.skeleton import ROOT
from engine.weights import Weights
from train.augment import plain
from train.crops_seen import Seen
from train.own_rig import practice, regression
from train.own_rig.practice import BOUNDS, how_often

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
UNASKED = Weights("tiny", TINY, PoseResNet(TINY).state_dict(), 3, ScoreMap(0.0, 1.0, 0.0), {}, "")


def off_by(amounts, monkeypatch):
    """A network whose joints lie to and fro by an amount that is each sample's own."""

    def predict(model, samples, px):
        target = np.stack([plain(sample, px).target for sample in samples]).astype(np.float64)
        labelled = np.stack([plain(sample, px).weight[:, 0] > 0 for sample in samples])
        sides = np.where(np.arange(16) % 2, 1.0, -1.0)[:, None] * (1.0, 1.0, 0.0)
        joints = target + sides * np.array([amounts[sample.name] for sample in samples])[:, None, None]
        filled = np.concatenate([joints, np.zeros_like(target), np.ones((*target.shape[:2], 1))], axis=-1)
        return Seen(filled, np.ones(len(samples)), target, labelled)

    monkeypatch.setattr(regression, "predict", predict)


def asked(samples, amounts, monkeypatch):
    off_by({sample.name: amount for sample, amount in zip(samples, amounts, strict=True)}, monkeypatch)
    return how_often(UNASKED, samples, 96, lambda *_: None)


@pytest.fixture
def samples(stick_figure):
    return [stick_figure(seed) for seed in range(9)]


def test_a_picture_counts_by_its_error_over_the_usual_one(samples, monkeypatch):
    often = asked(samples, [0.02] * 7 + [0.04, 0.4], monkeypatch)
    assert np.allclose(often[:7], 1.0, atol=0.25)
    assert 1.5 < often[7] < 2.5
    assert often[8] == BOUNDS[1]


def test_what_is_right_already_is_still_shown(samples, monkeypatch):
    assert asked(samples, [0.02] * 8 + [0.0], monkeypatch)[8] == BOUNDS[0]


def test_a_network_that_is_never_wrong_sees_all_alike(samples, monkeypatch):
    assert asked(samples, [0.0] * 9, monkeypatch).tolist() == [1.0] * 9


def test_a_pose_of_which_nothing_can_be_said_counts_as_a_usual_one(samples, monkeypatch):
    weight = samples[8].weight.copy()
    weight[ROOT] = 0
    assert asked([*samples[:8], replace(samples[8], weight=weight)], [0.02] * 8 + [0.4], monkeypatch)[8] == 1.0


def test_it_is_the_same_in_chunks(samples, monkeypatch):
    whole = asked(samples, [0.02, 0.03, 0.05] * 3, monkeypatch)
    monkeypatch.setattr(practice, "CHUNK", 4)
    assert np.allclose(asked(samples, [0.02, 0.03, 0.05] * 3, monkeypatch), whole)
