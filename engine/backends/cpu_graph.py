"""The network with pictures in front and a decode behind, as compilers for CPUs get it."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from engine.backends.fast_decode import decode_by_gathering
from engine.decode import Decoded
from engine.weights import Weights


class CpuGraph(nn.Module):
    """Crops as OpenCV has them in, joints and presence out."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.decoded: Decoded = weights.decoded()
        self.decoded.network.presence = _Sum(self.decoded.network.presence)  # pyright: ignore[reportAttributeAccessIssue]
        self.eval()

    def forward(self, crops_bgr: UInt8[Tensor, "n s s 3"]) -> tuple[Float[Tensor, "n 16 6"], Float[Tensor, "n"]]:
        """Joints with spreads, and the probability of presence."""
        crops_rgb = crops_bgr.permute(0, 3, 1, 2).float().flip(1)
        volume, presence = self.decoded.network((crops_rgb - self.decoded.mean) / self.decoded.std)
        return decode_by_gathering(volume, window=self.decoded.window), torch.sigmoid(presence)


class _Sum(nn.Module):
    """A linear layer with one output, as a weighted sum."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Float[Tensor, "n c"]) -> Float[Tensor, "n 1"]:
        return (x * self.weight).sum(1, keepdim=True) + self.bias
