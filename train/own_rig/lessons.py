"""What a fine-tuning learns from: the takes, synthetic people before the takes' own rooms, pictures without anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.progress import Step
from realtime.takes import open_take
from train.datasets.sample import Sample, background
from train.datasets.synthetic import read_synthetic
from train.datasets.takes import backgrounds, read_take
from train.own_rig.labels import LabelError, TakeLabels, read_labels
from train.stream import Pool
from train.synthetic.shards import encode_jpeg, free_cores, write_shards
from train.synthetic.sources import SourceFolders, procedural_background

SHARES = {"take": 0.55, "synthetic": 0.39, "background": 0.06}
# every so many stretches of so many frames are not learned from, nor the frames beside them: they choose
VALIDATION_EVERY, STRETCH, BESIDE = 8, 45, 10
VALIDATION_SHARE = 0.08  # of a take that is too short for that: its end
SAMPLES_MIN = 60
ROOMS = 48  # made-up pictures without a person
PEOPLE_PX = 224
KEPT = 96  # synthetic people that are not learned from either
CHOOSING_MOST = 96  # pictures of the takes that choose


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is taught, and what chooses among networks that were."""

    pools: tuple[Pool, ...]
    validation: tuple[Sample, ...]  # of the takes
    kept: tuple[Sample, ...]  # synthetic people


def lessons(
    takes: Sequence[Path], out: Path, *, people: int, synthetic: Sequence[Path], seed: int,
    labels: Mapping[Path, TakeLabels], step: Callable[[str], Step],
) -> Lessons:  # fmt: skip
    """Everything for a run in `out`. `labels` stand in for those of some takes. LabelError: too little."""
    taught, validation = _of_takes(takes, labels, step("pictures"))
    rooms = out / "rooms"
    empty = _empty(takes, rooms, seed)
    folders = tuple(synthetic) or (_rendered(out / "people", rooms, people, seed, step("people")),)
    everybody = [sample for folder in folders for sample in read_synthetic(folder)]
    if len(everybody) < 2:
        raise LabelError(f"{', '.join(map(str, folders))}: no synthetic people there; python run.py synth makes them")
    every = max(len(everybody) // KEPT, 2)
    kept = everybody[::every][:KEPT]
    learned = [sample for i, sample in enumerate(everybody) if i % every or i // every >= KEPT]
    named = {"take": taught, "synthetic": learned, "background": empty}
    pools = tuple(Pool(name, samples, SHARES[name]) for name, samples in named.items())
    return Lessons(pools, tuple(validation[:: -(-len(validation) // CHOOSING_MOST)]), tuple(kept))


def parted(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """One camera's samples, named FOLDER/CAMERA/FRAME: what is learned from, and what chooses."""
    taught, validation = [], []
    for sample in samples:
        stretch, at = divmod(int(sample.name.rsplit("/", 1)[1]), STRETCH)
        after_middle = stretch % VALIDATION_EVERY - VALIDATION_EVERY // 2
        beside = (after_middle == -1 and at >= STRETCH - BESIDE) or (after_middle == 1 and at < BESIDE)
        if after_middle == 0:
            validation.append(sample)
        elif not beside:
            taught.append(sample)
    if not validation:
        last = max(int(len(samples) * VALIDATION_SHARE), 1)
        return list(samples[:-last]), list(samples[-last:])
    return taught, validation


def parted_take(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """All cameras' samples: what is learned from, and what chooses."""
    taught, validation = [], []
    for camera in sorted({sample.name.rsplit("/", 1)[0] for sample in samples}):
        own = parted([sample for sample in samples if sample.name.rsplit("/", 1)[0] == camera])
        taught += own[0]
        validation += own[1]
    return taught, validation


def _of_takes(
    takes: Sequence[Path], labels: Mapping[Path, TakeLabels], step: Step
) -> tuple[list[Sample], list[Sample]]:
    taught, validation = [], []
    for folder in takes:
        samples = read_take(folder, labels=labels.get(folder), step=step)
        parts = parted_take(samples)
        taught += parts[0]
        validation += parts[1]
    if len(taught) < SAMPLES_MIN:
        raise LabelError(
            f"{len(taught)} labelled pictures are too few to learn from; {SAMPLES_MIN} at least, record longer"
        )
    return taught, validation


def _empty(takes: Sequence[Path], rooms: Path, seed: int) -> list[Sample]:
    """The takes' rooms, which `rooms` then holds, and made-up pictures."""
    rooms.mkdir(parents=True, exist_ok=True)
    empty = []
    for i, folder in enumerate(takes):
        take = open_take(folder)
        for k, image in enumerate(backgrounds(take, read_labels(folder).names)):
            jpeg = encode_jpeg(image)
            (rooms / f"room_{i}_{k}.jpg").write_bytes(jpeg)
            empty.append(background(f"room {i} {k}", jpeg))
    rng = np.random.default_rng(seed)
    return empty + [
        background(f"made up {i}", encode_jpeg(procedural_background(PEOPLE_PX, rng))) for i in range(ROOMS)
    ]


def _rendered(folder: Path, rooms: Path, people: int, seed: int, step: Step) -> Path:
    sources = SourceFolders(photos=(rooms,), split="all")
    for done in write_shards(
        folder, people, seed=seed + 1, size_px=PEOPLE_PX, sources=sources, workers=free_cores(), per_shard=64
    ):
        step(done, people, "rendering")
    return folder
