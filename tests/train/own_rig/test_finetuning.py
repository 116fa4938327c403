"""A fine-tuning from a labelled take to weights and a verdict, small but whole."""

import json
from dataclasses import replace

import pytest
import torch

import run
from engine import user_weights
from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.skeleton import BODY25, MPII16
from engine.weights import Weights, load_weights, read_weights, write_weights
from realtime.lens import lens_key, weights_for
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.datasets.takes import read_take
from train.fit import PoseTraining
from train.own_rig import finetuning, lessons
from train.own_rig.finetuning import Plan, finetune, recipe_of
from train.own_rig.gate import Judged
from train.own_rig.judging import Judgement
from train.own_rig.labels import LabelError, labels_hash, read_labels

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)


def silent(what):
    return lambda done, total=None, text="": None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return labelled_take(Scene(seconds=6.0), tmp_path_factory.mktemp("takes") / "t")


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    state = PoseResNet(TINY).state_dict()
    write_weights(Weights("tiny", TINY, state, 3, ScoreMap(0.0, 1.0, 0.0), {}, ""), tmp_path / "tiny.safetensors")
    return read_weights(tmp_path / "tiny.safetensors")


def plan(folder, out, **changes):
    small = Plan(
        (folder,), out, 4 / 3600, people=64, batch=4, workers=0, precision="32-true", regression_people=8,
        learning_rate=1e-3,
    )  # fmt: skip
    return replace(small, **changes)


@pytest.mark.slow
def test_a_take_teaches_and_what_would_hurt_is_not_taken(folder, base, tmp_path):
    done = finetune(plan(folder, tmp_path / "run"), base, engine="eager", step=silent)
    assert done.rounds[0].images_seen > 0
    # a network that knew nothing and was taught for seconds finds nobody
    assert done.verdict.light == "red"
    assert read_weights(done.path).card["made_from"]["sha256"] == base.sha256
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "configuration.json",
        "metrics.jsonl",
        "last.ckpt",
        "before.json",
        "people",
        "rooms",
        "curves.png",
        "heatmaps.png",
        "per_joint.png",
        "before_after.mp4",
    }
    assert json.loads(json.dumps(done.summary()))["verdict"] == "red"
    (only,) = done.rounds
    assert [mix.share for mix in only.mixes][::4] == [0.0, 1.0]
    assert only.mix in only.mixes
    assert done.lenses == tuple(sorted(lens_key(lens) for lens in Scene().cameras.values()))
    again = finetune(plan(folder, tmp_path / "run", hours=8 / 3600), base, engine="eager", step=silent)
    assert again.rounds[0].images_seen > only.images_seen


@pytest.mark.slow
@pytest.mark.parametrize(("network", "person"), [(BODY25, MPII16), (MPII16, BODY25), (BODY25, BODY25)])
def test_labels_of_either_skeleton_teach_a_network_of_either(network, person, tmp_path, monkeypatch):
    monkeypatch.setenv("POSE_DATA", str(tmp_path / "data"))
    take = labelled_take(Scene(seconds=6.0, walker=Walker(seed=3, radius_m=0.6, skeleton=person)), tmp_path / "t")
    torch.manual_seed(0)
    tiny = replace(TINY, skeleton=network.name)
    weights = Weights("tiny", tiny, PoseResNet(tiny).state_dict(), 3, ScoreMap(0.0, 1.0, 0.0), {}, "")
    write_weights(weights, tmp_path / "tiny.safetensors")
    done = finetune(
        plan(take, tmp_path / "run"), read_weights(tmp_path / "tiny.safetensors"), engine="eager", step=silent
    )
    assert done.weights.skeleton is network
    assert read_labels(take).skeleton is person
    assert (tmp_path / "run" / "per_joint.png").is_file()
    assert (tmp_path / "run" / "heatmaps.png").is_file()


@pytest.mark.slow
def test_a_later_round_learns_from_labels_of_the_newest_weights_and_the_take_keeps_its_own(
    folder, base, tmp_path, monkeypatch
):
    own, teachers, taught = labels_hash(folder), [], []

    def labelled_anew(take, teacher, *, step):
        teachers.append((take, teacher.name, teacher.home))
        labels = read_labels(take)
        labels.weight[:] *= 0.5
        return labels

    def seen(*arguments, labels, **named):
        taught.append({take: float(found.weight.max()) for take, found in labels.items()})
        return lessons.lessons(*arguments, labels=labels, **named)

    monkeypatch.setattr(finetuning, "labelled_anew", labelled_anew)
    monkeypatch.setattr(finetuning, "lessons", seen)
    asked = plan(folder, tmp_path / "run", hours=1.0, crops=64, rounds=2, pictures=False)
    done = finetune(asked, base, engine="eager", step=silent)
    first, second = done.rounds
    assert (first.images_seen, second.images_seen) == (32, 32)
    ((take, teacher, home),) = teachers
    assert (take, home) == (folder, tmp_path / "run" / "round_2" / "take_0")
    assert teacher.endswith(first.weights.sha256[:12])
    assert taught == [{}, {folder: pytest.approx(0.5 * float(read_labels(folder).weight.max()))}]
    assert labels_hash(folder) == own
    assert done.summary()["images"] == 64
    assert read_weights(done.path).card["images_seen"] == 64


@pytest.mark.parametrize("better", [True, False])
def test_the_command_installs_what_is_better_and_nothing_else(folder, base, tmp_path, monkeypatch, capsys, better):
    figures = Judged(n_mpjpe_mm=100.0, found=1.0, bone_spread=0.1, asymmetry=0.1, regression_mm=50.0)
    after = replace(figures, n_mpjpe_mm=80.0 if better else 99.0)
    monkeypatch.setattr(finetuning, "judge", lambda takes, weights, *_: Judgement({}, after))
    monkeypatch.setattr(finetuning, "judged_once", lambda *_: Judgement({}, figures))
    monkeypatch.setattr(
        finetuning, "recipe_of", lambda p, px: replace(recipe_of(p, px), batch=4, workers=0, hours=1 / 3600)
    )
    monkeypatch.setattr(finetuning, "regression_samples", lambda **_: [])
    monkeypatch.setattr(lessons, "_rendered", lambda *_: folder)
    monkeypatch.setattr(lessons, "read_synthetic", lambda of: read_take(of, step=lambda *_, **__: None))
    monkeypatch.setattr(finetuning, "film", lambda *_, **__: None)
    arguments = [
        "finetune",
        folder,
        "--out",
        tmp_path / "run",
        "--minutes",
        "0.1",
        "--weights",
        tmp_path / "tiny.safetensors",
    ]
    status = run.main([str(a) for a in arguments])
    said = "".join(capsys.readouterr())
    lens = next(iter(Scene().cameras.values()))
    if not better:
        assert status == 1
        assert "NOT TAKEN" in said
        assert "the old weights stay" in said
        assert load_weights("auto").name == "lite"
        return
    assert status == 0, said
    assert load_weights("auto").name == "own"
    assert weights_for("auto", lens) == str(user_weights.own_path("own"))
    assert run.main(["weights"]) == 0
    assert "* own" in capsys.readouterr().out
    assert run.main(["weights", "undo"]) == 0
    assert load_weights("auto").name == "lite"
    assert weights_for("auto", lens) == "auto"


def test_too_little_is_refused(base, tmp_path):
    folder = labelled_take(Scene(seconds=2.0), tmp_path / "t")
    with pytest.raises(LabelError, match="too few to learn from"):
        finetune(plan(folder, tmp_path / "run"), base, step=silent)


def test_frozen_statistics_stay_and_weights_move(folder):
    recipe = recipe_of(plan(folder, folder), 64)
    training = PoseTraining(PoseResNet(TINY), recipe)
    training.train()
    modules = [m for m in training.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert modules
    assert not any(m.training for m in modules)
    assert training.network.training
    thawed = PoseTraining(PoseResNet(TINY), replace(recipe, frozen_statistics=False))
    thawed.train()
    assert all(m.training for m in thawed.network.modules() if isinstance(m, torch.nn.BatchNorm2d))
