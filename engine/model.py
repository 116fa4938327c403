"""Pose ResNet: ResNet + CBAM + WASP + deconvolutions to volumetric heatmaps (Bao et al., Sensors 2023, section 3).

CBAM stands before layer1 and after layer4 (Woo et al., ECCV 2018, r = 16). WASP follows UniPose (Artacho and
Savakis, CVPR 2020): a cascade of dilated convolutions whose outputs are all kept. The backbone's state-dict names
are torchvision's, so an ImageNet checkpoint loads. A linear head on the pooled WASP features says whether the crop
shows a person; the paper has none. Nor has it lateral connections (Lin et al., CVPR 2017, as sums before the ReLU):
without them everything passes through a map of s/32 cells a side, and from random numbers the network learns half as
fast. Where they start at zero they change nothing, so trained weights can be given them.

`width` and `stride_first` make the backbone of Yahoo's open_nsfw: bottlenecks of half the channels, their stride in the
first 1x1 convolution as in He et al.'s published Caffe models (torchvision has it in the 3x3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.skeleton import SKELETONS, Skeleton

Depth = Literal[18, 34, 50, 101]

# blocks per stage, and whether they are bottlenecks (He et al., CVPR 2016, table 1)
STAGES: dict[int, tuple[tuple[int, int, int, int], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """Every switch of the network."""

    backbone: Depth
    input_px: int  # side of the crop; the volume's side is a quarter of it
    deconv: int  # channels of WASP and of the deconvolutions
    depth_bins: int
    cbam: bool = True
    wasp: bool = True
    # the map is 6 x 6 or 8 x 8: rates of 6, 12, 18 as in UniPose would only ever touch the centre tap
    wasp_rates: tuple[int, int, int] = (1, 2, 3)
    lateral: bool = False  # maps of layer3, layer2 and layer1 are added to the deconvolutions
    width: float = 1.0  # of the bottlenecks and of what they give, against He et al.: 1 or 0.5
    stride_first: bool = False  # of bottlenecks: stride in the first 1x1 convolution
    skeleton: str = "mpii16"

    def __post_init__(self) -> None:
        if self.backbone not in STAGES:
            raise ValueError(f"the backbone is one of {sorted(STAGES)}, got {self.backbone}")
        if self.width not in (1.0, 0.5):
            raise ValueError(f"the backbone's width is 1 or 0.5, got {self.width}")
        if (self.width != 1.0 or self.stride_first) and not STAGES[self.backbone][1]:
            raise ValueError(f"width and stride_first are for bottlenecks (50, 101), not for ResNet-{self.backbone}")
        if self.skeleton not in SKELETONS:
            raise ValueError(f"the skeleton is one of {sorted(SKELETONS)}, got {self.skeleton!r}")
        if self.input_px % 32 or self.input_px <= 0:
            raise ValueError(f"the input side is a multiple of 32, got {self.input_px}")

    @property
    def joints(self) -> Skeleton:
        """Which joints the network predicts."""
        return SKELETONS[self.skeleton]


ARCHITECTURES = {
    "lite": Architecture(50, 192, 128, 32, lateral=True, width=0.5, stride_first=True, skeleton="body25"),
    "full": Architecture(50, 256, 256, 64, lateral=True, skeleton="body25"),
}


# the paper's network, and a smaller one to try its experiments with
PAPER_ARCHITECTURES = {"lite": Architecture(18, 192, 128, 32), "full": Architecture(50, 256, 256, 64)}


class PoseResNet(nn.Module):
    """The network. In: normalised RGB crops. Out: volume logits and presence logits."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        blocks, bottleneck = STAGES[architecture.backbone]
        block = Bottleneck if bottleneck else BasicBlock
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.cbam_in = CBAM(64) if architecture.cbam else nn.Identity()
        widths = [int(channels * architecture.width) for channels in (64, 128, 256, 512)]
        outs = [channels * block.expansion for channels in widths]
        make = partial(_stage, block, stride_first=architecture.stride_first)
        self.layer1 = make(64, widths[0], blocks[0], stride=1)
        self.layer2 = make(outs[0], widths[1], blocks[1], stride=2)
        self.layer3 = make(outs[1], widths[2], blocks[2], stride=2)
        self.layer4 = make(outs[2], widths[3], blocks[3], stride=2)
        features = outs[3]
        self.cbam_out = CBAM(features) if architecture.cbam else nn.Identity()
        width = architecture.deconv
        self.wasp = WASP(features, width, architecture.wasp_rates) if architecture.wasp else nn.Identity()
        features = width if architecture.wasp else features
        self.presence = nn.Linear(features, 1)
        self.deconv = nn.ModuleList(_deconv(channels, width) for channels in (features, width, width))
        sources = outs[2::-1] if architecture.lateral else []
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1, bias=False) for channels in sources)
        self.head = nn.Conv2d(width, len(architecture.joints) * architecture.depth_bins, 1)
        self.apply(_initialise)
        for lateral in self.lateral:
            nn.init.zeros_(lateral.get_parameter("weight"))

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> tuple[Float[Tensor, "n joints d h w"], Float[Tensor, "n"]]:
        """Logits of the volumetric heatmaps, h = w = s / 4, and logits of presence."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))  # (n, 64, s/4, s/4)
        quarter = self.layer1(self.cbam_in(x))
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        x = self.layer4(sixteenth)  # (n, 512 ... 2048, s/32, s/32)
        x = self.wasp(self.cbam_out(x))  # (n, deconv, s/32, s/32)
        presence = self.presence(x.mean((2, 3)))[:, 0]
        sides = [lateral(m) for lateral, m in zip(self.lateral, (sixteenth, eighth, quarter), strict=False)]
        for i, deconv in enumerate(self.deconv):
            x = deconv(x, sides[i] if sides else None)
        x = self.head(x)  # (n, joints d, s/4, s/4)
        return x.unflatten(1, (-1, self.architecture.depth_bins)), presence


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al., ECCV 2018; the paper's eqs. 1 and 2)."""

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False), nn.ReLU(), nn.Conv2d(hidden, channels, 1, bias=False)
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The input, weighted by channel and by place."""
        # amax, not AdaptiveMaxPool2d: TensorRT has no converter for the latter
        pooled = self.mlp(x.mean((2, 3), keepdim=True)) + self.mlp(x.amax((2, 3), keepdim=True))
        x = x * torch.sigmoid(pooled)
        place = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)  # (n, 2, h, w)
        return x * torch.sigmoid(self.spatial(place))


class WASP(nn.Module):
    """Waterfall atrous spatial pooling (Artacho and Savakis, CVPR 2020): a cascade, every level kept."""

    def __init__(self, channels: int, width: int, rates: tuple[int, int, int]) -> None:
        super().__init__()
        self.reduce = _conv_bn(channels, width, kernel=1)
        self.cascade = nn.ModuleList(_conv_bn(width, width, kernel=3, dilation=rate) for rate in rates)
        self.pooled = _conv_bn(channels, width, kernel=1)
        self.merge = _conv_bn(width * 5, width, kernel=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n width h w"]:
        """Context of several scales at each place."""
        levels = [self.reduce(x)]
        for conv in self.cascade:
            levels.append(conv(levels[-1]))
        pooled = self.pooled(x.mean((2, 3), keepdim=True)).expand_as(levels[0])
        return self.merge(torch.cat([*levels, pooled], dim=1))  # (n, 5 width, h, w) in


class Deconv(nn.Sequential):
    """Deconvolution, batch normalisation and ReLU; a lateral map of the doubled size is added before the ReLU."""

    def forward(self, x: Float[Tensor, "n c h w"], side: Tensor | None = None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A map of twice the height and width."""
        conv, norm, relu = self
        x = norm(conv(x))
        return relu(x if side is None else x + side)


class BasicBlock(nn.Module):
    """Residual block of ResNet-18 and -34 (He et al., CVPR 2016); names as in torchvision."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what two convolutions add."""
        skip = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + skip)


class Bottleneck(nn.Module):
    """Residual block of ResNet-50 and -101 (He et al., CVPR 2016); names as in torchvision."""

    expansion = 4

    def __init__(
        self, channels: int, width: int, stride: int, downsample: nn.Module | None, *, stride_first: bool = False
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what three convolutions add."""
        skip = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + skip)


def _stage(
    block: type[BasicBlock] | type[Bottleneck],
    channels: int,
    width: int,
    count: int,
    *,
    stride: int,
    stride_first: bool,
) -> nn.Sequential:
    out = width * block.expansion
    downsample = None
    if stride != 1 or channels != out:
        downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    options = {"stride_first": True} if stride_first else {}
    rest = [block(out, width, 1, None) for _ in range(count - 1)]
    return nn.Sequential(block(channels, width, stride, downsample, **options), *rest)


def _conv_bn(channels: int, width: int, *, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(channels, width, kernel, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())


def _deconv(channels: int, width: int) -> Deconv:
    # output_padding stays 0: TensorRT converts nothing else
    conv = nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False)
    return Deconv(conv, nn.BatchNorm2d(width), nn.ReLU())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:  # the head: start with a flat volume
            nn.init.normal_(module.weight, std=0.001)
            nn.init.zeros_(module.bias)
