"""How fast a card could run the network at best: work counted from the network, peaks measured on the card.

A layer takes at least as long as its products at the card's best rate, or as its bytes at the memory's, whichever is
longer; whatever lies between the products is taken to be fused into them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from engine.backends.half_network import TYPES, PosesInCrops
from engine.backends.lanes import Lane
from engine.weights import Weights

MATMUL_SIDE = 8192
COPIED_BYTES = 2**28
TIMES = 20
aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Layer:
    """One product, or one pass over memory."""

    flop: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Peaks:
    """What a card reaches."""

    flop_per_s: float
    bytes_per_s: float

    def least_ms(self, layers: Sequence[Layer]) -> float:
        """The least time that these layers take, one after the other."""
        return 1e3 * sum(max(layer.flop / self.flop_per_s, layer.bytes / self.bytes_per_s) for layer in layers)


def network_layers(weights: Weights, people: int, *, precision: str = "fp16") -> list[Layer]:
    """Of network and decode for so many crops; nothing is computed for that."""
    network = PosesInCrops(weights, TYPES[precision]).network.to("meta")
    side = weights.architecture.input_px
    with _Counting() as counting, torch.no_grad():
        volume, _ = network(torch.zeros(people, 3, side, side, dtype=TYPES[precision], device="meta"))
    return [*counting.layers, Layer(0.0, _bytes(volume))]  # the decode reads the volume once


def measured_peaks(
    lane: Lane, *, precision: str = "fp16", side: int = MATMUL_SIDE, copied: int = COPIED_BYTES
) -> Peaks:
    """By one large product of matrices, and by one large copy (read and written)."""
    a, b, product = (torch.zeros(side, side, dtype=TYPES[precision], device=lane.device) for _ in range(3))
    a.normal_()
    b.normal_()
    source, target = (torch.zeros(copied, dtype=torch.uint8, device=lane.device) for _ in range(2))

    def multiply() -> None:
        torch.mm(a, b, out=product)

    def copy() -> None:
        target.copy_(source)

    multiply_ms, copy_ms = (_best_ms(lane, work) for work in (multiply, copy))
    lane.release()
    return Peaks(2e3 * side**3 / multiply_ms, 2e3 * copied / copy_ms)


def _best_ms(lane: Lane, work: Callable[[], None]) -> float:
    run = lane.record(work)
    return min(lane.time_ms(run) for _ in range(TIMES))


class _Counting(TorchDispatchMode):
    """Notes every convolution and every product of matrices that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[Layer] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if (flop := _flop(func, args, out)) is not None:
            taken = [value for value in args if isinstance(value, Tensor)]
            self.layers.append(Layer(flop, sum(map(_bytes, taken)) + _bytes(out)))
        return out


def _flop(func: object, args: tuple[Any, ...], out: Any) -> float | None:
    """Of an operation that multiplies; None of others."""
    if func is aten.convolution.default:
        x, weight, transposed = args[0], args[1], args[6]
        # (out, in / groups, h, w); the other way round for a deconvolution, in which each input value is spread
        return 2.0 * (x if transposed else out).numel() * math.prod(weight.shape[1:])
    if func is aten.mm.default:
        return 2.0 * out.numel() * args[0].shape[1]
    if func is aten.addmm.default:
        return 2.0 * out.numel() * args[1].shape[1]
    return None


def _bytes(tensor: Tensor) -> float:
    return float(tensor.numel() * tensor.element_size())
