"""What a run began with stays known: in its configuration, and sitting by sitting in the cards of its weights."""

import json
from dataclasses import replace

from engine.model import ARCHITECTURES, Architecture
from engine.weights import read_weights
from train.callbacks import LAST
from train.card import Origin, kept_origin, origin_of, sitting_of, write_configuration
from train.fit import Phase, Recipe
from train.pretrain import pretrain

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
RECIPE = Recipe(
    hours=1.0, crops=12, phases=(Phase(1.0, 64, 0.4),), batch=4, workers=0, batches_per_epoch=3, precision="32-true"
)


def test_a_file_of_three_sittings_says_all_three(tmp_path, small_lsp, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "lite", TINY)
    first = pretrain([small_lsp], tmp_path / "first", recipe=RECIPE, preset="default")
    second = pretrain([small_lsp], tmp_path / "second", recipe=RECIPE, preset="standing", warm_start=str(first.weights))
    longer = replace(RECIPE, crops=24, learning_rate=1e-4)
    third = pretrain([small_lsp], tmp_path / "third", recipe=longer, preset="continue", warm_start=str(second.weights))
    files = [read_weights(done.weights) for done in (first, second, third)]
    card = files[2].card
    assert files[0].card["started_from"] is None
    assert files[0].card["history"] == []
    assert card["preset"] == "continue"
    assert card["started_from"] == {"weights": "lite", "sha256": files[1].sha256}
    assert [s["sha256"] for s in card["history"]] == [file.sha256 for file in files[:2]]
    assert [(s["preset"], s["crops"]) for s in card["history"]] == [("default", 12), ("standing", 12)]
    assert card["history"][1]["started_from"] == {"weights": "lite", "sha256": files[0].sha256}
    assert card["history"][1]["recipe"]["learning_rate"] == RECIPE.learning_rate
    assert sitting_of(files[2])["recipe"]["learning_rate"] == 1e-4
    configuration = json.loads((tmp_path / "third" / "configuration.json").read_text())
    assert configuration["preset"] == "continue"
    assert configuration["started_from"] == card["started_from"]
    assert configuration["history"] == card["history"]


def test_a_run_that_goes_on_began_where_it_began(tmp_path):
    first = Origin("standing", {"weights": "lite", "sha256": "a" * 64}, ({"crops": 5},))
    write_configuration(tmp_path, "lite", RECIPE, [], first)
    now = Origin("standing", {"weights": "lite", "sha256": "b" * 64})  # the bundled file has changed meanwhile
    assert kept_origin(tmp_path, now) == now  # nothing was learned yet: it begins with these
    (tmp_path / LAST).touch()
    assert kept_origin(tmp_path, now) == first
    assert kept_origin(tmp_path, Origin()) == first  # the command may leave it out


def test_a_backbone_is_named_and_has_no_history(tmp_path):
    assert origin_of(None, "open-nsfw", preset="default") == Origin("default", {"backbone": "open-nsfw"})
    origin = origin_of(None, str(tmp_path / "resnet50-0676ba61.pth"), preset=None)
    assert origin.started_from == {"backbone": "resnet50-0676ba61.pth"}


def test_what_is_not_known_is_not_written(tmp_path):
    write_configuration(tmp_path, "lite", RECIPE, [], None)
    assert not {"preset", "started_from", "history"} & set(json.loads((tmp_path / "configuration.json").read_text()))
