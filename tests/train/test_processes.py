"""One training, whatever happens to its processes: killed and resumed, on one or several, it goes the same way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import UserError
from tests.conftest import REPOSITORY
from tests.train import distributed_run
from tests.train.distributed_run import BATCH, TINY, people, recipe
from train.augment import Augmentation
from train.checkpoints import WholeFiles
from train.fit import PoseTraining, fit
from train.ranks import gathered, launched, mean_of
from train.stream import CropStream, Pool, loader

SCRIPT = Path(distributed_run.__file__)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def trained(folder: Path, crops: int) -> dict[str, torch.Tensor]:
    samples = people()
    return fit(TINY, [Pool("labelled", samples, 1.0)], samples, recipe(crops), folder)[1]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Six steps of one process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, trained(folder, 6 * BATCH)


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["train_loss"] for line in lines if "train_loss" in line]


def difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([(a[k] - b[k]).abs().flatten().numpy() for k in a if a[k].is_floating_point()])


def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path, unbroken):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path), str(6 * BATCH), "0.3", "1000"], env=ENVIRONMENT, cwd=REPOSITORY
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "last.ckpt").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(random.Random().uniform(0, 0.8))  # anywhere in the steps that follow, between two checkpoints
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert difference(trained(tmp_path, 6 * BATCH), unbroken[1]).max() == 0


def test_a_run_that_was_killed_behind_its_last_step_takes_no_further_one(tmp_path):
    samples, averaged = people(), replace(recipe(2 * BATCH), ema=0.9)

    def run() -> tuple[PoseTraining, dict[str, torch.Tensor]]:
        return fit(TINY, [Pool("labelled", samples, 1.0)], samples, averaged, tmp_path)

    first, again = run(), run()
    assert again[0].images_seen == first[0].images_seen == 2 * BATCH
    assert difference(again[1], first[1]).max() == 0


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "run" / "last.ckpt"
    WholeFiles().save_checkpoint({"step": 1}, path)

    def broken(checkpoint, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="No space"):
        WholeFiles().save_checkpoint({"step": 2}, path)
    assert torch.load(path) == {"step": 1}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_two_processes_are_as_one_and_one_goes_on_where_two_were(tmp_path, unbroken):
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *command, str(6 * BATCH), "0", str(5 * BATCH)],
        env=ENVIRONMENT,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)["pose_run"]
    assert saved["images_seen"] == 5 * BATCH  # within an epoch of two batches
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2  # one process writes
    folder, alone = unbroken
    state = trained(tmp_path, 6 * BATCH)  # the last step by one process
    assert losses(tmp_path)[:2] == pytest.approx(losses(folder)[:2], abs=1e-5)
    # Adam divides by the gradient's size: where it is nothing but noise the weights may stray by a step
    assert np.quantile(difference(state, alone), 0.999) < 1e-5


def stream(**options) -> CropStream:
    pools = [Pool("labelled", people()[:5], 0.7), Pool("background", people()[5:], 0.3)]
    return CropStream(pools, size_px=32, batch=4, seed=1, options=Augmentation(), **options)


def batches(stream: CropStream, count: int, *, workers: int = 0) -> list[torch.Tensor]:
    made = iter(loader(stream, workers=workers))
    return [next(made)["image"] for _ in range(count)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_the_stream_is_told_by_the_number_of_the_batch_alone():
    whole = batches(stream(), 5)
    assert all(torch.equal(a, b) for a, b in zip(batches(stream(first=2), 3), whole[2:], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(batches(stream(), 5, workers=2), whole, strict=True))
    parts = [batches(stream(part=(rank, 2)), 5) for rank in (0, 1)]
    for k in range(5):
        assert torch.equal(torch.stack([parts[0][k], parts[1][k]], dim=1).flatten(0, 1), whole[k])
    assert not torch.equal(whole[0], whole[1])


def test_by_epochs_every_sample_comes_once_before_any_comes_again():
    order = stream(by_epochs=True).order
    places = [order(n) for n in range(27)]  # pool, sample
    for epoch in (places[:9], places[9:18], places[18:]):
        assert sorted(epoch) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3)]
    assert places[:9] != places[9:18]
    again = stream(by_epochs=True).order
    assert [again(n) for n in (13, 2, 26)] == [places[n] for n in (13, 2, 26)]


def test_without_torchrun_there_is_one_process(monkeypatch):
    assert launched() == (1, 1)
    assert gathered([1, 2]) == [1, 2]
    assert mean_of(torch.tensor(3.0)) == 3.0
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert launched() == (2, 3)
    with pytest.raises(UserError, match="6 processes cannot share batches of 4"):
        trained(Path("never"), 4)
