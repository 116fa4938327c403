"""An endless stream of training batches, mixed from several pools of samples by fixed shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from train.augment import Augmentation, Crop, augmented, plain
from train.datasets.sample import Sample

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Pool:
    """Samples of one domain and the share of each batch that they fill."""

    name: str
    samples: Sequence[Sample]
    share: float
    renewed: Callable[[], Sequence[Sample]] | None = None  # gives the next epoch's samples

    def now(self) -> Pool:
        """The pool with the samples of the epoch that begins."""
        return self if self.renewed is None else replace(self, samples=self.renewed())


class CropStream(IterableDataset):
    """Random crops, batch by batch. Worker k of epoch e draws from its own seed."""

    def __init__(self, pools: Sequence[Pool], *, size_px: int, batch: int, seed: int, options: Augmentation) -> None:
        filled = [pool for pool in pools if len(pool.samples) and pool.share > 0]
        if not filled:
            raise ValueError("no pool holds a sample")
        total = sum(pool.share for pool in filled)
        self.pools = filled
        self.shares = np.array([pool.share / total for pool in filled])
        # patches that hide a person come from pictures without people where there are any, else from all
        self.lenders = [pool for pool in filled if pool.name == "background"] or filled
        self.size_px, self.batch, self.seed, self.options = size_px, batch, seed, options

    def __iter__(self) -> Iterator[Batch]:
        """Never ends; the loop that reads it decides."""
        worker = get_worker_info()
        if worker is not None:
            cv2.setNumThreads(0)
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        while True:
            yield collate([self._draw(rng) for _ in range(self.batch)])

    def _draw(self, rng: Generator) -> Crop:
        pool = self.pools[rng.choice(len(self.pools), p=self.shares)]
        lender = self.lenders[rng.integers(len(self.lenders))]
        return augmented(_any(pool, rng), self.size_px, rng, self.options, pasted=_any(lender, rng))


def _any(pool: Pool, rng: Generator) -> Sample:
    return pool.samples[int(rng.integers(len(pool.samples)))]


def collate(crops: Sequence[Crop]) -> Batch:
    """Crops as tensors: `image` (n, 3, s, s) uint8 RGB, `target`, `weight` (n, 16, 3), `presence` (n)."""
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


def plain_loader(samples: Sequence[Sample], *, size_px: int, batch: int = 50) -> DataLoader:
    """The samples in order, as evaluation sees them."""
    chunks = [samples[i : i + batch] for i in range(0, len(samples), batch)]
    return DataLoader(chunks, batch_size=None, collate_fn=lambda part: collate([plain(s, size_px) for s in part]))  # type: ignore[arg-type]
