"""What the engines for NVIDIA cards share: two slots, uploads beside the computation, programs per batch size."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from engine.backends.card_crop import crop_numbers
from engine.backends.lanes import Lane
from engine.backends.slots import BATCHES, Network, Slot, SlotTicket, batches_of
from engine.crop import Box, camera_matrix
from engine.joints import EngineOutput
from engine.weights import Weights

SLOTS = 2
DEVICE_TIMES = 50


@dataclass(frozen=True, slots=True)
class _Nobody:
    joints: int

    def result(self) -> EngineOutput:
        return EngineOutput.nobody(self.joints)


class CardEngine:
    """Runs on one card. Frames of a new size take new memory; the programs of a size are recorded as they are needed,
    and all of them once a second frame of that size comes.
    """

    name = ""  # of those who inherit
    description = ""

    def __init__(self, weights: Weights, lane: Lane, network: Network) -> None:
        self.input_px = weights.architecture.input_px
        self.score_map = weights.score_map
        self.skeleton = weights.skeleton
        self.weights_name, self.weights_sha256 = weights.name, weights.sha256
        self._lane = lane
        self._network: Network | None = network
        self._slots: list[Slot] = []
        self._frame_shape: tuple[int, int] | None = None
        self._frames = 0  # of this shape

    def submit(
        self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]
    ) -> SlotTicket | _Nobody:
        """Queue a frame; it is copied at once, so it may be written to afterwards."""
        if not boxes:
            return _Nobody(len(self.skeleton))
        height, width = image_bgr.shape[:2]
        self._make_room((height, width))
        numbers = np.stack([crop_numbers(box, K, self.input_px, (width, height)) for box in boxes])
        slot = self._slots[self._frames % SLOTS]
        self._frames += 1
        return slot.submit(image_bgr, numbers)

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Take all memory and record all programs for frames of this (height, width), before the first comes."""
        self._make_room(frame_shape)
        self._record_all()

    def device_ms(self, frame_shape: tuple[int, int], people: int) -> list[float]:
        """By the card's clock, from a frame on the card to its numbers: crop, network and decode; several times."""
        self.prepare(frame_shape)
        programs = [self._slots[0].program(batch) for batch in batches_of(people)]
        return [sum(self._lane.time_ms(program.run) for program in programs) for _ in range(DEVICE_TIMES)]

    def close(self) -> None:
        """Read what is still under way and give the card's memory back."""
        self._release()
        self._network = None
        if self._lane.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> CardEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_room(self, frame_shape: tuple[int, int]) -> None:
        assert self._network is not None, "the engine is closed"
        if frame_shape != self._frame_shape:
            self._release()
            self._slots = [Slot(self._lane, self._network, frame_shape, len(self.skeleton)) for _ in range(SLOTS)]
            self._frame_shape = frame_shape
        elif self._frames == 1:  # a stream, not a folder of photos
            self._record_all()

    def _record_all(self) -> None:
        for slot in self._slots:
            for batch in BATCHES:
                slot.program(batch)

    def _release(self) -> None:
        for slot in self._slots:
            slot.drain()
        self._slots, self._frame_shape, self._frames = [], None, 0
        self._lane.release()

    def _answers(self, pictures_bgr: UInt8[ndarray, "n s s 3"]) -> Float32[ndarray, "n joints 7"]:
        """The joints of whole pictures that are crops already, one by one."""
        n = self.input_px
        K, box = camera_matrix(n, n, fov_deg=60), Box(np.full(2, (n - 1) / 2), float(n))
        answers = np.concatenate([self.infer(picture, [box], K).joints for picture in pictures_bgr])
        self._release()
        return answers


def card_name(device: torch.device) -> str:
    """What the card calls itself."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
