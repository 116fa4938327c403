"""People rendered while a training runs, so that it hardly sees one twice: on the card where there is one.

Processes of their own write shards into a folder, the oldest are deleted, and the training reads what is there at the
start of each epoch. A run that is resumed goes on with what the folder holds.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import re
import time
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from engine.errors import UserError
from train.datasets.sample import Sample
from train.datasets.synthetic import samples_of
from train.synthetic.body import SKIN_FACES, load_body
from train.synthetic.shards import PER_SHARD, ShardError, ShardJob, alone, read_shard, write_job
from train.synthetic.sources import SourceFolders

KEPT_SHARDS = 200  # 102,400 people, about 1 GB in memory and on the disk
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class SupplyOptions:
    """What is rendered, where, and how much of it is kept."""

    sources: SourceFolders
    size_px: int
    seed: int = 0
    device: str = "cpu"
    processes: int = 1
    kept: int = KEPT_SHARDS
    per_shard: int = PER_SHARD
    faces: int | None = SKIN_FACES


class Supply:
    """Renders from `__enter__` to `__exit__`. ShardError from `samples` when a process has failed."""

    def __init__(self, folder: Path, options: SupplyOptions) -> None:
        self.folder, self.options = folder, options
        self._samples: dict[str, list[Sample]] = {}
        self._processes: list[SpawnProcess] = []
        self._failures = multiprocessing.get_context("spawn").SimpleQueue()

    def __enter__(self) -> Supply:
        self.folder.mkdir(parents=True, exist_ok=True)
        load_body(faces=self.options.faces)  # baked once, before several processes would do it
        context = multiprocessing.get_context("spawn")
        first = 1 + max((_number(path) for path in self._shards()), default=-1)
        for k in range(self.options.processes):
            arguments = (self.folder, self.options, first + k, os.getpid(), self._failures)
            process = context.Process(target=_render, args=arguments, name=f"people {k}", daemon=True)
            process.start()
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def samples(self) -> list[Sample]:
        """The people that are there now, the newest shards' alone; waits for the first shard."""
        while not (paths := self._shards()):
            self._check()
            time.sleep(POLL_S)
        self._check()
        kept = paths[-self.options.kept :]
        self._samples = {p.name: self._samples.get(p.name) or samples_of(read_shard(p), p.stem) for p in kept}
        for old in paths[: -self.options.kept]:
            old.unlink(missing_ok=True)
        return [sample for some in self._samples.values() for sample in some]

    def _shards(self) -> list[Path]:
        return sorted(self.folder.glob("shard_*.npz"), key=_number)

    def _check(self) -> None:
        if any(process.exitcode is not None for process in self._processes):
            reason = "its process died" if self._failures.empty() else self._failures.get()
            raise ShardError(f"no people are rendered into {self.folder}: {reason}")


def _number(path: Path) -> int:
    return int(re.split(r"[_.]", path.name)[2])


def _render(folder: Path, options: SupplyOptions, first: int, parent: int, failures: SimpleQueue[str]) -> None:
    """Every `processes`-th shard from `first` on, until the parent is gone or ends this."""
    if options.device == "cpu":
        os.nice(10)  # the training goes first
        alone()
    for number in itertools.count(first, options.processes):
        path = folder / f"shard_{options.seed:04d}_{number:05d}.npz"
        job = (path, number, options.per_shard, options.seed, options.size_px)
        try:
            write_job(ShardJob(*job, options.sources, options.faces, options.device))
        except UserError as error:
            failures.put(str(error))
            return
        if os.getppid() != parent:
            return
