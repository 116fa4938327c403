"""Which data set a folder holds, told by its content, and its samples by kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.datasets.coco import listed_pictures, read_person_free, read_pictures
from train.datasets.coco_people import read_coco_people
from train.datasets.human36m import holds_human36m, read_human36m
from train.datasets.labelled2d import DatasetError, read_labelled2d
from train.datasets.lsp import holds_lsp, read_lsp
from train.datasets.mpii import holds_mpii, read_mpii
from train.datasets.pack import Kind, read_pack
from train.datasets.reading import Reading
from train.datasets.sample import Sample
from train.datasets.synthetic import read_synthetic
from train.datasets.tars import read_tars, tars_url
from train.synthetic.shards import read_shard
from train.synthetic.split import belongs


@dataclass(frozen=True, slots=True)
class Found:
    """One data set: where it is, what its labels are worth, its samples."""

    folder: Path
    kind: Kind
    samples: Sequence[Sample]
    left_out: tuple[str, ...] = ()  # lines that count and name the records which could not be used


def find_datasets(folders: Sequence[Path]) -> list[Found]:
    """The data sets in some folders or one level below them, and in packs. DatasetError when one holds none."""
    found = []
    for folder in folders:
        if (url := tars_url(folder)) is not None:
            found += [Found(Path(s.name), s.kind, s.samples) for s in read_tars(url)]
            continue
        if folder.is_file():
            found += [Found(folder / s.name.split(" ", 1)[-1], s.kind, s.samples) for s in read_pack(folder)]
            continue
        if not folder.is_dir():
            raise DatasetError(f"no folder {folder}; give folders of data sets, see docs/datasets.md")
        # what lies below a data set is its own: pictures of people are no backgrounds
        here = list(_read(folder)) or [known for path in sorted(folder.iterdir()) for known in _read(path)]
        if not here:
            raise DatasetError(f"{folder} holds no data set that is known; docs/datasets.md shows the layouts")
        found += here
    return found


def _read(folder: Path) -> Iterator[Found]:
    if not folder.is_dir():
        return
    if any(folder.glob("*_joints.npz")):
        if any(folder.glob("*.zip")):
            photos = read_labelled2d(folder)
            if photos.human:
                yield Found(folder, "labelled", photos.human)
            if photos.pseudo:
                yield Found(folder, "pseudo", photos.pseudo)
    elif any(folder.glob("shard_*.npz")):
        first = read_shard(min(folder.glob("shard_*.npz")))
        if first.split == "test":
            raise DatasetError(f"{folder} was rendered to judge by (--split test); leave it out of a training")
        yield Found(folder, "background" if first.empty else "synthetic", read_synthetic(folder))
    elif holds_mpii(folder):
        yield _found("labelled", read_mpii(folder))
    elif holds_lsp(folder):
        yield _found("labelled", read_lsp(folder))
    elif holds_human36m(folder, "train"):
        yield _found("captured", read_human36m(folder, "train"))
    elif any(folder.glob("annotations/instances_*.json")) or any(folder.glob("annotations/person_keypoints_*.json")):
        yield from _coco(folder)
    elif any(folder.glob("*.jpg")):
        yield Found(folder, "background", _taught(read_pictures(folder)))


def _coco(folder: Path) -> Iterator[Found]:
    """Pictures without people, and people; those of the frozen list of squares are only there to judge."""
    yield Found(folder, "background", _taught(read_person_free(folder)))
    if any(folder.glob("annotations/person_keypoints_*.json")):
        reading, judged = read_coco_people(folder), listed_pictures()
        reading.samples = [s for s in reading.samples if s.name.split(" #")[0] not in judged]
        yield _found("labelled", reading)


def _found(kind: Kind, reading: Reading) -> Found:
    return Found(reading.folder, kind, reading.samples, tuple(reading.lines()))


def _taught(samples: list[Sample]) -> list[Sample]:
    """Without the pictures that synthetic people of the test part stand before."""
    return [sample for sample in samples if belongs(sample.name, "train")]
