"""Where work for a card is queued: uploads on one stream, computation on another, recorded as CUDA graphs.

`CardLane` does that; `DirectLane` does the same things at once, on any device, so that everything but the streams is
tested without a card.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

# before a graph is recorded: the first run chooses algorithms, the second allocates what they need
WARM_UPS = 3


@runtime_checkable
class Mark(Protocol):
    """A point in the queue."""

    def wait(self) -> None:
        """Until all that was queued before it is done."""
        ...


@runtime_checkable
class Lane(Protocol):
    """Queues work in order."""

    device: torch.device

    def host(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Memory of the host that the card reads and writes by itself."""
        ...

    def upload(self, target: Tensor, source: Tensor) -> None:
        """Beside the computation; what is queued afterwards waits for it."""
        ...

    def copy(self, target: Tensor, source: Tensor) -> None:
        """In order with the computation."""
        ...

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work` as something that can be queued again and again, on the same memory."""
        ...

    def mark(self) -> Mark:
        """A mark at this point of the queue."""
        ...

    def time_ms(self, run: Callable[[], None]) -> float:
        """How long something recorded takes, by the device's clock. Waits for it."""
        ...

    def release(self) -> None:
        """Wait for everything. What was recorded is not run again, and its memory is not shared any more."""
        ...


class _Past:
    def wait(self) -> None:
        pass


class DirectLane:
    """Nothing is queued: work is done when it is handed in."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def host(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Ordinary memory."""
        return torch.zeros(shape, dtype=dtype)

    def upload(self, target: Tensor, source: Tensor) -> None:
        """At once."""
        target.copy_(source)

    def copy(self, target: Tensor, source: Tensor) -> None:
        """At once."""
        target.copy_(source)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """The work itself."""
        return work

    def mark(self) -> Mark:
        """Already reached."""
        return _Past()

    def time_ms(self, run: Callable[[], None]) -> float:
        """By the clock."""
        begin_s = time.perf_counter()
        run()
        return (time.perf_counter() - begin_s) * 1e3

    def release(self) -> None:
        """Nothing to wait for."""


class _EventMark:
    def __init__(self, event: torch.cuda.Event) -> None:
        self._event = event

    def wait(self) -> None:
        self._event.synchronize()


@contextlib.contextmanager
def _fastest_algorithms() -> Iterator[None]:
    """Convolutions are tried out in the warm-up, and the graph keeps the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class CardLane:
    """Two streams of one card, none of them the default one, and the memory that its graphs share.

    The graphs run one after the other on the computing stream, so they may use the same memory for what lies between
    their inputs and outputs; those are the caller's.
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        with torch.cuda.device(self.device):
            self._computing = torch.cuda.Stream()
            self._copying = torch.cuda.Stream()
            self._pool = torch.cuda.graph_pool_handle()

    def host(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Pinned memory."""
        return torch.zeros(shape, dtype=dtype, pin_memory=True)

    def upload(self, target: Tensor, source: Tensor) -> None:
        """On the copying stream."""
        with torch.cuda.stream(self._copying):
            target.copy_(source, non_blocking=True)
        self._computing.wait_stream(self._copying)

    def copy(self, target: Tensor, source: Tensor) -> None:
        """On the computing stream."""
        with torch.cuda.stream(self._computing):
            target.copy_(source, non_blocking=True)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """A CUDA graph. Waits for the card, so it belongs to the warm-up."""
        with torch.cuda.device(self.device), _fastest_algorithms():
            # what the caller made on the default stream must be there
            self._computing.wait_stream(torch.cuda.default_stream())
            with torch.cuda.stream(self._computing):
                for _ in range(WARM_UPS):
                    work()
            self._computing.synchronize()
            graph = torch.cuda.CUDAGraph()
            # other threads (cameras, encoders) may call CUDA meanwhile
            with torch.cuda.graph(graph, pool=self._pool, stream=self._computing, capture_error_mode="thread_local"):
                work()

        def replay() -> None:
            with torch.cuda.stream(self._computing):
                graph.replay()

        return replay

    def mark(self) -> Mark:
        """An event on the computing stream."""
        event = torch.cuda.Event()
        event.record(self._computing)
        return _EventMark(event)

    def time_ms(self, run: Callable[[], None]) -> float:
        """Between two events on the computing stream, with nothing else on it."""
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self._computing.synchronize()
        begin.record(self._computing)
        run()
        end.record(self._computing)
        end.synchronize()
        return begin.elapsed_time(end)

    def release(self) -> None:
        """A pool whose graphs are gone cannot be shared again, so the next graphs get one of their own."""
        self._copying.synchronize()
        self._computing.synchronize()
        self._pool = torch.cuda.graph_pool_handle()
