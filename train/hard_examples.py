"""Which samples a training shows more often, and which labels have left and right exchanged: by its own errors.

Every crop that is learned from says how far the network was off and whether exchanged sides would have fitted better.
Kept as running means per sample, they steer the next epochs: what the network gets wrong comes more often (Shrivastava
et al., CVPR 2016, of whole samples), and a label that the network contradicts steadily is turned where a teacher
network contradicts it too, and left out where no teacher is on the label's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from engine.skeleton import LIMB_JOINTS, skeleton_of
from train.datasets.sample import Sample
from train.stream import Pool

# how often a sample is drawn against a usual one: none is forgotten, and a label that is wrong does not take over
BOUNDS = (0.6, 2.5)
NEWEST = 0.3  # share of the newest crop in a running mean
JOINTS_MIN = 6  # limb joints in a crop with fewer say nothing
# of the person's extent: a joint nearer than this is right, and errors beyond the second are all alike
RIGHT, WORST = 0.08, 0.4
# sides: so much more of the joints fit when exchanged, steadily, in at least so many crops
EXCHANGED, LOOKS_MIN = 0.35, 4
TEACHER_SURE = 0.2  # share of joints by which a teacher takes a side


@dataclass(slots=True)
class CropErrors:
    """What one process saw in some crops; rows are crops."""

    place: Int64[ndarray, "n 2"]  # pool, sample
    error: Float64[ndarray, "n"]  # mean distance over the person's extent
    exchanged: Float64[ndarray, "n"]  # share of joints that exchanged sides make right, less those they make wrong


@dataclass(slots=True)
class _Means:
    """Running means of one pool's samples; NaN where a sample was not seen."""

    error: Float64[ndarray, "n"]
    exchanged: Float64[ndarray, "n"]  # against the label as it was read, also where it is turned now
    looks: Int64[ndarray, "n"]
    turned: Bool[ndarray, "n"]

    @classmethod
    def unseen(cls, n: int) -> _Means:
        """Of n samples that nobody looked at."""
        return cls(np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n, bool))


class ErrorHistory:
    """Running means of all samples of pools whose samples stay."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        sizes = [0 if pool.renewed is not None else len(pool.samples) for pool in pools]
        self._means = [_Means.unseen(n) for n in sizes]
        self.turned: list[str] = []  # names of samples whose labels are turned in this epoch
        self.left_out: list[str] = []

    def add(self, seen: CropErrors) -> None:
        """Takes in what was seen, in its order."""
        for (pool, sample), error, exchanged in zip(seen.place, seen.error, seen.exchanged, strict=True):
            means = self._means[pool]
            if sample >= len(means.looks) or not np.isfinite(error):
                continue
            share = NEWEST if means.looks[sample] else 1.0
            exchanged = -exchanged if means.turned[sample] else exchanged
            for mean, value in ((means.error, error), (means.exchanged, exchanged)):
                mean[sample] = value if share == 1.0 else mean[sample] + share * (value - mean[sample])
            means.looks[sample] += 1

    def steered(self, pools: Sequence[Pool]) -> list[Pool]:
        """The pools as the next epoch draws from them."""
        self.turned, self.left_out = [], []
        return [
            self._steered(pool, means) if len(means.looks) else pool
            for pool, means in zip(pools, self._means, strict=True)
        ]

    def _steered(self, pool: Pool, means: _Means) -> Pool:
        told = means.looks > 0
        often = np.ones(len(told))
        if told.any() and (usual := float(np.median(means.error[told]))) > 0:
            often[told] = np.clip(means.error[told] / usual, *BOUNDS)
        turn, leave = _contradicted(pool.samples, means)
        means.turned[:] = turn
        samples = list(pool.samples)
        for i in np.flatnonzero(turn).tolist():
            self.turned.append(samples[i].name)
            samples[i] = turned(samples[i])
        self.left_out += [samples[i].name for i in np.flatnonzero(leave).tolist()]
        return replace(
            pool, samples=samples, often=np.where(leave, 0.0, often * (1.0 if pool.often is None else pool.often))
        )

    def state(self) -> list[dict[str, ndarray]]:
        """For a checkpoint."""
        return [{"error": m.error, "exchanged": m.exchanged, "looks": m.looks, "turned": m.turned} for m in self._means]

    def load(self, state: list[dict[str, ndarray]]) -> None:
        """Goes on from a checkpoint; pools that have other samples now begin anew."""
        for number, (means, held) in enumerate(zip(self._means, state, strict=False)):
            if len(held["looks"]) == len(means.looks):
                self._means[number] = _Means(**held)


def _contradicted(samples: Sequence[Sample], means: _Means) -> tuple[Bool[ndarray, "n"], Bool[ndarray, "n"]]:
    """Whose label is to be turned, and whose left out."""
    steady = (means.looks >= LOOKS_MIN) & (np.nan_to_num(means.exchanged, nan=-1.0) > EXCHANGED)
    teacher = np.array([sample.exchanged for sample in samples])
    turn = steady & (teacher > TEACHER_SURE)
    return turn, steady & ~turn & ~(teacher < -TEACHER_SURE)


def turned(sample: Sample) -> Sample:
    """The sample with left and right of its labels exchanged."""
    mirror = sample.skeleton.mirror
    return replace(
        sample,
        joints_px=sample.joints_px[mirror],
        relative_depth=sample.relative_depth[mirror],
        weight=sample.weight[mirror],
    )


def crop_errors(
    joints: Float[Tensor, "n joints 2"],
    target: Float[Tensor, "n joints 2"],
    weight: Float[Tensor, "n joints"],
    place: Tensor,
) -> CropErrors:
    """How far each crop's joints are off, crop units in."""
    limbs = list(LIMB_JOINTS)
    known = weight[:, limbs] > 0
    true = target[:, limbs]
    low = torch.where(known[..., None], true, torch.inf).amin(1)
    high = torch.where(known[..., None], true, -torch.inf).amax(1)
    extent = (high - low).amax(1).clamp(min=1e-3)
    away = (joints[:, limbs] - true).norm(dim=-1) / extent[:, None]
    mirror = skeleton_of(joints.shape[1]).mirror
    other = (joints[:, mirror][:, limbs] - true).norm(dim=-1) / extent[:, None]
    count = known.sum(1)
    error = (away.clamp(max=WORST) * known).sum(1) / count.clamp(min=1)
    exchanged = (((other < RIGHT).float() - (away < RIGHT).float()) * known).sum(1) / count.clamp(min=1)
    error = torch.where(count >= JOINTS_MIN, error, torch.nan)
    return CropErrors(place.cpu().numpy(), error.double().cpu().numpy(), exchanged.double().cpu().numpy())
