"""The training loop: Lightning runs it, this file says what a step is and how the run changes over its time.

A run is limited by hours, or by crops, not by epochs: progress is the share that is used, and the size of the crops,
the learning rate and the strength of augmentation follow it. A run that is stopped resumes where it was.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from engine.decode import MEAN_RGB, STD_RGB, decode
from engine.errors import UserError
from engine.model import Architecture, PoseResNet
from engine.skeleton import EXTREMITIES
from train.callbacks import LAST, Average, Bar, Clock
from train.checkpoints import WholeFiles, ended
from train.crops import Crops
from train.datasets.sample import Sample
from train.hard_examples import CropErrors, ErrorHistory, crop_errors
from train.loss import pose_loss
from train.metrics import pck, pck_hits, share, swap_rate
from train.products import with_products
from train.ranks import gathered, is_first, launched, mean_of, of_first, world
from train.recipe import Phase, Recipe
from train.stream import Batch, Pool, as_said
from train.synthetic.sources import Sources

MAX_GRADIENT_NORM = 5.0
# the longest time between two steps that counts: longer than any validation, shorter than a pause
STEP_MAX_S = 120.0
# what a resumed run, and one whose batches are endless, are meant to do
EXPECTED_WARNINGS = (
    "Checkpoint directory .* exists",
    "Be aware that when using .ckpt_path.",
    ".*does not have many workers",
    "You're resuming from a checkpoint that ended before the epoch ended",
    ".*isinstance.treespec, LeafSpec",
    "Found .* module.s. in eval mode",  # a recipe may freeze batch statistics
    "It is recommended to use .self.log.*sync_dist",  # the numbers are the same everywhere: their parts were gathered
)


class PoseTraining(lightning.LightningModule):
    """The network in training: `progress` is its clock."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: PoseResNet, recipe: Recipe, validations: Sequence[str] = ("",)) -> None:
        super().__init__()
        self.network, self.recipe, self.validations = network, recipe, validations
        self.joints = len(network.architecture.joints)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not name.startswith(recipe.frozen))
        self.hours = 0.0  # training time so far, all sittings together
        self._seen_s = time.monotonic()
        self.images_seen = 0
        self.data_wait = 0.0  # share of the latest epoch that went by waiting for batches
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD_RGB).view(1, 3, 1, 1), persistent=False)
        self._seen: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self.history: ErrorHistory | None = None  # of a training that leans to what it gets wrong
        self._crops: list[CropErrors] = []

    def train(self, mode: bool = True) -> PoseTraining:
        """Training mode; batch statistics stay as they are where the recipe says so."""
        super().train(mode)
        if mode and self.recipe.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def tick(self) -> None:
        """Counts the time since the last step; a process that stood still meanwhile did not train."""
        now_s = time.monotonic()
        self.hours += min(now_s - self._seen_s, STEP_MAX_S) / 3600
        self._seen_s = now_s
        self.hours = of_first(self.hours, self.device)  # all processes learn at one rate and end together

    @property
    def progress(self) -> float:
        """Share of the run's budget that is used, 0 ... 1."""
        if self.recipe.crops is not None:
            return min(self.images_seen / self.recipe.crops, 1.0)
        return min(self.hours / self.recipe.hours, 1.0)

    @property
    def phase(self) -> Phase:
        """The phase that the run is in."""
        return next((p for p in self.recipe.phases if self.progress < p.until), self.recipe.phases[-1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the volume and of presence, of uint8 RGB crops."""
        x = (image.float() - self.mean) / self.std
        return self.network(x.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """One batch's loss."""
        volume, presence = self(batch["image"])
        with torch.autocast(self.device.type, enabled=False):
            terms, joints = pose_loss(
                volume,
                presence,
                batch["target"],
                batch["weight"],
                batch["presence"],
                window=self.recipe.window,
                weights=self.recipe.loss,
                shared=mean_of,
            )
        if self.history is not None:
            xy = joints[..., :2].float()
            self._crops.append(crop_errors(xy, batch["target"][..., :2], batch["weight"][..., 0], batch["place"]))
        self.images_seen += len(batch["image"]) * world()
        named = {f"train_{name}": term for name, term in terms.items()}
        self.log_dict(named, on_step=False, on_epoch=True, sync_dist=world() > 1, batch_size=len(batch["image"]))
        return terms["loss"]

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        """Keeps predictions; the epoch's end makes numbers of them."""
        volume, _presence = self(batch["image"])
        joints = decode(volume, window=self.recipe.window)[..., :2]
        labelled = batch["weight"][..., 0] > 0
        arrays = (joints.double().cpu().numpy(), batch["target"].double().cpu().numpy(), labelled.cpu().numpy())
        self._seen.append((dataloader_idx, *arrays))

    def on_validation_epoch_end(self) -> None:
        """PCK and left/right swaps on each validation list: `val_pck` of the first, `val_NAME_pck` of the others."""
        if self.history is not None:
            for crops in gathered(self._crops):
                self.history.add(crops)
            self._crops.clear()
        seen = gathered(self._seen)
        self._seen.clear()
        for number, name in enumerate(self.validations):
            mine = [part[1:] for part in seen if part[0] == number]
            predicted, true, labelled = (np.concatenate(part) for part in zip(*mine, strict=True))
            prefix = f"val_{name}_" if number else "val_"
            self.log(f"{prefix}pck", pck(predicted, true[..., :2], labelled), prog_bar=not number)
            self.log(f"{prefix}swaps", swap_rate(predicted, true[..., :2], labelled))
            if predicted.shape[1] > max(EXTREMITIES):
                hits = pck_hits(predicted, true[..., :2], labelled, joints=EXTREMITIES)
                self.log(f"{prefix}pck_extremities", share(*hits))

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW (Adam, where no weight decays); warm-up by steps, then the recipe's schedule over the run."""
        taught = [p for p in self.network.parameters() if p.requires_grad]
        decayed = [p for p in taught if p.ndim > 1]
        plain = [p for p in taught if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self._learning_rate(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips gradients here: Lightning refuses to with a fused optimizer (45 ms of a 350 ms step on a CPU)."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)

    def _learning_rate(self, step: int) -> float:
        warm = min((step + 1) / max(self.recipe.warmup_steps, 1), 1.0)
        return warm * self.recipe.of_peak(self.progress)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The run's clock goes into the checkpoint."""
        history = self.history and self.history.state()
        checkpoint["pose_run"] = {"hours": self.hours, "images_seen": self.images_seen, "history": history}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The run's clock goes on where it was."""
        self.hours = checkpoint["pose_run"]["hours"]
        self.images_seen = checkpoint["pose_run"]["images_seen"]
        if self.history is not None and (held := checkpoint["pose_run"].get("history")):
            self.history.load(held)
        self._seen_s = time.monotonic()


def fit(
    architecture: Architecture,
    pools: Sequence[Pool],
    validation: Sequence[Sample] | Mapping[str, Sequence[Sample]],
    recipe: Recipe,
    folder: Path,
    *,
    start: dict[str, Tensor] | None = None,
    occluders: Sources | None = None,
) -> tuple[PoseTraining, dict[str, Tensor]]:
    """Train in `folder`, resuming from its `last.ckpt`; gives the run and the averaged network's state.

    Of several validation lists the first chooses, the others are reported under their names. Under torchrun all
    processes train together, each on its part of every batch.
    KeyboardInterrupt after a checkpoint was saved: the same call goes on from there. UserError where the processes
    cannot share a batch evenly.
    """
    if recipe.batch % world():
        raise UserError(f"{world()} processes cannot share batches of {recipe.batch}; start a number that divides it")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = PoseResNet(architecture)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing from the stubs
    if start is not None:
        network.load_state_dict(start)
    with_products(network)
    validations = validation if isinstance(validation, Mapping) else {"": validation}
    training = PoseTraining(network, recipe, tuple(validations))
    training.history = ErrorHistory(pools) if recipe.lean else None
    training.train()  # Lightning leaves the modules' modes as it finds them
    # what Lightning says of itself is for --verbose
    logging.getLogger("lightning.pytorch").setLevel(logging.getLogger().getEffectiveLevel())
    clock = Clock(folder)
    trainer = _trainer(recipe, folder, clock)
    last = folder / LAST
    resume = str(last) if last.is_file() else None
    if resume and ended(training, last):
        return training, _state(training)
    with warnings.catch_warnings():
        for text in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=text)
        try:
            crops = Crops(training, pools, validations, occluders)
            trainer.fit(training, datamodule=crops, ckpt_path=resume, weights_only=False)
        except SystemExit:  # Lightning's answer to Ctrl-C
            if clock.interrupted:
                raise KeyboardInterrupt from None
            raise
        except UserError as error:
            raise as_said(error) from None
    return training, _state(training)


def _state(training: PoseTraining) -> dict[str, Tensor]:
    return {k: v.detach().cpu().clone() for k, v in training.network.state_dict().items()}


def _trainer(recipe: Recipe, folder: Path, clock: Clock) -> lightning.Trainer:
    """On this process's device, together with those that torchrun started."""
    best = ModelCheckpoint(folder, filename="best", monitor="val_pck", mode="max", enable_version_counter=False)
    # not `save_last` of the one above: that writes only when the best changes
    latest = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    average = [Average(recipe.ema)] if recipe.ema else []
    devices, hosts = launched()
    return lightning.Trainer(
        accelerator="auto",
        devices=devices,
        num_nodes=hosts,
        strategy="ddp" if devices * hosts > 1 else "auto",
        sync_batchnorm=devices * hosts > 1 and torch.cuda.is_available(),
        use_distributed_sampler=False,  # the stream and the list are divided already
        precision=recipe.precision,  # type: ignore[arg-type]
        max_epochs=-1,
        limit_train_batches=recipe.batches_per_epoch,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        plugins=WholeFiles(),
        callbacks=[*average, clock, best, latest, *([Bar()] if is_first() else [])],
        default_root_dir=folder,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
