"""The network in int8 or fp8 for TensorRT: nvidia-modelopt finds the ranges on bundled crops, the graph carries them.

Convolutions are quantised, in int8 with a scale for each output channel. As with OpenVINO, head, attentions and
presence stay in half precision, and the decode in float32; so do the first convolution (of three channels: there is
no fp8 kernel for it, NVIDIA/TensorRT#3987) and the deconvolutions (slower and at times wrong in int8,
NVIDIA/TensorRT#1694, #1699; there is none in fp8). On bundled crops that were held out, `lite` then has a median of
0.03 voxel from float32 and 4 % of the joints apart in int8, 3 % in fp8 (`tests/engine/test_quantise.py`).

modelopt's own modules are not what is exported: in int8 they can be traced on a card only.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from engine.backends import EngineError
from engine.backends.calibration import BUNDLED_CROPS

# bits of the exponent: what tells the formats apart
EXPONENT_BITS = {"int8": 0, "fp8": 4}
BITS = 8
# a card that multiplies in fp8: Ada, Hopper and later
FP8_CAPABILITY = (8, 9)
# below half precision's least number: a channel of zeros has some range, too
RANGE_MIN = 1e-8
HALF_MODULES = ("network.conv1", "network.cbam", "network.head", "network.presence")
GET_MODELOPT = '`pip install -e ".[tensorrt-int8]"`'


@dataclass(frozen=True, slots=True)
class Ranges:
    """The largest magnitude that a convolution meets."""

    taken: Float32[Tensor, ""]
    weight: Float32[Tensor, "..."]  # one, or (out, 1, 1, 1)


class QuantisedConv(nn.Module):
    """A convolution of a quantised input and quantised weights. TensorRT multiplies them as they are."""

    taken: Tensor
    range: Tensor

    def __init__(self, conv: nn.Conv2d, ranges: Ranges, precision: str) -> None:
        super().__init__()
        self.conv = conv
        self.register_buffer("taken", ranges.taken.float().clamp(min=RANGE_MIN))
        self.register_buffer("range", ranges.weight.float().clamp(min=RANGE_MIN))
        self._exponent_bits = EXPONENT_BITS[precision]

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h2 w2"]:
        """What the convolution says of what is left of the input."""
        conv = self.conv
        weight = self._quantised(conv.weight, self.range)
        return nn.functional.conv2d(
            self._quantised(x, self.taken),
            weight,
            conv.bias,
            stride=conv.stride,  # pyright: ignore[reportArgumentType]
            padding=conv.padding,  # pyright: ignore[reportArgumentType]
            dilation=conv.dilation,  # pyright: ignore[reportArgumentType]
            groups=conv.groups,
        )

    def _quantised(self, x: Tensor, largest: Tensor) -> Tensor:
        """The operation that torch_tensorrt turns into a pair of layers; the last two arguments are of no effect."""
        return torch.ops.tensorrt.quantize_op(x, largest, BITS, self._exponent_bits, False, self._exponent_bits == 0)


def check(precision: str, device: torch.device) -> None:
    """EngineError where the card does not multiply in this precision, or modelopt is missing."""
    if precision == "fp8" and device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < FP8_CAPABILITY:
            has = ".".join(map(str, capability))
            raise EngineError(f"fp8 needs a card of compute capability 8.9, this one has {has}; use --precision int8")
    if find_spec("modelopt") is None:
        raise EngineError(f"{precision} on a card needs nvidia-modelopt; {GET_MODELOPT}, or use --precision fp16")


def depends_on() -> tuple[str, ...]:
    """What a quantised network depends on beside its weights."""
    try:
        modelopt = version("nvidia-modelopt")
    except PackageNotFoundError:
        modelopt = "missing"
    return modelopt, hashlib.sha256(BUNDLED_CROPS.read_bytes()).hexdigest()


def quantise(network: nn.Module, precision: str, pictures: Float[Tensor, "n 3 s s"]) -> None:
    """Put quantised convolutions into `network`, with ranges of prepared pictures. EngineError without modelopt."""
    for name, ranges in _ranges(network, precision, pictures).items():
        parent, _, own = name.rpartition(".")
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        setattr(network.get_submodule(parent), own, QuantisedConv(conv, ranges, precision))


def products_in_half(program: torch.export.ExportedProgram) -> int:
    """How many convolutions and products of matrices of a quantised graph were left in half precision."""
    products = [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and any(word in str(node.target) for word in ("conv", "linear", "addmm", ".mm."))
    ]
    return sum("quantize_op" not in str(node.args[1].target) for node in products)


def _ranges(network: nn.Module, precision: str, pictures: Float[Tensor, "n 3 s s"]) -> dict[str, Ranges]:
    """By convolution, found in float32."""
    modelopt = _library()
    copied = copy.deepcopy(network).float()
    with torch.no_grad():
        found = modelopt.quantize(
            copied,
            {"int8": modelopt.INT8_DEFAULT_CFG, "fp8": modelopt.FP8_DEFAULT_CFG}[precision],
            forward_loop=lambda model: [model(picture[None]) for picture in pictures.float()],
        )
        return {
            name: Ranges(
                found.get_submodule(name).input_quantizer.amax.detach(),  # pyright: ignore[reportAttributeAccessIssue]
                found.get_submodule(name).weight_quantizer.amax.detach(),  # pyright: ignore[reportAttributeAccessIssue]
            )
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d) and not name.startswith(HALF_MODULES)
        }


def _library() -> Any:
    try:
        return importlib.import_module("modelopt.torch.quantization")
    except Exception as error:  # it imports what it does not ask pip for, and compiles
        reason = " ".join(str(error).split())[:200]
        raise EngineError(f"nvidia-modelopt does not load ({reason}); {GET_MODELOPT}, or --precision fp16") from error
