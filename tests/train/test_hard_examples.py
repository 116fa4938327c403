"""What the network gets wrong comes more often; labels that it contradicts steadily are turned or left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.model import Architecture
from engine.skeleton import BODY25, LIMB_JOINTS, MPII16
from train.augment import Augmentation
from train.fit import fit
from train.hard_examples import BOUNDS, LOOKS_MIN, CropErrors, ErrorHistory, crop_errors
from train.recipe import Phase, Recipe
from train.stream import CropStream, Pool

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)


@pytest.fixture
def pool(stick_figure):
    return Pool("labelled", [stick_figure(seed) for seed in range(4)], 1.0)


def looked(sample: int, error: float, exchanged: float = -1.0) -> CropErrors:
    return CropErrors(np.array([[0, sample]]), np.array([error]), np.array([exchanged]))


def test_the_error_is_the_mean_distance_over_the_persons_extent():
    target = torch.zeros(1, 16, 2)
    target[0, 0] = torch.tensor([0.4, 0.0])  # an extent of 0.4
    joints, weight = target.clone(), torch.ones(1, 16)
    joints[0, list(LIMB_JOINTS), 1] += 0.04
    seen = crop_errors(joints, target, weight, torch.tensor([[0, 3]]))
    assert seen.error[0] == pytest.approx(0.1, abs=1e-6)
    assert seen.place.tolist() == [[0, 3]]


@pytest.mark.parametrize("skeleton", [MPII16, BODY25])
def test_exchanged_sides_are_told_from_joints(skeleton):
    at = torch.linspace(-0.4, 0.4, len(skeleton))
    target = torch.stack([at, at.flip(0)], dim=-1)[None]
    place, weight = torch.tensor([[0, 0]]), torch.ones(1, len(skeleton))
    assert crop_errors(target, target, weight, place).exchanged[0] == -1.0
    assert crop_errors(target[:, skeleton.mirror], target, weight, place).exchanged[0] == 1.0


def test_a_crop_with_few_labels_says_nothing():
    weight = torch.zeros(1, 16)
    weight[0, :3] = 1
    seen = crop_errors(torch.ones(1, 16, 2), torch.zeros(1, 16, 2), weight, torch.tensor([[0, 0]]))
    assert np.isnan(seen.error[0])


def test_what_is_wrong_comes_more_often_within_bounds(pool):
    history = ErrorHistory([pool])
    for sample, error in enumerate((0.1, 0.1, 0.15, 1.0)):
        history.add(looked(sample, error))
    often = history.steered([pool])[0].often
    assert often[2] / often[0] == pytest.approx(1.5, rel=0.3)
    assert often.max() == BOUNDS[1]
    assert often.min() >= BOUNDS[0]


def test_samples_that_nobody_looked_at_come_as_usual(pool):
    history = ErrorHistory([pool])
    history.add(looked(0, 0.1))
    assert history.steered([pool])[0].often.tolist() == [1.0] * 4


@pytest.mark.parametrize(
    ("teacher", "turned", "often"), [(0.9, True, True), (float("nan"), False, False), (-0.9, False, True)]
)
def test_a_label_that_is_contradicted_steadily_is_turned_or_left_out(pool, teacher, turned, often):
    sample = replace(pool.samples[1], exchanged=teacher)
    pool = replace(pool, samples=[pool.samples[0], sample, *pool.samples[2:]])
    history = ErrorHistory([pool])
    for look in range(LOOKS_MIN):
        assert history.steered([pool])[0].samples[1] is sample, look
        history.add(looked(1, 0.3, exchanged=0.8))
    steered = history.steered([pool])[0]
    mirrored = sample.joints_px[MPII16.mirror]
    assert np.array_equal(steered.samples[1].joints_px, mirrored if turned else sample.joints_px)
    assert bool(steered.often[1] > 0) is often
    assert (history.turned, history.left_out) == ([sample.name] * turned, [sample.name] * (not often))


def test_a_turned_label_stays_turned_while_the_network_agrees_with_it(pool):
    sample = replace(pool.samples[1], exchanged=1.0)
    pool = replace(pool, samples=[pool.samples[0], sample])
    history = ErrorHistory([pool])
    for _ in range(LOOKS_MIN):
        history.add(looked(1, 0.3, exchanged=0.8))
    history.steered([pool])
    for _ in range(9):  # from now on crops are compared with the turned label
        history.add(looked(1, 0.1, exchanged=-0.8))
        history.steered([pool])
        assert history.turned == [sample.name]


def test_the_history_survives_a_checkpoint_and_forgets_pools_that_changed(pool):
    history, other = ErrorHistory([pool]), ErrorHistory([pool])
    for _ in range(LOOKS_MIN):
        history.add(looked(2, 0.4, exchanged=0.9))
    other.load(history.state())
    assert np.array_equal(other.steered([pool])[0].often, history.steered([pool])[0].often)
    smaller = replace(pool, samples=pool.samples[:3])
    changed = ErrorHistory([smaller])
    changed.load(history.state())
    assert changed.steered([smaller])[0].often.tolist() == [1.0] * 3


def test_samples_that_are_renewed_are_left_alone(pool):
    renewed = replace(pool, renewed=lambda: pool.samples)
    history = ErrorHistory([renewed])
    history.add(looked(0, 1.0))
    assert history.steered([renewed])[0] is renewed


@pytest.mark.parametrize("by_epochs", [False, True])
def test_a_batch_says_which_samples_it_shows(pool, by_epochs):
    empty = Pool("background", [], 0.5)
    stream = CropStream(
        [empty, pool], size_px=64, batch=8, seed=1, options=Augmentation(0.0, flip=False), by_epochs=by_epochs
    )
    batch = next(iter(stream))
    for k, (number, at) in enumerate(batch["place"].tolist()):
        assert number == 1
        alone = CropStream([Pool("one", [pool.samples[at]], 1.0)], size_px=64, batch=1, seed=0, options=Augmentation())
        assert next(iter(alone))["image"].shape[1:] == batch["image"][k].shape
    if by_epochs:
        assert sorted(batch["place"][:4, 1].tolist()) == [0, 1, 2, 3]


def test_a_training_that_leans_goes_on_with_what_it_knew(tmp_path, pool):
    recipe = Recipe(
        1.0, (Phase(1.0, 64, 0.4),), batch=4, workers=0, batches_per_epoch=3, precision="32-true", lean=True
    )
    first, _ = fit(TINY, [pool], pool.samples, replace(recipe, crops=24), tmp_path)
    assert first.history is not None
    looks = sum(int(m["looks"].sum()) for m in first.history.state())
    assert 18 <= looks <= 24  # a crop may have too few joints in it
    again, _ = fit(TINY, [pool], pool.samples, replace(recipe, crops=36), tmp_path)
    assert looks + 6 <= sum(int(m["looks"].sum()) for m in again.history.state()) <= 36
    assert (tmp_path / "contradicted.json").is_file()
