import json
from dataclasses import replace

import pytest

from engine.joints import ScoreMap
from engine.model import Architecture, PoseResNet
from engine.weights import Weights, read_weights, write_weights
from realtime.marked import END, begin
from train.bundle.comparison import CHOSEN_BY
from train.bundle.pages import MAKER, Places

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
RECIPE = {"phases": [{"until": 1.0, "size_px": 64, "strength": 0.4}], "learning_rate": 5e-4, "batch": 32}


@pytest.fixture
def make_run(tmp_path):
    """Makes a run folder as a training leaves it: weights with their card, a line for each epoch."""
    base = Weights("lite", TINY, PoseResNet(TINY).state_dict(), None, ScoreMap(0, 1, 0), {}, "")

    def make(name, *, epochs, started_from=None, history=(), pck=0.5):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        data = [{"name": "lspet", "kind": "labelled", "samples": 7747, "terms": "cite"}]
        card = {
            "data": data, "preset": "standing", "started_from": started_from, "history": list(history),
            "recipe": RECIPE, "images_seen": 8000 * epochs, "hours": 0.1 * epochs, "commit": "abc1234",
            "figures": {"validation_pck_at_0.2": 0.5},
        }  # fmt: skip
        write_weights(replace(base, card=card), folder / "lite.safetensors")
        lines = [
            {"hours": 0.11111 * n, "images": 8000 * n, "px": 64, "data_wait": 0.1, "val_pck": pck + 0.01234567 * n,
             "val_coco_pck": 0.6, "train_loss": 7.0}
            for n in range(1, epochs + 1)
        ]  # fmt: skip
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return read_weights(folder / "lite.safetensors"), folder / "lite.safetensors"

    return make


@pytest.fixture
def clone(tmp_path, make_run):
    """A repository with bundled weights and documents whose marks are empty."""
    places = Places(tmp_path / "clone")
    places.weights.parent.mkdir(parents=True)
    (places.root / "docs").mkdir()
    _, path = make_run("old", epochs=1)
    places.weights.write_bytes(path.read_bytes())
    for page, parts in places.pages.items():
        page.write_text("# Title\n" + f"text {begin(MAKER)}{END}\n" * parts)
    return places


@pytest.fixture
def made_up_record():
    """A comparison in which the candidate gained 0.04 on the list that chooses, and knows feet, face and hands."""

    def numbers(pck, *, people=10, extremities=None):
        held = {"people": people, "found": people - 1, "pck_at_0.2": pck}
        return held if extremities is None else held | {"pck_at_0.2_extremities": extremities}

    def figures(more, extremities):
        beam = "pose2sim_balance_cam12 cam{}, no box given"
        return {
            CHOSEN_BY: numbers(0.52 + more),
            "lspet, test list of 10, label's box": numbers(0.53 + more, extremities=extremities),
            "lspet, test list of 10, no box given": numbers(0.5 + more, extremities=extremities),
            "coco_new, test list of 20, no box given": numbers(0.6 + more, people=20, extremities=extremities),
            beam.format(1): numbers(0.8),
            beam.format(2): numbers(0.7),
            "presence, 10 people against 5 squares without": {"presence_auroc": 0.99 + more / 10},
        }

    return {
        "schema": 1,
        "bundled": {"sha256": "b" * 64, "engine": "openvino bf16", "figures": figures(0.0, None)},
        "candidate": {"sha256": "c" * 64, "engine": "openvino bf16", "figures": figures(0.04, 0.7)},
    }
