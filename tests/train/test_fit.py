import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.backends.eager import EagerEngine
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from engine.weights import read_weights
from train.augment import Augmentation
from train.callbacks import Wait
from train.datasets.labelled2d import DatasetError
from train.evaluate import evaluate
from train.figures import table
from train.fit import STEP_MAX_S, Phase, PoseTraining, Recipe, fit
from train.pretrain import PRESETS, pretrain, recipe_for
from train.stream import CropStream, Pool, _any

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
    assert all(0 <= line["data_wait"] < 1 for line in lines)
    assert (tmp_path / "last.ckpt").is_file()
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)["pose_run"]
    again, _ = fit(TINY, pools, pools[0].samples, _recipe(saved["hours"] + 0.1 / 3600), tmp_path)
    assert saved["images_seen"] < again.images_seen < 3 * saved["images_seen"]
    assert again.hours > saved["hours"]


def test_lines_behind_the_last_checkpoint_are_written_once(tmp_path, pools):
    first, more = replace(_recipe(1.0), crops=24), replace(_recipe(1.0), crops=48)
    fit(TINY, pools, pools[0].samples, first, tmp_path)
    file = tmp_path / "metrics.jsonl"
    whole = file.read_text()
    file.write_text(whole + json.dumps({"images": 36, "val_pck": 0.5}) + "\n" + '{"hours": 0.0')  # killed in the second
    fit(TINY, pools, pools[0].samples, more, tmp_path)
    assert file.read_text().startswith(whole)
    images = [json.loads(line)["images"] for line in file.read_text().splitlines()]
    assert images == sorted(set(images))
    assert images[-1] == 48
    assert len(list(tmp_path.glob("*.partial"))) == 0


def test_a_process_that_stood_still_did_not_train(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("train.fit.time.monotonic", lambda: now[0])
    training = PoseTraining(PoseResNet(TINY), _recipe(1.0))
    for wait_s in (2.0, 3.0, 3600.0, 1.0):
        now[0] += wait_s
        training.tick()
    assert training.hours == pytest.approx((6.0 + STEP_MAX_S) / 3600)


def test_waiting_for_batches_is_counted(monkeypatch):
    now = [50.0]
    monkeypatch.setattr("train.callbacks.time.monotonic", lambda: now[0])
    wait = Wait()
    wait.arrived()  # the first batch: workers start
    for waited_s, worked_s in ((0.0, 2.0), (1.0, 2.0), (3.0, 2.0)):
        now[0] += waited_s
        wait.arrived()
        now[0] += worked_s
        wait.asked()
    assert wait.share == pytest.approx(4.0 / 8.0)


def test_an_interrupted_run_loses_nothing_and_goes_on(tmp_path, pools, monkeypatch):
    whole = PoseTraining.training_step

    def interrupted(self, batch, number):
        if self.images_seen >= 16:
            raise KeyboardInterrupt
        return whole(self, batch, number)

    monkeypatch.setattr(PoseTraining, "training_step", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(TINY, pools, pools[0].samples, _recipe(1.0), tmp_path)
    signal.signal(signal.SIGINT, handler)  # Lightning turns it off for good
    monkeypatch.setattr(PoseTraining, "training_step", whole)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)["pose_run"]
    assert saved["images_seen"] == 16
    again, state = fit(TINY, pools, pools[0].samples, _recipe(saved["hours"] + 3 / 3600), tmp_path)
    assert again.images_seen > 16
    assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point())


def test_pretraining_makes_weights_that_load_and_can_be_judged(tmp_path, small_lsp, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "lite", TINY)
    recipe = replace(_recipe(3 / 3600), precision="bf16-mixed")
    done = pretrain([small_lsp], tmp_path / "run", name="lite", recipe=recipe)
    weights = read_weights(done.weights)
    assert weights.architecture == TINY
    assert weights.card["images_seen"] == done.images_seen > 0
    assert 0 <= done.figures["validation_pck_at_0.2"] <= 1
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {
        "configuration.json", "metrics.jsonl", "curves.png", "predictions.jpg", "last.ckpt", "best.ckpt",
    }  # fmt: skip
    figures = evaluate([small_lsp], EagerEngine(weights))
    assert [f.numbers["people"] for f in figures] == [200, 200]
    assert 0 <= figures[0].numbers["score_ece"] <= 1
    assert "label's box" in table(figures)
    monkeypatch.setitem(ARCHITECTURES, "lite", replace(TINY, lateral=True))  # weights that have none can be given them
    warm = pretrain([small_lsp], tmp_path / "warm", name="lite", recipe=recipe, warm_start=str(done.weights))
    learned = [value for key, value in read_weights(warm.weights).state.items() if key.startswith("lateral.")]
    assert len(learned) == 3
    assert all(value.abs().max() > 0 for value in learned)


def test_an_ablation_leaves_its_part_out(tmp_path, small_lsp, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "lite", TINY)
    recipe = recipe_for("default", 64, hours=2 / 3600, without=["occlusion"])
    assert recipe.augmentation.occlusion == 0.0
    assert recipe_for("default", 64, hours=1.0).augmentation.occlusion is None  # a patch now and then
    recipe = replace(recipe, phases=(Phase(1.0, 64, 0.4),), batch=4, workers=0, batches_per_epoch=3)
    weights = read_weights(pretrain([small_lsp], tmp_path / "run", recipe=recipe, without=["cbam", "wasp"]).weights)
    assert not weights.architecture.cbam
    assert not weights.architecture.wasp
    assert not [key for key in weights.state if "cbam" in key or "wasp" in key]


def test_too_few_photos_are_refused_in_one_line(tmp_path, tiny_lsp):
    with pytest.raises(DatasetError, match="too few to choose a model by; give at least 160"):
        pretrain([tiny_lsp[0]], tmp_path / "run", name="lite", recipe=_recipe(1.0))


def test_the_phases_follow_the_progress():
    recipe = recipe_for("default", 192, hours=2.0)
    assert [p.size_px for p in recipe.phases] == [96, 192]
    assert recipe.phases[-1].until == 1.0
    assert PRESETS["continue"].phases == ((1.0, 1.0, 0.45),)


def test_a_stream_gives_the_same_batches_for_the_same_seed(pools):
    def first(seed):
        stream = CropStream(pools, size_px=64, batch=4, seed=seed, options=Augmentation())
        return next(iter(stream))["image"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_a_stream_without_samples_is_refused():
    with pytest.raises(ValueError, match="no pool"):
        CropStream([Pool("labelled", [], 1.0)], size_px=64, batch=4, seed=0, options=Augmentation())


def test_samples_are_drawn_as_often_as_the_pool_says(pools):
    samples = pools[0].samples[:2]
    pool = Pool("take", samples, 1.0, often=np.array([1.0, 3.0]))
    rng = np.random.default_rng(0)
    drawn = [pool.samples[_any(pool, rng)].name for _ in range(2000)]
    assert 0.72 < drawn.count(samples[1].name) / len(drawn) < 0.78
