"""Pretrained backbones to start from: torchvision's checkpoints, and Yahoo's open_nsfw at half width."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.model import PoseResNet
from engine.weights import WeightsError

PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")


def load_checkpoint(network: PoseResNet, path: Path) -> int:
    """Copy a torchvision ResNet checkpoint (.pth or .safetensors) into the backbone; returns how many tensors.

    WeightsError when the file is another depth. The classifier `fc` is left out; a .pth is read without unpickling
    anything but tensors.
    """
    return _copied(network, _read(path), str(path))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable checkpoint ({error})") from error


def _copied(network: PoseResNet, state: dict[str, Tensor], what: str) -> int:
    own = network.state_dict()
    backbone = {k: v for k, v in own.items() if k.split(".")[0] in PARTS}
    wrong = [k for k, v in backbone.items() if k not in state or state[k].shape != v.shape]
    wrong += [k for k in state if k not in backbone and not k.startswith("fc.")]
    if wrong:
        architecture = network.architecture
        width = "" if architecture.width == 1 else f" of width {architecture.width}"
        raise WeightsError(f"{what} is no ResNet-{architecture.backbone}{width}: {len(wrong)} tensors differ, {wrong[0]}")
    network.load_state_dict({k: state[k] for k in backbone}, strict=False)
    return len(backbone)
