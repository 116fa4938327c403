"""Two places for frames on their way through the card: while one is computed, the next is uploaded into the other.

All memory is taken when a slot is made for a size of frames, or for a number of boxes that was not seen before;
afterwards nothing is allocated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor

from engine.backends.card_crop import NUMBERS
from engine.backends.lanes import Lane, Mark
from engine.joints import EngineOutput

BATCHES = (1, 2, 4, 8)


@runtime_checkable
class Network(Protocol):
    """What is run on a frame."""

    def recorded(self, lane: Lane, frame_bgr: Tensor, numbers: Tensor, outputs: Tensor) -> Callable[[], None]:
        """Work that takes the boxes `numbers` (n, NUMBERS) of a frame to `outputs` (n, outputs_of), on this memory."""
        ...


def outputs_of(joints: int) -> int:
    """How many numbers a person has: seven of each joint, then presence."""
    return joints * 7 + 1


def batches_of(people: int) -> Iterator[int]:
    """Batch sizes that hold so many people; only the last may have room left."""
    while people > 0:
        batch = next((size for size in BATCHES if size >= people), BATCHES[-1])
        yield batch
        people -= batch


@dataclass(slots=True)
class _Program:
    """One batch size: its own inputs and outputs on the card, and the recorded work between them."""

    numbers: Tensor  # (batch, NUMBERS) float32
    outputs: Tensor  # (batch, outputs_of) float32
    run: Callable[[], None]


class SlotTicket:
    """A frame in a slot; the slot is free for another once the numbers were read."""

    def __init__(self, slot: Slot, people: int) -> None:
        self._slot, self._people = slot, people
        self._output: EngineOutput | None = None

    def result(self) -> EngineOutput:
        """Waits for the card the first time."""
        if self._output is None:
            self._output = self._slot.read(self._people)
        return self._output


class Slot:
    """One frame's memory. The network is recorded per batch size."""

    def __init__(self, lane: Lane, network: Network, frame_shape: tuple[int, int], joints: int) -> None:
        self._lane, self._network, self._joints = lane, network, joints
        self._host_frame = lane.host(*frame_shape, 3, dtype=torch.uint8)
        self._frame = torch.zeros((*frame_shape, 3), dtype=torch.uint8, device=lane.device)
        self._rows = 0
        self._make_room(2 * BATCHES[-1])
        self._programs: dict[int, _Program] = {}
        self._done: Mark | None = None
        self._ticket: SlotTicket | None = None

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], numbers: Float32[ndarray, "n numbers"]) -> SlotTicket:
        """Queue a frame. A ticket that is still in the slot is read first, so it stays good."""
        self.drain()
        batches = list(batches_of(len(numbers)))
        self._make_room(sum(batches))
        np.copyto(self._host_frame.numpy(), image_bgr)
        host_numbers = self._host_numbers.numpy()
        host_numbers[: len(numbers)] = numbers
        host_numbers[len(numbers) : sum(batches)] = numbers[-1]
        programs = [self.program(batch) for batch in batches]
        self._lane.upload(self._frame, self._host_frame)
        row = 0
        for batch, program in zip(batches, programs, strict=True):
            self._lane.copy(program.numbers, self._host_numbers[row : row + batch])
            program.run()
            self._lane.copy(self._host_outputs[row : row + batch], program.outputs)
            row += batch
        self._done = self._lane.mark()
        self._ticket = SlotTicket(self, len(numbers))
        return self._ticket

    def read(self, people: int) -> EngineOutput:
        """Wait for the frame's numbers and copy them out."""
        assert self._done is not None
        self._done.wait()
        self._ticket = None
        rows = self._host_outputs.numpy()[:people].copy()
        return EngineOutput(rows[:, :-1].reshape(-1, self._joints, 7), rows[:, -1])

    def drain(self) -> None:
        """Read the ticket that is still here, if there is one."""
        if self._ticket is not None:
            self._ticket.result()

    def program(self, batch: int) -> _Program:
        """The recorded work for a batch size; recorded now where it was not."""
        if batch not in self._programs:
            numbers = torch.zeros((batch, NUMBERS), device=self._lane.device)
            numbers[:] = torch.tensor(_ANY_BOX)
            outputs = torch.zeros((batch, outputs_of(self._joints)), device=self._lane.device)
            run = self._network.recorded(self._lane, self._frame, numbers, outputs)
            self._programs[batch] = _Program(numbers, outputs, run)
        return self._programs[batch]

    def _make_room(self, rows: int) -> None:
        if rows > self._rows:
            self._rows = rows
            self._host_numbers = self._lane.host(rows, NUMBERS, dtype=torch.float32)
            self._host_outputs = self._lane.host(rows, outputs_of(self._joints), dtype=torch.float32)


# for the warm-up: the identity from the frame's corner
_ANY_BOX = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0)
