"""Shards of rendered people as samples (written by `train.synthetic.shards`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.crop import box_around, crop_px_from_units
from engine.skeleton import CORE
from train.datasets.sample import Sample, background
from train.synthetic.shards import Shard, read_shard

# a hidden joint of a rendered person is known exactly, but nobody could see it
HIDDEN_WEIGHT = 0.5
MIN_INSIDE = 6
# of the root's distance; a joint nearer to the lens, or behind it, has no place in the picture
MIN_AHEAD = 0.05


def read_synthetic(folder: Path) -> list[Sample]:
    """All samples of a folder of shards."""
    return [s for path in sorted(folder.glob("shard_*.npz")) for s in samples_of(read_shard(path), path.stem)]


@dataclass(frozen=True, slots=True)
class Person3d:
    """A rendered person with everything that is true of them."""

    sample: Sample
    root_z_m: float
    joints_m: Float64[ndarray, "joints 3"]  # axes of the sample's camera
    inside: Bool[ndarray, "joints"]  # in the picture, seen or not


def read_people_3d(folder: Path) -> list[Person3d]:
    """The people of a folder of shards whose distance is known."""
    people = []
    for path in sorted(folder.glob("shard_*.npz")):
        shard = read_shard(path)
        if shard.empty or not np.isfinite(shard.root_z_m).all():
            continue
        for sample in samples_of(shard, path.stem):
            z_m = float(shard.root_z_m[int(sample.name.rsplit("/", 1)[1])])
            px = sample.joints_px.astype(np.float64)
            rays = np.column_stack([px, np.ones(len(px))]) @ np.linalg.inv(sample.K).T
            inside = np.asarray(((px > -0.5) & (px < shard.size_px - 0.5)).all(axis=1))
            people.append(Person3d(sample, z_m, rays * z_m * (1.0 + sample.relative_depth[:, None]), inside))
    return people


def samples_of(shard: Shard, name: str) -> list[Sample]:
    """A shard's samples; one without `MIN_INSIDE` joints inside its picture is left out."""
    if shard.empty:
        return [background(f"{name}/{i}", jpeg) for i, jpeg in enumerate(shard.jpegs)]
    samples = []
    for i, jpeg in enumerate(shard.jpegs):
        units, depth = shard.units[i].astype(np.float64), shard.depth[i]
        ahead = 1 + depth / shard.f_over_side[i] > MIN_AHEAD
        inside = (np.abs(units) < 0.5).all(axis=1) & ahead
        core = inside[CORE]
        if core.sum() < MIN_INSIDE:
            continue
        f_px = float(shard.f_over_side[i]) * shard.size_px
        center = (shard.size_px - 1) / 2
        K = np.array([[f_px, 0, center], [0, f_px, center], [0, 0, 1]])
        px = crop_px_from_units(units, shard.size_px)
        weight = np.where(shard.visible[i] & inside, 1.0, HIDDEN_WEIGHT * ahead)[:, None] * np.ones((1, 3))
        samples.append(
            Sample(
                name=f"{name}/{i}",
                jpeg=jpeg,
                K=K,
                joints_px=px.astype(np.float32),
                relative_depth=(depth / shard.f_over_side[i]).astype(np.float32),
                weight=weight.astype(np.float32),
                box=box_around(px[CORE][core]),
            )
        )
    return samples
