"""People rendered beside a training: always new ones, no more than are kept, and a failure is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.model import Architecture
from train.datasets.sample import Sample
from train.fit import Phase, Recipe, fit
from train.stream import Pool
from train.supply import Supply, SupplyOptions
from train.synthetic.shards import ShardError
from train.synthetic.sources import SourceFolders

OPTIONS = SupplyOptions(SourceFolders(), size_px=48, seed=3, kept=1, per_shard=1, faces=1500)


def test_people_come_go_and_go_on_where_they_were(tmp_path: Path) -> None:
    with Supply(tmp_path, OPTIONS) as supply:
        first = {sample.name for sample in supply.samples()}
        deadline = time.monotonic() + 240
        while not (names := {sample.name for sample in supply.samples()}) or names & first:
            assert time.monotonic() < deadline, "no new people"
            time.sleep(0.05)
    assert len(names) == OPTIONS.kept * OPTIONS.per_shard
    there = {path.name for path in tmp_path.glob("shard_*.npz")}
    with Supply(tmp_path, OPTIONS) as supply:
        while {path.name for path in tmp_path.glob("shard_*.npz")} <= there:
            assert time.monotonic() < deadline, "no new people after a resumption"
            time.sleep(0.05)
        assert supply.samples()
    newest = sorted(path.name for path in tmp_path.glob("shard_*.npz"))[-1]
    assert newest > max(there)


def test_a_rendering_that_fails_is_told(tmp_path: Path) -> None:
    options = replace(OPTIONS, sources=SourceFolders(photos=(tmp_path / "nothing",)))
    refused = pytest.raises(ShardError, match=r"no people are rendered .*nothing")
    with Supply(tmp_path / "people", options) as supply, refused:
        supply.samples()


def test_each_epoch_of_a_training_asks_for_new_people(tmp_path: Path, stick_figure: Callable[[int], Sample]) -> None:
    asked: list[int] = []

    def renewed() -> list[Sample]:
        asked.append(len(asked))
        return [stick_figure(len(asked))]

    tiny = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
    phases = (Phase(1.0, 64, 0.4),)
    recipe = Recipe(3 / 3600, phases, batch=2, workers=0, batches_per_epoch=1, precision="32-true")
    fit(tiny, [Pool("synthetic", [], 1.0, renewed)], [stick_figure(0)], recipe, tmp_path)
    epochs = len((tmp_path / "metrics.jsonl").read_text().splitlines())
    assert epochs >= 2
    assert epochs <= len(asked) <= epochs + 1
