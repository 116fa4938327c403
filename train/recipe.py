"""What a training run is made of, apart from its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.decode import WINDOW_CELLS
from train.augment import Augmentation
from train.loss import LossWeights

WARMUP_STEPS = 300
FINAL_LEARNING_RATE = 0.02  # of the peak
# Xiao et al. (ECCV 2018), whose deconvolutions these are, lower the rate tenfold at epochs 90 and 120 of 140
MILESTONES = (90 / 140, 120 / 140)


@dataclass(frozen=True, slots=True)
class Phase:
    """Until `until` (progress, 0 ... 1) crops have this size and augmentation this strength."""

    until: float
    size_px: int
    strength: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a run is made of, apart from its data."""

    hours: float
    phases: tuple[Phase, ...]
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch: int = 32  # of all processes together
    ema: float = 0.999  # 0: the weights as they are
    seed: int = 0
    workers: int = 1
    batches_per_epoch: int = 500
    precision: str = "bf16-mixed"
    window: int | None = WINDOW_CELLS
    loss: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)  # its strength is the phase's
    warmup_steps: int = WARMUP_STEPS
    frozen_statistics: bool = False  # of batch normalisation: a few people in one room are not the world
    frozen: tuple[str, ...] = ()  # parts of the network that are not taught, by the beginning of their names
    lean: bool = False  # towards samples that the network gets wrong, and away from labels that are wrong
    crops: int | None = None  # a budget that is the same on every machine; then `hours` does not count
    epochs: int | None = None  # every sample once in each, in an order of its own; with `crops` as many as that makes
    schedule: Literal["cosine", "steps", "flat"] = "cosine"  # flat: for a run whose end is not known

    def of_peak(self, progress: float) -> float:
        """The learning rate after warm-up, as a share of its peak."""
        if self.schedule == "flat":
            return 1.0
        if self.schedule == "steps":
            return 0.1 ** sum(progress >= m for m in MILESTONES)
        return FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * 0.5 * (1 + float(np.cos(np.pi * progress)))
