"""What bounds a run beside its clock: a number of crops, and parts of the network that stay as they are."""

from dataclasses import replace

import pytest
import torch

from engine.model import Architecture, PoseResNet
from train.fit import Phase, Recipe, fit
from train.stream import Pool

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
RECIPE = Recipe(
    hours=1.0, phases=(Phase(1.0, 64, 0.4),), batch=4, workers=0, batches_per_epoch=3, precision="32-true", crops=20
)


@pytest.fixture
def pools(stick_figure):
    return [Pool("labelled", [stick_figure(seed) for seed in range(6)], 1.0)]


def test_a_run_with_a_number_of_crops_ends_there(tmp_path, pools):
    run, _ = fit(TINY, pools, pools[0].samples, RECIPE, tmp_path)
    assert run.images_seen == 20


def test_what_is_frozen_is_not_taught(tmp_path, pools):
    torch.manual_seed(1)
    start = {name: value.clone() for name, value in PoseResNet(TINY).state_dict().items()}
    recipe = replace(RECIPE, frozen=("conv1", "layer1"), frozen_statistics=True)
    _, state = fit(TINY, pools, pools[0].samples, recipe, tmp_path, start=start)
    same = {name for name, value in state.items() if torch.equal(value, start[name])}
    assert {"conv1.weight", "layer1.0.conv1.weight"} <= same
    assert not {"layer2.0.conv1.weight", "head.weight"} & same
