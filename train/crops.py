"""Batches for a training: which part of the endless stream comes next, for this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import lightning

from train.datasets.sample import Sample
from train.ranks import rank, world
from train.stream import CropStream, Pool, loader, plain_loader
from train.synthetic.sources import Sources

if TYPE_CHECKING:
    from train.fit import PoseTraining


class Crops(lightning.LightningDataModule):
    """Batches of the phase that the run is in; asked anew each epoch.

    The stream goes on where the run is: after an interruption, and on another number of processes, it gives what it
    would have given.
    """

    def __init__(
        self,
        training: PoseTraining,
        pools: Sequence[Pool],
        validations: Mapping[str, Sequence[Sample]],
        occluders: Sources | None = None,
    ) -> None:
        super().__init__()
        self.training, self.pools, self.validations, self.occluders = training, pools, validations, occluders

    def train_dataloader(self) -> object:
        """Random crops."""
        recipe, phase = self.training.recipe, self.training.phase
        stream = CropStream(
            self._steered(),
            size_px=phase.size_px,
            batch=recipe.batch,
            seed=recipe.seed,
            options=replace(recipe.augmentation, strength=phase.strength),
            first=self.training.images_seen // recipe.batch,
            part=(rank(), world()),
            joints=self.training.joints,
            by_epochs=recipe.epochs is not None,
            occluders=self.occluders,
        )
        return loader(stream, workers=recipe.workers)

    def _steered(self) -> list[Pool]:
        pools = [pool.now() for pool in self.pools]
        history = self.training.history
        return pools if history is None else history.steered(pools)

    def val_dataloader(self) -> object:
        """The validation lists at the phase's size; each process has a part of each."""
        size_px, joints = self.training.phase.size_px, self.training.joints
        return [plain_loader(v[rank() :: world()], size_px=size_px, joints=joints) for v in self.validations.values()]
