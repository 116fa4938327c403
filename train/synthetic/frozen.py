"""The synthetic people that figures are reported on: a committed list says whether a folder holds exactly them.

Rendered by `python run.py synth --split test --count 2000 --size 224 --seed 0` with all sources that docs/datasets.md
names; each line of the list is a sample and a hash of its labels, rounded so that machines agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from engine.skeleton import CORE
from train.synthetic.shards import ShardError, read_shard

PEOPLE_TEST = "people_test_2000"
ROUNDED = 1000  # parts of a crop unit
DIGITS = 12


def label_hash(units: Float[ndarray, "joints 2"], depth: Float[ndarray, "joints"]) -> str:
    """A short hash of a sample's labels, those of `mpii16`."""
    numbers = np.round(np.column_stack([units, depth])[CORE].astype(np.float64) * ROUNDED).astype("<i4")
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:DIGITS]


def listed_people(name: str = PEOPLE_TEST) -> dict[str, str]:
    """Samples (`shard_0000_00000/17`) and their hashes."""
    text = resources.files("train.datasets").joinpath("lists", f"{name}.txt").read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


def people_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Samples of a folder of shards and their hashes."""
    for path in sorted(folder.glob("shard_*.npz")):
        shard = read_shard(path)
        for i in range(len(shard.jpegs)):
            yield f"{path.stem}/{i}", label_hash(shard.units[i], shard.depth[i])


def check_frozen(folder: Path, name: str = PEOPLE_TEST) -> None:
    """ShardError where a folder holds other people than the list, more, or fewer."""
    listed, held = listed_people(name), dict(people_in(folder))
    wrong = [sample for sample in listed | held if listed.get(sample) != held.get(sample)]
    if wrong:
        raise ShardError(
            f"{folder} holds other people than the list {name} ({len(wrong)} differ, first {wrong[0]}); "
            "render it as docs/datasets.md says"
        )
