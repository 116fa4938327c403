"""Several processes of one training (torchrun starts them): who this one is, and what it has to share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed

POLL_S = 0.5


def run_in_processes(count: int) -> int | None:
    """Run this very command in so many processes by torchrun; its exit status. None: this is one of them."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    threads = str(max((os.cpu_count() or 1) // count, 1))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "-m", "run"]
    process = subprocess.Popen([*command, *sys.argv[1:]], env={**os.environ, "OMP_NUM_THREADS": threads})
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches the others as well: they save where they are
            process.send_signal(signal.SIGTERM)


def launched() -> tuple[int, int]:
    """Processes on this host, and hosts, as torchrun says; 1 and 1 without it."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return local, max(int(os.environ.get("WORLD_SIZE", "1")) // local, 1)


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes the files."""
    return rank() == 0


def mean_of(value: Tensor) -> Tensor:
    """The mean of a number over all processes; without gradient."""
    if not distributed.is_initialized():
        return value
    shared = value.detach().clone()
    distributed.all_reduce(shared)
    return shared / distributed.get_world_size()


def of_first(value: float, device: torch.device) -> float:
    """What the first process holds: a clock, for one."""
    if not distributed.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    distributed.broadcast(shared, 0)
    return float(shared[0])


def gathered(parts: Sequence[Any]) -> list[Any]:
    """Everybody's parts, in the order of the processes."""
    if not distributed.is_initialized():
        return list(parts)
    held: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(held, list(parts))
    return [part for one in held for part in one]


def until(ready: Callable[[], bool]) -> None:
    """Waits for what the first process does alone and leaves on the disk, however long it takes.

    A barrier gives up after half an hour, and before the first training there is none.
    """
    while not (is_first() or ready()):
        time.sleep(POLL_S)


def wait_for_all() -> None:
    """Until every process is here."""
    if distributed.is_initialized():
        distributed.barrier()
