"""An endless stream of training batches, mixed from several pools of samples by fixed shares."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from engine.errors import UserError
from engine.skeleton import MPII16
from train.augment import Augmentation, Crop, augmented, plain
from train.datasets.sample import Sample
from train.synthetic.sources import Sources

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Pool:
    """Samples of one domain and the share of each batch that they fill."""

    name: str
    samples: Sequence[Sample]
    share: float
    renewed: Callable[[], Sequence[Sample]] | None = None  # gives the next epoch's samples
    often: Float64[ndarray, "n"] | None = None  # how often each sample is drawn, against the others; None: all alike

    def now(self) -> Pool:
        """The pool with the samples of the epoch that begins."""
        return self if self.renewed is None else replace(self, samples=self.renewed())


class CropStream(IterableDataset):
    """Random crops, batch by batch, from batch number `first` on.

    Sample i of batch k draws from a seed of its own, (seed, k, i): any number of workers and processes, started at any
    batch, gives the same crops. `part` (rank, world): this process has every world-th sample of each batch. Labels have
    the `joints` first joints of `body25`; what a sample lacks has weight 0. With
    `by_epochs` every sample of the pools comes once before any comes again, in an order that changes by epoch.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        *,
        size_px: int,
        batch: int,
        seed: int,
        options: Augmentation,
        first: int = 0,
        part: tuple[int, int] = (0, 1),
        joints: int = len(MPII16),
        by_epochs: bool = False,
        occluders: Sources | None = None,
    ) -> None:
        self.numbers = [i for i, pool in enumerate(pools) if len(pool.samples) and pool.share > 0]
        filled = [pools[i] for i in self.numbers]
        if not filled:
            raise ValueError("no pool holds a sample")
        total = sum(pool.share for pool in filled)
        self.pools = filled
        self.shares = np.array([pool.share / total for pool in filled])
        # patches that hide a person come from pictures without people where there are any, else from all
        self.lenders = [pool for pool in filled if pool.name == "background"] or filled
        self.size_px, self.batch, self.seed, self.options = size_px, batch, seed, options
        self.first, self.part, self.occluders, self.joints = first, part, occluders, joints
        self.order = _Order(filled, seed) if by_epochs else None

    def __iter__(self) -> Iterator[Batch]:
        """Never ends; the loop that reads it decides."""
        worker = get_worker_info()
        if worker is not None:
            cv2.setNumThreads(0)
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        rank, world = self.part
        for k in itertools.count(self.first + number, step):
            drawn = [self._draw(k, i) for i in range(rank, self.batch, world)]
            yield {**collate([crop for crop, _ in drawn]), "place": torch.tensor([place for _, place in drawn])}

    def _draw(self, k: int, i: int) -> tuple[Crop, tuple[int, int]]:
        """A crop, and which sample of which pool it shows."""
        rng = np.random.default_rng((self.seed, k, i))
        pool = int(rng.choice(len(self.pools), p=self.shares))
        lender = self.lenders[rng.integers(len(self.lenders))]
        if self.order is None:
            at = _any(self.pools[pool], rng)
        else:
            pool, at = self.order(k * self.batch + i)
        sample, pasted = self.pools[pool].samples[at], lender.samples[_any(lender, rng)]
        crop = augmented(sample, self.size_px, rng, self.options, pasted=pasted, occluders=self.occluders)
        return crop.with_joints(self.joints), (self.numbers[pool], at)


class _Order:
    """Sample number n of a training by epochs."""

    def __init__(self, pools: Sequence[Pool], seed: int) -> None:
        self._seed = seed
        self._starts = np.cumsum([0, *(len(pool.samples) for pool in pools)])
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    def __call__(self, n: int) -> tuple[int, int]:
        """Its pool and its place there."""
        epoch, at = divmod(n, int(self._starts[-1]))
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self._seed, epoch)).permutation(int(self._starts[-1]))
        index = int(self._order[at])
        pool = int(np.searchsorted(self._starts, index, side="right")) - 1
        return pool, index - int(self._starts[pool])


def _any(pool: Pool, rng: Generator) -> int:
    if pool.often is None:
        return int(rng.integers(len(pool.samples)))
    return int(rng.choice(len(pool.samples), p=pool.often / pool.often.sum()))


def collate(crops: Sequence[Crop]) -> Batch:
    """Crops as tensors: `image` (n, 3, s, s) uint8 RGB, `target`, `weight` (n, joints, 3), `presence` (n)."""
    images = np.stack([crop.image_bgr for crop in crops])[..., ::-1].transpose(0, 3, 1, 2)
    return {
        "image": torch.from_numpy(np.ascontiguousarray(images)),
        "target": torch.from_numpy(np.stack([crop.target for crop in crops])),
        "weight": torch.from_numpy(np.stack([crop.weight for crop in crops])),
        "presence": torch.tensor([crop.presence for crop in crops], dtype=torch.float32),
    }


def loader(stream: CropStream, *, workers: int) -> DataLoader:
    """Batches prepared by other processes while the network computes."""
    return DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)


def as_said(error: UserError) -> UserError:
    """The error in the words it was raised with: from a loader's process it comes with a traceback around them."""
    lines = str(error).splitlines()
    if not lines or not lines[0].startswith("Caught "):
        return error
    return UserError(lines[-1].partition(": ")[2])


def plain_loader(samples: Sequence[Sample], *, size_px: int, joints: int, batch: int = 50) -> DataLoader:
    """The samples in order, as evaluation sees them."""

    def crops(part: Sequence[Sample]) -> Batch:
        return collate([plain(s, size_px).with_joints(joints) for s in part])

    chunks = [samples[i : i + batch] for i in range(0, len(samples), batch)]
    return DataLoader(chunks, batch_size=None, collate_fn=crops)  # type: ignore[arg-type]
