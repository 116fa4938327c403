"""The paper's preset, killed at random moments of both stages and started again, ends with the same weights."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from engine.model import PAPER_ARCHITECTURES
from engine.weights import read_weights
from tests.conftest import REPOSITORY
from tests.train import paper_run
from tests.train.miniature_sets import write_human36m, write_mpii_json
from train.paper import labels

STAGES = ("2d-resnet18-cbam-wasp", "3d-self-resnet18-cbam-wasp")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
EPOCHS, PAUSE_S = 3, 0.3
LIMIT_S = 600


@dataclass(frozen=True)
class Moment:
    """When a run is killed: in which stage, after how many epochs of it, how long after."""

    stage: str
    epochs: int
    later_s: float


def started(sets: Path, out: Path, *, epochs: int, pause_s: float, eyes: str) -> subprocess.Popen:
    arguments = [sets / "mpii", sets / "h36m", out, epochs, pause_s, eyes]
    command = [sys.executable, paper_run.__file__, *(str(a) for a in arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def killed(process: subprocess.Popen, out: Path, moment: Moment) -> None:
    """Kills a run in the middle of a stage. A stage's line of an epoch comes before the epoch's checkpoint."""
    numbers, deadline = out / moment.stage / "metrics.jsonl", time.monotonic() + LIMIT_S
    while not numbers.is_file() or len(numbers.read_text().splitlines()) < moment.epochs:
        assert process.poll() is None, process.communicate()[0].decode()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(moment.later_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / moment.stage / "full.safetensors").is_file()


def ends_as(unbroken: Path, sets: Path, out: Path, moments: Sequence[Moment], **options) -> None:
    """Killed at each moment, the same command at last ends with the weights of a run that nobody disturbed."""
    for moment in moments:
        killed(started(sets, out, **options), out, moment)
    process = started(sets, out, **options)
    said = process.communicate(timeout=LIMIT_S)[0].decode()
    assert process.returncode == 0, said[-3000:]
    for stage in STAGES:
        a, b = (read_weights(folder / stage / "full.safetensors").state for folder in (unbroken, out))
        assert a.keys() == b.keys()
        assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    write_mpii_json(folder / "mpii", train=24, valid=4)
    write_human36m(folder / "h36m", moments=4, test_moments=1)
    return folder


def test_the_preset_ends_with_the_same_weights_however_often_it_was_killed(sets, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(PAPER_ARCHITECTURES, "full", paper_run.TINY)
    monkeypatch.setattr(labels, "look", lambda samples, weights: paper_run.seen(samples, 0.25))
    whole = (sets / "mpii", sets / "h36m", tmp_path / "unbroken")
    assert paper_run.pretrain(*whole, epochs=EPOCHS) == 0
    assert "S1 54138969, 55011271: 8 moments, " in capsys.readouterr().out
    assert paper_run.pretrain(*whole, epochs=EPOCHS + 1) == 1
    assert "was trained with epochs = 3, not 4; give another --out" in capsys.readouterr().err
    rng = random.Random(9)
    # an epoch of two steps takes at least two pauses
    moments = [Moment(stage, rng.randint(1, EPOCHS - 1), rng.uniform(0, 2 * PAUSE_S)) for stage in STAGES]
    options = {"epochs": EPOCHS, "pause_s": PAUSE_S, "eyes": "true"}
    ends_as(tmp_path / "unbroken", sets, tmp_path / "killed", moments, **options)
