"""Rendered people on disk: shards of a few hundred samples that are written atomically and resumed by name."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32
from numpy import ndarray

from engine.errors import UserError
from train.synthetic.body import SKIN_FACES, load_body
from train.synthetic.plan import empty_plan, random_plan
from train.synthetic.sample import Synthetic, rendered
from train.synthetic.sources import SourceFolders, Sources
from train.synthetic.split import SPLITS, Split

PER_SHARD = 512
JPEG_QUALITY = 92
# pictures rendered together: always the same ones, so that a shard never depends on how it came about
BATCH, BATCH_ON_CARD = 4, 64


class ShardError(UserError):
    """A shard that cannot be read."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Samples as `train.synthetic.sample` describes them; pictures as JPEG."""

    size_px: int
    jpegs: list[bytes]
    units: Float32[ndarray, "n joints 2"]  # of `body25`; shards of the version before have the joints of `mpii16`
    depth: Float32[ndarray, "n joints"]
    visible: Bool[ndarray, "n joints"]
    f_over_side: Float32[ndarray, "n"]
    root_z_m: Float32[ndarray, "n"]  # along the crop camera's axis; NaN in shards that were written without
    split: str = "all"  # of the sources
    empty: bool = False  # pictures without a person


@dataclass(frozen=True, slots=True)
class ShardJob:
    """Everything that one shard depends on."""

    path: Path
    number: int
    count: int
    seed: int
    size_px: int
    sources: SourceFolders
    faces: int | None
    device: str
    empty: bool = False

    def render(self) -> Iterator[list[Synthetic]]:
        """The samples, some at a time. Sample i is drawn from (seed, number, i) and the split alone."""
        sources, body = _read(self.sources), load_body(faces=self.faces)
        batch = BATCH if self.device == "cpu" else BATCH_ON_CARD
        for start in range(0, self.count, batch):
            seeds = [
                (self.seed, self.number, i, SPLITS.index(sources.split))
                for i in range(start, min(start + batch, self.count))
            ]
            plan = empty_plan if self.empty else random_plan
            plans = [plan(np.random.default_rng(s), size_px=self.size_px, sources=sources, body=body) for s in seeds]
            yield rendered(plans, device=self.device)


def write_shards(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size_px: int = 160,
    sources: SourceFolders | None = None,
    workers: int = 1,
    faces: int | None = SKIN_FACES,
    per_shard: int = PER_SHARD,
    device: str = "cpu",
    empty: bool = False,
) -> Iterator[int]:
    """Render `count` samples into `folder`, giving the number that are there now and then; `empty`: nobody in them.

    A run that was stopped goes on with the shards that are missing and ends with the same files, whatever the number of
    `workers` (processes). Whole shards are left as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = sources or SourceFolders()
    jobs, done = [], 0
    for number in range(-(-count // per_shard)):
        path, size = folder / f"shard_{seed:04d}_{number:05d}.npz", min(per_shard, count - number * per_shard)
        if path.is_file() and samples_in(path) >= size:
            done += size
        else:
            jobs.append(ShardJob(path, number, size, seed, size_px, sources, faces, device, empty))
    if done:
        yield done
    if workers > 1 and len(jobs) > 1:
        load_body(faces=faces)  # baked once, before several processes would do it
        yield from _in_processes(jobs, done, min(workers, len(jobs)))
        return
    for job in jobs:
        samples: list[Synthetic] = []
        for some in job.render():
            samples += some
            done += len(some)
            yield done
        write_shard(job.path, samples, split=sources.split, empty=empty)


def _in_processes(jobs: list[ShardJob], done: int, workers: int) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=alone) as pool:
        waiting = {pool.submit(write_job, job) for job in jobs}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in finished)
                yield done
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def alone() -> None:
    """One thread for each process: they would only wait for one another."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def write_job(job: ShardJob) -> int:
    """Render a shard; gives how many samples it holds."""
    write_shard(
        job.path, [sample for some in job.render() for sample in some], split=job.sources.split, empty=job.empty
    )
    return job.count


@lru_cache(maxsize=1)
def _read(folders: SourceFolders) -> Sources:
    return folders.read()


def free_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def write_shard(path: Path, samples: list[Synthetic], *, split: Split = "all", empty: bool = False) -> None:
    """One file; it appears under its name only when it is whole."""
    jpegs = [encode_jpeg(s.image_bgr) for s in samples]
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as file:
        np.savez(
            file,
            schema=1,
            split=split,
            empty=empty,
            size_px=samples[0].image_bgr.shape[0],
            ends=np.cumsum([len(j) for j in jpegs]),
            jpegs=np.frombuffer(b"".join(jpegs), np.uint8),
            units=np.stack([s.units for s in samples]),
            depth=np.stack([s.depth for s in samples]),
            visible=np.stack([s.visible for s in samples]),
            f_over_side=np.array([s.f_over_side for s in samples], np.float32),
            root_z_m=np.array([s.root_z_m for s in samples], np.float32),
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_shard(path: Path) -> Shard:
    """A shard's content. ShardError when it is damaged or newer than this program."""
    held = _arrays(path, None)
    blob, ends = held["jpegs"].tobytes(), [0, *held["ends"].tolist()]
    jpegs = [blob[a:b] for a, b in itertools.pairwise(ends)]
    root_z_m = held.get("root_z_m", np.full(len(jpegs), np.nan, np.float32))
    labels = {name: held[name] for name in ("units", "depth", "visible", "f_over_side")}
    split, empty = str(held.get("split", "all")), bool(held.get("empty", False))
    return Shard(size_px=int(held["size_px"]), jpegs=jpegs, **labels, root_z_m=root_z_m, split=split, empty=empty)


def samples_in(path: Path) -> int:
    """How many samples a shard holds. ShardError as for `read_shard`."""
    return len(_arrays(path, ("schema", "ends"))["ends"])


def _arrays(path: Path, names: tuple[str, ...] | None) -> dict[str, ndarray]:
    try:
        with np.load(path, allow_pickle=False) as raw:
            held = {name: raw[name] for name in (names or raw.files)}
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise ShardError(f"{path} is not a readable shard ({error}); delete it and render it again") from None
    if int(held.get("schema", 0)) != 1:
        raise ShardError(f"{path} has schema {held.get('schema')}, this program reads 1; update, or render it again")
    return held


def encode_jpeg(image_bgr: ndarray) -> bytes:
    """A picture as JPEG bytes."""
    ok, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok, "OpenCV encodes any uint8 picture"
    return data.tobytes()
