import json

import pytest
import torch

from engine.model import Architecture
from train.augment import Augmentation
from train.fit import Phase, Recipe, fit
from train.pretrain import PRESETS, recipe_for
from train.stream import CropStream, Pool

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)


def _recipe(hours):
    return Recipe(
        hours=hours,
        phases=(Phase(1.0, 64, 0.4),),
        batch=4,
        workers=0,
        batches_per_epoch=3,
        precision="32-true",
    )


@pytest.fixture
def pools(stick_figure):
    return [Pool("labelled", [stick_figure(seed) for seed in range(6)], 1.0)]


def test_a_run_stops_by_its_clock_and_resumes_where_it_was(tmp_path, pools):
    run, _ = fit(TINY, pools, pools[0].samples, _recipe(4 / 3600), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert run.progress == 1.0
    assert "val_pck" in lines[0]
    assert (tmp_path / "last.ckpt").is_file()
    seen = torch.load(tmp_path / "last.ckpt", weights_only=False)["pose_run"]["images_seen"]
    again, _ = fit(TINY, pools, pools[0].samples, _recipe(8 / 3600), tmp_path)
    assert again.images_seen > seen
    assert again.hours < 12 / 3600


def test_the_phases_follow_the_progress():
    recipe = recipe_for("default", 192, hours=2.0)
    assert [p.size_px for p in recipe.phases] == [96, 96, 192]
    assert recipe.phases[-1].until == 1.0
    assert set(PRESETS) == {"default"}


def test_a_stream_gives_the_same_batches_for_the_same_seed(pools):
    def first(seed):
        stream = CropStream(pools, size_px=64, batch=4, seed=seed, options=Augmentation())
        return next(iter(stream))["image"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_a_stream_without_samples_is_refused():
    with pytest.raises(ValueError, match="no pool"):
        CropStream([Pool("labelled", [], 1.0)], size_px=64, batch=4, seed=0, options=Augmentation())
