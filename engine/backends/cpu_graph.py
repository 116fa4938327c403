"""The network with pictures in front and a decode behind, as compilers for CPUs get it."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from engine.backends.fast_decode import decode_by_gathering
from engine.decode import Decoded
from engine.weights import Weights


class CpuGraph(nn.Module):
    """Crops as OpenCV has them in, joints and presence out.

    `product_head`: the head as a product of matrices, which writes the volume in the decode's order. In float32 that
    is 5 % faster with OpenVINO; in half precision it would leave the head in float32.
    """

    def __init__(self, weights: Weights, *, product_head: bool = False) -> None:
        super().__init__()
        self.decoded: Decoded = weights.decoded()
        self.decoded.network.presence = _Sum(self.decoded.network.presence)  # pyright: ignore[reportAttributeAccessIssue]
        if product_head:
            self.decoded.network.head = _ProductHead(self.decoded.network.head)  # pyright: ignore[reportAttributeAccessIssue]
        self.eval()

    def forward(self, crops_bgr: UInt8[Tensor, "n s s 3"]) -> tuple[Float[Tensor, "n joints 7"], Float[Tensor, "n"]]:
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


class _ProductHead(nn.Module):
    """A 1x1 convolution as a product of matrices."""

    bias: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight[:, :, 0, 0])  # (out, in)
        self.register_buffer("bias", torch.zeros(len(conv.weight)) if conv.bias is None else conv.bias.detach())

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h w"]:
        return (self.weight @ x.flatten(2) + self.bias[:, None]).unflatten(2, x.shape[2:])
