"""A training of a few steps, alone or under torchrun: `distributed_run.py FOLDER CROPS PAUSE_S STOP_AT`."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from engine.crop import box_around, camera_matrix
from engine.model import Architecture
from train.datasets.sample import Sample
from train.fit import PoseTraining, fit
from train.recipe import Phase, Recipe
from train.stream import Pool

TINY = Architecture(backbone=18, input_px=64, deconv=16, depth_bins=8)
BATCH = 4


def people(count: int = 9) -> list[Sample]:
    """Dots on noise; some joints unlabelled, so that processes have different weights."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        px = rng.uniform(20, 100, (16, 2)).astype(np.float32)
        image = rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)
        jpeg = cv2.imencode(".jpg", image)[1].tobytes()
        weight = np.repeat((rng.random((16, 1)) < 0.3 + 0.1 * (seed % 7)), 3, axis=1).astype(np.float32)
        weight[[2, 13]] = 1
        depth = rng.normal(0, 0.05, 16).astype(np.float32)
        K = camera_matrix(120, 120, fov_deg=60)
        made.append(Sample(f"{seed}", jpeg, K, px, depth, weight, box_around(px.astype(np.float64))))
    return made


def recipe(crops: int, *, batches_per_epoch: int = 2) -> Recipe:
    """Deterministic, in single precision, batch statistics left alone."""
    phases = (Phase(1.0, 64, 0.4),)
    made = Recipe(1.0, phases, crops=crops, epochs=1, batches_per_epoch=batches_per_epoch, batch=BATCH, workers=0)
    return replace(made, precision="32-true", ema=0, warmup_steps=0, frozen_statistics=True, window=None)


def main(folder: Path, crops: int, pause_s: float, stop_at: int) -> None:
    """Trains, with a pause at each step so that somebody can kill it between; interrupted once `stop_at` were seen."""
    torch.set_num_threads(1)
    whole = PoseTraining.training_step

    def step(self, batch, number):
        time.sleep(pause_s)
        if self.images_seen >= stop_at:
            raise KeyboardInterrupt
        return whole(self, batch, number)

    PoseTraining.training_step = step
    samples = people()
    fit(TINY, [Pool("labelled", samples, 1.0)], samples, recipe(crops), folder)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
    except KeyboardInterrupt:
        print("interrupted")
