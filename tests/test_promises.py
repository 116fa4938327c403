"""What the bundled weights are promised to do on real recordings. Minutes long: `python -m pytest -m slow`."""

import json

import pytest

from engine.backends import open_engine
from tests.test_run import call
from train.evaluate import evaluate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine():
    with open_engine("auto", "lite") as opened:
        yield opened


def test_a_walking_woman_is_followed_through_a_video(shared_data, tmp_path):
    saves = (tmp_path / "out.jsonl", tmp_path / "out.mp4")
    video = shared_data / "demo" / "videos" / "vnect_test_video.mp4"
    done = call("--video", video, "--view", "none", "--save", saves[0], "--save", saves[1])
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in saves[0].read_text().splitlines()[1:]]
    assert [line["frame"] for line in lines] == list(range(208))
    assert sum(bool(line["people"]) for line in lines) >= 0.95 * 208
    # she fills most of the picture's height, and so does her skeleton
    heights = [
        max(y for _, y in p["joints_px"]) - min(y for _, y in p["joints_px"]) for x in lines for p in x["people"]
    ]
    assert sorted(heights)[len(heights) // 2] > 0.6 * 540


def test_a_man_who_balances_is_found_and_followed_without_a_box(shared_data, engine):
    for figures in evaluate([shared_data / "multiview" / "pose2sim_balance_cam12"], engine):
        print(figures.name, figures.numbers)
        assert figures.numbers["pck_at_0.2"] >= 0.60, figures


def test_the_test_list_of_athletes(shared_data, engine):
    labelled = shared_data / "labelled2d"
    with_box, without, presence = (f.numbers for f in evaluate([labelled / "lspet", labelled / "coco_mini"], engine))
    print(with_box, without, presence)
    assert with_box["people"] == 500
    assert with_box["pck_at_0.2"] >= 0.35
    assert with_box["score_ece"] <= 0.05
    assert presence["presence_auroc"] >= 0.95
