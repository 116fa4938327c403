"""The network as cards get it: weights in half precision, batch normalisation folded in, decode in float32.

Crops are prepared (normalised, in half precision) before the network: so no operation of it takes anything but half
precision in, up to the volume, and soft-max and sums run in float32.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from engine.backends.fast_decode import decode_by_gathering
from engine.backends.fold import fold_batchnorm
from engine.decode import MEAN_RGB, STD_RGB
from engine.model import CBAM
from engine.weights import Weights

# what is not quantised of a quantised network is in half precision
TYPES = {
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
    "int8": torch.float16,
    "fp8": torch.float16,
}


class Prepare(nn.Module):
    """Crops in 0 ... 255 as the network takes them."""

    mean: Tensor
    std: Tensor

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD_RGB).view(1, 3, 1, 1))
        self._dtype = dtype

    def forward(self, crops_rgb: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 3 s s"]:
        """Normalised, in the network's precision."""
        return ((crops_rgb - self.mean) / self.std).to(self._dtype)


class OnceCbam(nn.Module):
    """CBAM with its shared network run once, on means and maxima together, as products of matrices.

    The second layer is linear and has no bias, so the two may be added before it.
    """

    def __init__(self, cbam: CBAM) -> None:
        super().__init__()
        first, second = cbam.mlp[0], cbam.mlp[2]
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        self.squeeze = nn.Parameter(first.weight[:, :, 0, 0].detach().clone())  # (c / 16, c)
        self.excite = nn.Parameter(second.weight[:, :, 0, 0].detach().clone())  # (c, c / 16)
        self.spatial = cbam.spatial

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The input, weighted by channel and by place."""
        n = x.shape[0]
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))])  # (2 n, c)
        hidden = torch.relu(nn.functional.linear(pooled, self.squeeze))
        weight = nn.functional.linear(hidden[:n] + hidden[n:], self.excite)
        x = x * torch.sigmoid(weight)[:, :, None, None]
        place = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)  # (n, 2, h, w)
        return x * torch.sigmoid(self.spatial(place))


class PosesInCrops(nn.Module):
    """Network and decode for prepared crops."""

    def __init__(self, weights: Weights, dtype: torch.dtype) -> None:
        super().__init__()
        self.window = weights.window
        network = fold_batchnorm(weights.network())
        for name, module in list(network.named_children()):
            if isinstance(module, CBAM):
                setattr(network, name, OnceCbam(module))
        self.network = network.to(dtype=dtype)
        self.eval()

    def forward(self, pictures: Float[Tensor, "n 3 s s"]) -> tuple[Float32[Tensor, "n joints 7"], Float32[Tensor, "n"]]:
        """Joints with spreads and masses, and the probability of presence."""
        volume, presence = self.network(pictures)
        return decode_by_gathering(volume, window=self.window), torch.sigmoid(presence.float())
