"""The paper's preset as a process that somebody may kill: `paper_run.py MPII HUMAN36M OUT EPOCHS PAUSE_S true|own`.

With `true` eyes 3D labels are made of the true joints with noise, for a network that is trained for seconds sees none;
with `own` eyes nothing is replaced.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from engine.model import PAPER_ARCHITECTURES, Architecture
from run import main
from train.fit import PoseTraining
from train.paper import labels
from train.paper.labels import Sights

TINY = Architecture(backbone=18, input_px=64, deconv=8, depth_bins=8)
SMALL = Architecture(backbone=18, input_px=64, deconv=64, depth_bins=8)


def seen(samples, noise_px: float) -> Sights:
    """The true joints with noise, as if a network had seen them."""
    rng = np.random.default_rng(0)
    px = [s.joints_px + rng.normal(0, noise_px, (16, 2)) for s in samples]
    rays = [s.captured.lens.rays(p.astype(np.float64)) for s, p in zip(samples, px, strict=True)]
    return Sights(np.array(rays), np.full((len(samples), 16), 0.9))


def pretrain(mpii: Path, human36m: Path, out: Path, *, epochs: int) -> int:
    """The command, in this process; its exit status."""
    both = ["pretrain", str(mpii), str(human36m), "--preset", "paper", "--weights", "full"]
    return main([*both, "--epochs", str(epochs), "--out", str(out)])


def pausing(pause_s: float) -> None:
    """Every step of a training takes so much longer, so that somebody can kill it between."""
    whole = PoseTraining.training_step

    def step(self, batch, number):
        time.sleep(pause_s)
        return whole(self, batch, number)

    PoseTraining.training_step = step


if __name__ == "__main__":
    torch.set_num_threads(1)
    pausing(float(sys.argv[5]))
    PAPER_ARCHITECTURES["full"] = TINY if sys.argv[6] == "true" else SMALL
    if sys.argv[6] == "true":
        labels.look = lambda samples, weights: seen(samples, 0.25)
    sys.exit(pretrain(*(Path(folder) for folder in sys.argv[1:4]), epochs=int(sys.argv[4])))
