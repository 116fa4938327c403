"""A card's work in three steps - cut, network, decode - each as PyTorch has it, or in fewer kernels where that pays.

With one person in view a card waits for its next kernel more than it computes: PyTorch's crop is some 160 kernels, its
decode a hundred. The kernels of our own need Triton and its compiler, cuDNN's fused convolutions a card that has them;
so each is tried where it runs, and taken if it says what PyTorch's says and takes less time there.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from engine.backends.card_crop import crop_numbers, cut_on_card
from engine.backends.fast_decode import decode_by_gathering
from engine.backends.fused_network import fused
from engine.backends.half_network import PosesInCrops, Prepare
from engine.backends.lanes import Lane
from engine.crop import Box, camera_matrix
from engine.weights import Weights

_log = logging.getLogger(__name__)

PLAIN = "POSE_PLAIN_KERNELS"  # set in the environment: nothing but PyTorch's
TIMES = 20
# mean difference over mean size: of pictures a few pixels may round the other way; the engine is judged as a whole too
TOLERANCES = {"crop": 0.01, "network": 0.03, "decode": 0.001}
PROBE_FRAME = (720, 1280)
PROBE_LOGITS = 4.0  # standard deviation


@runtime_checkable
class Cut(Protocol):
    """Writes prepared crops."""

    def __call__(
        self,
        pictures: Float[Tensor, "n 3 s s"],
        frame_bgr: UInt8[Tensor, "h w 3"],
        numbers: Float32[Tensor, "n numbers"],
        /,
    ) -> None:
        """`numbers` as `card_crop.crop_numbers` gives them."""
        ...


@runtime_checkable
class Decode(Protocol):
    """Writes seven numbers of each joint, and the probability of presence."""

    def __call__(
        self,
        outputs: Float32[Tensor, "n out"],
        volume: Float[Tensor, "n j d h w"],
        presence: Float[Tensor, "n"],
        /,
        *,
        window: int | None,
    ) -> None:
        """`presence` are logits."""
        ...


class PlainCut(nn.Module):
    """PyTorch's."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.prepare = Prepare(dtype)

    def forward(self, pictures: Tensor, frame_bgr: Tensor, numbers: Tensor) -> None:
        """Cut, then prepared."""
        pictures.copy_(self.prepare(cut_on_card(frame_bgr, numbers, size_px=pictures.shape[-1])))


def decode_plainly(outputs: Tensor, volume: Tensor, presence: Tensor, *, window: int | None) -> None:
    """PyTorch's."""
    outputs[:, :-1] = decode_by_gathering(volume, window=window).flatten(1)
    outputs[:, -1] = torch.sigmoid(presence.float())


@dataclass(frozen=True, slots=True)
class Pieces:
    """From a frame on a card to the numbers of the people in its boxes."""

    cut: Cut
    network: nn.Module  # prepared crops -> logits of volume and presence
    decode: Decode
    size_px: int
    dtype: torch.dtype
    window: int | None
    fused: tuple[str, ...] = ()  # the steps that are not PyTorch's

    def pictures(self, people: int, device: torch.device) -> Float[Tensor, "n 3 s s"]:
        """Memory for so many crops."""
        shape = (people, 3, self.size_px, self.size_px)
        return torch.empty(shape, dtype=self.dtype, device=device, memory_format=torch.channels_last)

    def run(
        self,
        frame_bgr: UInt8[Tensor, "h w 3"],
        numbers: Float32[Tensor, "n numbers"],
        outputs: Float32[Tensor, "n out"],
    ) -> None:
        """All of it."""
        pictures = self.pictures(len(numbers), frame_bgr.device)
        self.cut(pictures, frame_bgr, numbers)
        volume, presence = self.network(pictures)
        self.decode(outputs, volume, presence, window=self.window)

    def recorded(self, lane: Lane, frame_bgr: Tensor, numbers: Tensor, outputs: Tensor) -> Callable[[], None]:
        """All of it on this memory, as one thing to run."""
        return lane.record(torch.inference_mode()(lambda: self.run(frame_bgr, numbers, outputs)))


def plain_pieces(weights: Weights, dtype: torch.dtype, device: torch.device) -> Pieces:
    """PyTorch's own kernels, on a device."""
    poses = PosesInCrops(weights, dtype).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    cut = PlainCut(dtype).to(device)
    return Pieces(cut, poses.network, decode_plainly, weights.architecture.input_px, dtype, poses.window)


def own_kernels() -> tuple[Cut, Decode]:
    """Triton's. ImportError where Triton is not installed (a CPU, Windows)."""
    from engine.backends.triton_crop import cut_into
    from engine.backends.triton_decode import decode_into

    return cut_into, decode_into


def on_a_card(lane: Lane) -> bool:
    """Where single kernels are worth a measurement."""
    return lane.device.type == "cuda"


def faster_cut(plain: Cut, lane: Lane, size_px: int, dtype: torch.dtype) -> tuple[Cut, str]:
    """The crop's own kernel where it pays, and "crop"; else the plain one and nothing."""
    if (kernels := _own_kernels()) is None:
        return plain, ""
    frame, numbers = _probe_frame(lane.device, size_px)

    def work(cut: Cut) -> Callable[[], Tensor]:
        pictures = torch.zeros((1, 3, size_px, size_px), dtype=dtype, device=lane.device)
        pictures = pictures.contiguous(memory_format=torch.channels_last)

        def run() -> Tensor:
            cut(pictures, frame, numbers)
            return pictures

        return run

    better = pays(lane, "crop", work(plain), work(kernels[0]))
    return (kernels[0], "crop") if better else (plain, "")


def faster(pieces: Pieces, lane: Lane) -> Pieces:
    """Each step in fewer kernels, where that pays on this card."""
    if os.environ.get(PLAIN):
        return pieces
    cut, name = faster_cut(pieces.cut, lane, pieces.size_px, pieces.dtype)
    pieces = replace(pieces, cut=cut, fused=(name,) if name else ())
    pictures = pieces.pictures(1, lane.device)
    pieces.cut(pictures, *_probe_frame(lane.device, pieces.size_px))
    other = fused(pieces.network)
    if pays(lane, "network", lambda: pieces.network(pictures)[0], lambda: other(pictures)[0]):
        pieces = replace(pieces, network=other, fused=(*pieces.fused, "network"))
    if (kernels := _own_kernels()) is None:
        return pieces
    with torch.inference_mode():
        volume, presence = pieces.network(pictures)
        volume = torch.randn_like(volume) * PROBE_LOGITS
    works = [_decoding(decode, volume, presence, pieces.window) for decode in (pieces.decode, kernels[1])]
    if pays(lane, "decode", *works):
        pieces = replace(pieces, decode=kernels[1], fused=(*pieces.fused, "decode"))
    return pieces


def pays(lane: Lane, step: str, plain: Callable[[], Tensor], other: Callable[[], Tensor]) -> bool:
    """Whether `other` gives what `plain` gives in less of the card's time; whatever it fails at, it does not pay."""
    try:
        (expected, plain_ms), (given, other_ms) = (_measured(lane, work) for work in (plain, other))
    except Exception as error:  # noqa: BLE001 - a compiler, a driver, a card: anything may be missing there
        _log.info("%s stays PyTorch's (%s)", step, " ".join(str(error).split())[:200])
        return False
    apart = float((given - expected).abs().mean() / expected.abs().mean().clamp(min=1e-6))
    _log.info("%s: %.3f ms, PyTorch's %.3f ms, %.2g apart", step, other_ms, plain_ms, apart)
    return apart <= TOLERANCES[step] and other_ms < plain_ms  # not a number is no reason


def _measured(lane: Lane, work: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What it gives, and its median time in ms. What was recorded is let go."""
    held: dict[str, Tensor] = {}

    @torch.inference_mode()
    def once() -> None:
        held["result"] = work()

    run = lane.record(once)
    times_ms = [lane.time_ms(run) for _ in range(TIMES)]
    result = held["result"].float().clone()
    lane.release()
    return result, median(times_ms)


def _decoding(decode: Decode, volume: Tensor, presence: Tensor, window: int | None) -> Callable[[], Tensor]:
    outputs = torch.zeros((len(volume), volume.shape[1] * 7 + 1), device=volume.device)

    def run() -> Tensor:
        decode(outputs, volume, presence, window=window)
        return outputs

    return run


def _own_kernels() -> tuple[Cut, Decode] | None:
    if os.environ.get(PLAIN):
        return None
    try:
        return own_kernels()
    except ImportError as error:
        _log.info("crop and decode stay PyTorch's (%s)", error)
        return None


def _probe_frame(device: torch.device, size_px: int) -> tuple[Tensor, Tensor]:
    """Noise of 720 lines, and a box of 500 px in it, a little off the middle."""
    height, width = PROBE_FRAME
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    box = Box(np.array([width * 0.55, height * 0.5]), 500.0)
    numbers = crop_numbers(box, camera_matrix(width, height, fov_deg=60), size_px, (width, height))
    return torch.from_numpy(frame).to(device), torch.from_numpy(numbers[None]).to(device)
