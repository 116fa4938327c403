"""Is loading a bottleneck? Crops a second of the loader alone, by its processes, beside the training step.

python -m train.loading DATASET... [--weights lite|full] [--batch 32] [--workers 0,1,2,4]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.model import ARCHITECTURES, PoseResNet
from train.augment import Augmentation
from train.datasets.found import find_datasets
from train.fit import PoseTraining
from train.pretrain import pools_of
from train.recipe import Phase, Recipe
from train.stream import Batch, CropStream, Pool, loader

SECONDS = 8.0
WARM = 2  # batches before the clock runs: processes start, caches fill


def crops_per_s(pools: Sequence[Pool], *, size_px: int, batch: int, workers: int, seconds: float = SECONDS) -> float:
    """What the loader gives while nothing else is done."""
    stream = CropStream(pools, size_px=size_px, batch=batch, seed=0, options=Augmentation())
    batches = iter(loader(stream, workers=workers))
    for _ in range(WARM):
        next(batches)
    begin, count = time.perf_counter(), 0
    while (spent := time.perf_counter() - begin) < seconds:
        next(batches)
        count += batch
    return count / spent


def steps_per_s(name: str, example: Batch, recipe: Recipe, *, seconds: float = SECONDS) -> float:
    """Forward, loss, backward and optimiser step on one batch that is there already."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = PoseTraining(PoseResNet(ARCHITECTURES[name]), recipe).to(device)
    training.log_dict = lambda *_, **__: None  # type: ignore[method-assign] - there is no trainer
    optimizer = torch.optim.AdamW(training.network.parameters(), lr=1e-4)
    here = {key: value.to(device) for key, value in example.items()}
    begin, count = time.perf_counter(), -WARM
    while count < 1 or time.perf_counter() - begin < seconds:
        with torch.autocast(device.type, torch.bfloat16):
            loss = training.training_step(here, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        count += 1
        if count == 0:
            begin = time.perf_counter()
    return count / (time.perf_counter() - begin)


def report(folders: Sequence[Path], *, name: str, batch: int, workers: Sequence[int], seconds: float = SECONDS) -> str:
    """A Markdown table."""
    pools, _ = pools_of(find_datasets(folders))
    size = ARCHITECTURES[name].input_px
    recipe = Recipe(hours=1.0, phases=(Phase(1.0, size, 0.4),), batch=batch)
    stream = CropStream(pools, size_px=size, batch=batch, seed=0, options=Augmentation())
    step = batch * steps_per_s(name, next(iter(stream)), recipe, seconds=seconds)
    lines = ["| | crops/s |", "| --- | --- |", f"| training step, {name} at {size} px, batch {batch} | {step:.0f} |"]
    for count in workers:
        rate = crops_per_s(pools, size_px=size, batch=batch, workers=count, seconds=seconds)
        lines.append(f"| loader alone, {count or 'no'} worker{'' if count == 1 else 's'} | {rate:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m train.loading", description="Loading beside the training step.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="DATASET")
    parser.add_argument("--weights", choices=sorted(ARCHITECTURES), default="lite")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", default="0,1,2,4", help="numbers of processes, by commas")
    asked = parser.parse_args()
    counts = [int(text) for text in asked.workers.split(",")]
    print(report(asked.folders, name=asked.weights, batch=asked.batch, workers=counts))


if __name__ == "__main__":
    main()
