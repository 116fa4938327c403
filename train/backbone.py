"""Pretrained backbones to start from: torchvision's checkpoints, and Yahoo's open_nsfw at half width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.model import Architecture, PoseResNet
from engine.weights import WeightsError
from train.augment import plain
from train.datasets.sample import Sample
from train.open_nsfw import measure_statistics, read_open_nsfw

OPEN_NSFW = "open-nsfw"
PARTS = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
MEASURED = 512  # photos that batch statistics are measured on


def backbone_start(architecture: Architecture, backbone: str, photos: Sequence[Sample]) -> dict[str, Tensor]:
    """The tensors of a network whose backbone is pretrained, the rest as `PoseResNet` begins.

    `backbone` is a torchvision checkpoint, a folder of them (`resnet50-*.pth`), or `open-nsfw`, whose batch statistics
    are measured on `photos`; with a folder, a network of half width takes open-nsfw. WeightsError: it does not fit.
    """
    network = PoseResNet(architecture)
    half = architecture.backbone == 50 and architecture.width == 0.5 and architecture.stride_first
    if backbone == OPEN_NSFW and not half:
        raise WeightsError(
            "open-nsfw is a ResNet-50 of half width: it starts `lite`; give a torchvision checkpoint for other networks"
        )
    if backbone == OPEN_NSFW or (half and Path(backbone).is_dir()):
        _copy(network, read_open_nsfw(), OPEN_NSFW)
        shown = [photos[i] for i in np.unique(np.linspace(0, len(photos) - 1, MEASURED).astype(int))]
        crops = np.stack([plain(sample, architecture.input_px).image_bgr[..., ::-1] for sample in shown])
        measure_statistics(network, crops)
    else:
        load_checkpoint(network, _checkpoint(Path(backbone), architecture.backbone))
    return network.state_dict()


def load_checkpoint(network: PoseResNet, path: Path) -> int:
    """Copy a torchvision ResNet checkpoint (.pth or .safetensors) into the backbone; returns how many tensors.

    WeightsError when the file is another network. The classifier `fc` is left out; a .pth is read without unpickling
    anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        text = " ".join(str(error).split())[:120]
        raise WeightsError(f"{path} is not a readable checkpoint ({text})") from None
    return _copy(network, state, str(path))


def _checkpoint(path: Path, depth: int) -> Path:
    """A folder's checkpoint of this depth, or the file itself."""
    if not path.is_dir():
        return path
    name = f"resnet{depth}-*.pth"
    found = next(iter(sorted(path.glob(name))), None)
    if found is None:
        raise WeightsError(f"{path} holds no {name}; torchvision's ImageNet checkpoints are called so")
    return found


def _copy(network: PoseResNet, state: dict[str, Tensor], what: str) -> int:
    own = network.state_dict()
    backbone = {k: v for k, v in own.items() if k.split(".")[0] in PARTS}
    wrong = [k for k, v in backbone.items() if k not in state or state[k].shape != v.shape]
    wrong += [k for k in state if k not in backbone and not k.startswith("fc.")]
    if wrong:
        size = f"ResNet-{network.architecture.backbone} of width {network.architecture.width:g}"
        raise WeightsError(f"{what} is no {size}: {len(wrong)} tensors differ, {wrong[0]}")
    network.load_state_dict({k: state[k] for k in backbone}, strict=False)
    return len(backbone)
