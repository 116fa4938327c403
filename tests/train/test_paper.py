"""The paper's two stages, its tables and its judging, on miniatures of its data sets and a tiny network.

A network that is trained for seconds sees no joints, so where 3D labels are made of what the 2D network says, the true
joints with noise are put in its place. Everything else is the program's own.
"""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.backends.eager import EagerEngine
from engine.crop import crop_camera
from engine.joints import EngineOutput, ScoreMap
from engine.model import PAPER_ARCHITECTURES, Architecture, PoseResNet
from engine.weights import Weights, read_weights, write_weights
from run import main
from tests.train.miniature_sets import write_human36m, write_inf3dhp, write_mpii_json, write_voc
from tests.train.paper_run import TINY, seen
from train.augment import labels_in
from train.datasets.human36m import read_human36m
from train.datasets.labelled2d import DatasetError
from train.evaluate import evaluate
from train.metrics import joint_errors_mm
from train.paper import labels, stages
from train.paper.judge import FIELD, IN_USE, judge_captured
from train.paper.labels import epipolar_labels
from train.paper.stages import Data, Variant, data_in, paper_recipe
from train.paper.tables import TABLES, draw_figures, read_results, sweep

UNTAUGHT = Weights("full", TINY, PoseResNet(TINY).state_dict(), None, ScoreMap(0.0, 1.0, 0.0), {}, "")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    write_human36m(folder / "h36m", moments=10, test_moments=1)
    return Data(write_mpii_json(folder / "mpii", train=20, valid=10), folder / "h36m", write_voc(folder / "voc"))


def tiny_networks(patch: pytest.MonkeyPatch) -> None:
    """A tiny network under the name of the paper's, and a 2D network that sees with a quarter pixel of noise."""
    patch.setitem(PAPER_ARCHITECTURES, "full", TINY)
    patch.setattr(labels, "look", lambda samples, weights: seen(samples, 0.25))


@pytest.fixture
def tiny(monkeypatch):
    tiny_networks(monkeypatch)


def error_mm(sample) -> float:
    """Of a sample's labels against the studio's truth, after the best scale."""
    px, K = sample.joints_px.astype(float), sample.captured.lens
    rays = np.column_stack([K.rays(px), np.ones(16)])
    pose = rays * (1 + sample.relative_depth[:, None])
    return float(joint_errors_mm(pose[None], sample.captured.joints_m[None, :16], root=6, alignment="scale").mean())


@pytest.mark.parametrize(("noise_px", "limit_mm"), [(0.0, 0.5), (0.25, 25.0)])
def test_labels_of_two_views_are_the_studios_without_its_cameras_places(sets, monkeypatch, noise_px, limit_mm):
    monkeypatch.setattr(labels, "look", lambda samples, weights: seen(samples, noise_px))
    samples = read_human36m(sets.human36m, "train").samples
    # neither 3D nor the cameras' places may be read
    blind = [
        replace(s, relative_depth=np.full(16, np.nan, np.float32), captured=replace(
            s.captured, joints_m=np.full((17, 3), np.nan), lens=replace(s.captured.lens, cam_from_world=None)))
        for s in samples
    ]  # fmt: skip
    made, reports = epipolar_labels(blind, UNTAUGHT)
    assert len(reports) == 4  # each camera with its next
    assert all(r.failed is None and r.turn_deg is None for r in reports)
    assert len(made) > 0.9 * len(samples)
    true = {s.name: s.captured for s in samples}
    errors = [error_mm(replace(s, captured=true[s.name])) for s in made]
    assert np.mean(errors) < limit_mm


def test_joints_that_do_not_meet_are_not_learned_from(sets, monkeypatch):
    samples = read_human36m(sets.human36m, "train").samples

    def one_wrong(samples, weights):
        sights = seen(samples, 0.1)
        sights.rays[::4, 15] += 0.2  # 57 px, in one camera of four
        return sights

    monkeypatch.setattr(labels, "look", one_wrong)
    made, reports = epipolar_labels(samples, UNTAUGHT)
    hurt = [s for s in made if s.captured.camera == sorted({s.captured.camera for s in samples})[0]]
    assert np.mean([bool(s.weight[15].any()) for s in hurt]) < 0.5
    assert np.mean([bool(s.weight[10].any()) for s in made]) > 0.9
    assert max(r.turn_deg for r in reports) < 1.0


def test_nothing_alike_in_two_views_is_said_in_one_line(sets, monkeypatch):
    samples = read_human36m(sets.human36m, "train").samples
    monkeypatch.setattr(labels, "look", lambda s, w: replace(seen(s, 0), score=np.zeros((len(s), 16))))
    with pytest.raises(DatasetError, match=r"no label came from 4 pairs of cameras.*train the 2D network longer"):
        epipolar_labels(samples, UNTAUGHT)


def test_the_preset_is_what_the_paper_says():
    recipe = paper_recipe(256, occlusion=True)
    assert (recipe.learning_rate, recipe.batch, recipe.epochs) == (1e-3, 16, 130)
    assert recipe.weight_decay == 0.0  # AdamW without decay is Adam
    assert recipe.augmentation.occlusion == 0.5
    assert recipe.window is None
    assert (recipe.loss.heatmap, recipe.loss.depth_map) == (0.0, 0.0)
    assert [round(recipe.of_peak(p), 6) for p in (0.0, 0.6, 0.7, 0.9)] == [1.0, 1.0, 0.1, 0.01]
    assert Variant().architecture == PAPER_ARCHITECTURES["full"] == Architecture(50, 256, 256, 64)  # nothing lateral
    assert Variant(backbone=101, cbam=False).network == "resnet101-wasp"


OPTIONS = {"epochs": 1, "seed": 0, "workers": 0, "step": lambda done, of: None}


@pytest.fixture(scope="module")
def swept(sets, tmp_path_factory):
    """Table 1's folder, and what was trained for it."""
    out, trained, learn = tmp_path_factory.mktemp("swept"), [], stages.learn
    with pytest.MonkeyPatch.context() as patch:
        tiny_networks(patch)
        patch.setattr(stages, "learn", lambda *a, **k: trained.append(a[3].name) or learn(*a, **k))
        assert sweep("table1", sets, out, **OPTIONS) == out / "table1.md"
    return out, trained


def test_tables_are_trained_judged_resumed_and_drawn(sets, tiny, swept, monkeypatch):
    out, trained = swept
    assert trained == ["2d-resnet18-cbam-wasp", "3d-full-resnet18-cbam-wasp", "3d-self-resnet18-cbam-wasp"]
    table = (out / "table1.md").read_text()
    assert table.count("| Ours (fully supervised) | true box, distance, lens |") == 1
    assert "| 74.6 |" in table
    assert "130 epochs" in table
    results = read_results(out)
    assert len(results) == 2
    for held in results.values():
        assert 0 < held[FIELD]["mpjpe_mm"] < 2000
        assert held[FIELD]["mpjpe_mm_per_joint"]["pelvis"] == 0
        assert set(held[FIELD]["mpjpe_mm_per_action"]) == {"Eating", "SittingDown"}
        assert held[FIELD]["mpjpe_17_mm"] != held[FIELD]["mpjpe_mm"]
        assert held[IN_USE]["people"] == 8
    monkeypatch.setattr(stages, "learn", None)
    assert sweep("table2", sets, out, **OPTIONS).read_text() == table  # the same trainings
    for picture in draw_figures(sets, out):
        assert cv2.imread(str(picture)) is not None
    with pytest.raises(DatasetError, match="results of 1 epochs; give another --out"):
        sweep("table2", sets, out, **{**OPTIONS, "epochs": 2})
    with pytest.raises(DatasetError, match="table4 needs Human3"):
        sweep("table4", replace(sets, human36m=None), out, **OPTIONS)


def test_every_row_of_the_tables_is_a_training_of_its_own():
    assert [len(rows) for rows in TABLES.values()] == [2, 2, 5, 8]
    for rows in TABLES.values():
        assert len({row.key for row in rows}) == len(rows)
    assert TABLES["table4"][-1].key == TABLES["table1"][1].key  # the whole network, self-supervised


class Oracle(EagerEngine):
    """An engine that answers with the labels of whatever sample it is told."""

    def infer(self, image_bgr, boxes, K):
        rows = np.zeros((len(boxes), 16, 7), np.float32)
        for row, box in zip(rows, boxes, strict=True):
            row[:, :3], row[:, 6] = labels_in(crop_camera(box, K, 64), self.sample)[0], 0.5
        return EngineOutput(rows, np.ones(len(boxes), np.float32))


def test_the_truth_has_no_error_by_the_fields_protocol(sets, monkeypatch):
    samples = read_human36m(sets.human36m, "test").samples[:6]
    oracle = Oracle(UNTAUGHT)

    def protocol(sample, engine):
        engine.sample = sample
        return whole(sample, engine)

    from train.paper import judge

    whole = judge.by_protocol
    monkeypatch.setattr(judge, "by_protocol", protocol)
    monkeypatch.setattr(judge, "as_in_use", lambda sample, engine: np.full((17, 3), np.nan))
    field, in_use = judge_captured("x", samples, oracle, step=lambda done, of: None)
    # the pixels hold the lens's distortion, the lifting does not
    assert field.numbers["mpjpe_mm"] < 8
    assert field.numbers["p_mpjpe_mm"] < 8
    assert field.numbers["pck3d_at_150mm"] == 1.0
    assert in_use.numbers == {"people": 6, "found": 0}


def test_published_sets_are_judged_by_the_command(sets, swept, tmp_path):
    pytest.importorskip("h5py")
    folder, *_ = write_inf3dhp(tmp_path / "3dhp")
    path = swept[0] / "2d-resnet18-cbam-wasp" / "full.safetensors"
    with EagerEngine(read_weights(path)) as engine:
        mpii, field, _ = evaluate([sets.mpii, folder], engine)
    assert 0 <= mpii.numbers["pckh_at_0.5"] <= 1
    assert len(mpii.tables["pckh_at_0.5_per_joint"]) == 14
    assert field.numbers["mpjpe_mm"] > 0
    assert len(field.tables["mpjpe_mm_per_joint"]) == 15  # it has no upper neck


def test_the_commands_say_what_is_missing(sets, tiny, tmp_path, capsys):
    assert main(["reproduce", "table4", "--mpii", str(sets.mpii), "--out", str(tmp_path)]) == 1
    assert "table4 needs Human3.6M" in capsys.readouterr().err
    arguments = ["--mpii", str(sets.mpii), "--human36m", str(sets.human36m), "--out", str(tmp_path)]
    assert main(["reproduce", "figures", *arguments]) == 1
    assert "run `reproduce table1` there first" in capsys.readouterr().err
    assert main(["pretrain", str(sets.mpii), "--preset", "paper", "--out", str(tmp_path / "run")]) == 1
    assert "no folder of Human3.6M was given" in capsys.readouterr().err
    assert main(["pretrain", str(sets.mpii), "--epochs", "3", "--out", str(tmp_path / "run")]) == 2
    assert main(["pretrain", str(sets.mpii), "--preset", "paper", "--crops", "3", "--out", str(tmp_path / "run")]) == 2
    assert data_in([sets.voc, sets.human36m, sets.mpii]) == sets


def test_things_of_coco_hide_people_where_there_is_no_voc(sets, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    image = np.full((120, 160, 3), 90, np.uint8)
    image[20:80, 30:90] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "val2017" / "1.jpg"), image)
    square = [[30, 20, 89, 20, 89, 79, 30, 79]]
    labels_of = [
        {"id": k, "image_id": 1, "category_id": category, "iscrowd": 0, "segmentation": square}
        for k, category in enumerate((1, 18))  # a person, a dog
    ]
    content = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": labels_of}
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    (thing,) = stages.things_that_hide(tmp_path).cutouts
    assert thing.shape == (60, 60, 4)
    assert np.abs(thing[30, 30].astype(int) - (0, 0, 255, 255)).max() < 10
    assert data_in([tmp_path, sets.human36m, sets.mpii]).voc == tmp_path
    assert data_in([tmp_path, sets.voc, sets.human36m, sets.mpii]).voc == sets.voc
    assert len(stages.things_that_hide(sets.voc).cutouts) == 1
    with pytest.raises(DatasetError, match="is not Pascal VOC 2012"):
        stages.things_that_hide(sets.mpii)


def test_labels_belong_to_the_weights_that_saw_the_joints(sets, tiny, tmp_path, monkeypatch):
    samples, asked = read_human36m(sets.human36m, "train").samples[:4], []

    def made(some, weights):
        asked.append(weights.sha256)
        return some, []

    monkeypatch.setattr(stages, "epipolar_labels", made)
    write_weights(UNTAUGHT, tmp_path / "a.safetensors")
    write_weights(replace(UNTAUGHT, card={"figures": {}}), tmp_path / "b.safetensors")
    for name in "aabb":
        labelled = stages.cached_labels(samples, tmp_path / f"{name}.safetensors", tmp_path / "labels.npz")
        assert [s.name for s in labelled] == [s.name for s in samples]
    assert len(asked) == len(set(asked)) == 2


def test_other_processes_wait_for_the_firsts_labels_without_having_trained_together(sets, tiny, tmp_path, monkeypatch):
    samples, path = read_human36m(sets.human36m, "train").samples[:4], tmp_path / "labels.npz"
    weights = tmp_path / "a.safetensors"
    write_weights(UNTAUGHT, weights)
    monkeypatch.setattr(stages, "epipolar_labels", lambda some, weights: (some, []))
    stages.cached_labels(samples, weights, tmp_path / "firsts.npz")
    monkeypatch.setattr(stages, "epipolar_labels", None)  # what the others must not call
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    polls = []

    def pause(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            (tmp_path / "firsts.npz").rename(path)

    monkeypatch.setattr("train.ranks.time.sleep", pause)
    assert [s.name for s in stages.cached_labels(samples, weights, path)] == [s.name for s in samples]
    assert len(polls) == 3
