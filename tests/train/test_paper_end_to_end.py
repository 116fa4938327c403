"""The paper's preset with nothing replaced: a network learns 2D, makes its own labels from two views, learns 3D."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from engine.model import PAPER_ARCHITECTURES
from engine.weights import read_weights
from run import main
from tests.train import paper_run
from tests.train.miniature_people import BEFORE_THE_CAMERAS
from tests.train.miniature_sets import write_human36m, write_mpii_json
from tests.train.test_paper_processes import STAGES, Moment, ends_as
from train.crops_seen import Seen, predict
from train.datasets.human36m import read_human36m
from train.paper.judge import FIELD
from train.paper.stages import LABELS
from train.paper.tables import TABLES, read_results

EPOCHS = 8
STEPS = (40, 10)  # of an epoch of each stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    write_mpii_json(folder / "mpii", train=640, valid=40, seed=5, scene=BEFORE_THE_CAMERAS)
    write_human36m(folder / "h36m", moments=20, test_moments=5, scene=BEFORE_THE_CAMERAS)
    return folder


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    """Both stages, undisturbed."""
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAPER_ARCHITECTURES, "full", paper_run.SMALL)
        assert paper_run.pretrain(sets / "mpii", sets / "h36m", out, epochs=EPOCHS) == 0
    return out


def depth_errors(seen: Seen) -> tuple[float, float]:
    """Mean absolute error of depths, in crop units, and that of a flat person."""
    true, weight = seen.target[..., 2], seen.labelled
    return tuple(float(np.abs(said - true)[weight].mean()) for said in (seen.joints[..., 2], np.zeros_like(true)))


def test_a_network_that_learned_2d_labels_two_views_by_itself_and_learns_depth(sets, trained):
    first, last = (read_weights(trained / stage / "full.safetensors") for stage in STAGES)
    assert first.card["figures"]["validation_pck_at_0.2"] > 0.5
    samples = {s.name: s for s in read_human36m(sets / "h36m", "train").samples}
    held = np.load(trained / STAGES[0] / LABELS)
    assert len(held["name"]) > 0.75 * len(samples)
    true = np.array([samples[name].relative_depth for name in held["name"]])
    taught = held["weight"][..., 2] > 0
    assert taught.mean() > 0.6
    assert np.abs(held["relative_depth"] - true)[taught].mean() < 0.75 * np.abs(true)[taught].mean()
    test = read_human36m(sets / "h36m", "test").samples
    before, flat = depth_errors(predict(first.decoded(), test, paper_run.SMALL.input_px))
    after, _ = depth_errors(predict(last.decoded(), test, paper_run.SMALL.input_px))
    assert after < 0.85 * min(before, flat)


def test_the_table_follows_from_the_same_run_folder(sets, trained, monkeypatch):
    monkeypatch.setitem(PAPER_ARCHITECTURES, "full", paper_run.SMALL)
    folders = ["--mpii", str(sets / "mpii"), "--human36m", str(sets / "h36m"), "--out", str(trained)]
    assert main(["reproduce", "table1", *folders, "--epochs", str(EPOCHS), "--workers", "0"]) == 0
    results = read_results(trained)
    by_truth, by_itself = (results[row.key][FIELD]["mpjpe_mm"] for row in TABLES["table1"])
    assert by_itself < 150
    assert by_itself < 1.15 * by_truth
    assert f"| Ours (self-supervised) | {FIELD} | {by_itself:.1f} | 74.6 |" in (trained / "table1.md").read_text()


@pytest.fixture
def moments() -> Callable[[float], list[Moment]]:
    """Three in each stage: anywhere in the steps behind an epoch, or in the writing of its checkpoints."""

    def drawn(pause_s: float) -> list[Moment]:
        rng = random.Random(5)
        return [
            Moment(stage, epoch, rng.uniform(0, steps * pause_s))
            for stage, steps in zip(STAGES, STEPS, strict=True)
            for epoch in sorted(rng.sample(range(1, EPOCHS), 3))
        ]

    return drawn


def test_killed_six_times_it_ends_with_the_same_weights(sets, trained, tmp_path, moments):
    options = {"epochs": EPOCHS, "pause_s": 0.05, "eyes": "own"}
    ends_as(trained, sets, tmp_path, moments(0.05), **options)
