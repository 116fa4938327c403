"""Which data set a folder holds, told by its content, and its samples by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from train.datasets.coco import read_person_free, read_pictures
from train.datasets.labelled2d import DatasetError, read_labelled2d
from train.datasets.pack import Kind, read_pack
from train.datasets.sample import Sample
from train.datasets.synthetic import read_synthetic
from train.synthetic.shards import read_shard
from train.synthetic.split import belongs


@dataclass(frozen=True, slots=True)
class Found:
    """One data set: where it is, what its labels are worth, its samples."""

    folder: Path
    kind: Kind
    samples: Sequence[Sample]


def find_datasets(folders: Sequence[Path]) -> list[Found]:
    """The data sets in some folders or one level below them, and in packs. DatasetError when one holds none."""
    found = []
    for folder in folders:
        if folder.is_file():
            found += [Found(folder / s.name.split(" ", 1)[-1], s.kind, s.samples) for s in read_pack(folder)]
            continue
        if not folder.is_dir():
            raise DatasetError(f"no folder {folder}; give folders of data sets, see docs/datasets.md")
        here = [known for path in (folder, *sorted(folder.iterdir())) if (known := _read(path)) is not None]
        if not here:
            raise DatasetError(f"{folder} holds no data set that is known; docs/datasets.md shows the layouts")
        found += here
    return found


def _read(folder: Path) -> Found | None:
    if not folder.is_dir():
        return None
    if tables := sorted(folder.glob("*_joints.npz")):
        kind: Kind = "pseudo" if any("everyday" in table.name for table in tables) else "labelled"
        return Found(folder, kind, read_labelled2d(folder)) if any(folder.glob("*.zip")) else None
    if any(folder.glob("shard_*.npz")):
        if any(read_shard(path).split == "test" for path in sorted(folder.glob("shard_*.npz"))[:1]):
            raise DatasetError(f"{folder} was rendered to judge by (--split test); leave it out of a training")
        return Found(folder, "synthetic", read_synthetic(folder))
    if any(folder.glob("annotations/instances_*.json")):
        return Found(folder, "background", _taught(read_person_free(folder)))
    if any(folder.glob("*.jpg")):
        return Found(folder, "background", _taught(read_pictures(folder)))
    return None


def _taught(samples: list[Sample]) -> list[Sample]:
    """Without the pictures that synthetic people of the test part stand before."""
    return [sample for sample in samples if belongs(sample.name, "train")]
