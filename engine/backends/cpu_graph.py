"""The network with pictures in front and a decode behind that compilers for CPUs make fast code of.

It says the same as `engine.decode`, which stays the reference. What differs, measured with OpenVINO on `lite`: the
head as a matrix product writes the volume in the order that the decode reads (a convolution's output is reordered
first); the peak comes from maxima (an arg-max sorts); the window is gathered, 49 columns of 2304 (a product over all
of them wrote the volume again). After the head there is no product: OpenVINO keeps such a tail in float32 where the
rest runs in half precision.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from engine.decode import Z_RANGE, Decoded, bin_centers
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


def decode_by_gathering(volume: Float[Tensor, "n j d h w"], *, window: int | None) -> Float[Tensor, "n j 6"]:
    """`engine.decode.decode`, in operations that compilers for CPUs run fast."""
    h, w = volume.shape[3:]
    volume = volume.float().flatten(3)  # (n, j, d, h w)
    mass = (volume - volume.amax((2, 3), keepdim=True)).exp()
    plane = mass.sum(2)  # (n, j, h w)
    depth = mass.sum(3)  # (n, j, d)
    total = plane.sum(2, keepdim=True)
    x, y = bin_centers(w, device=volume.device), bin_centers(h, device=volume.device)
    z = bin_centers(depth.shape[2], span=Z_RANGE, device=volume.device)
    grid = plane.unflatten(2, (h, w)) / total[..., None]
    columns, rows, depth = grid.sum(2), grid.sum(3), depth / total
    if window is None:
        joint = [(p * centers).sum(2) for p, centers in ((columns, x), (rows, y), (depth, z))]
    else:
        joint = _in_window(mass, plane, z, (h, w), window)
    spread = [
        (p * (centers - at[..., None]).square()).sum(2).sqrt()
        for p, centers, at in ((columns, x, joint[0]), (rows, y, joint[1]), (depth, z, joint[2]))
    ]
    return torch.stack([*joint, *spread], dim=-1)


def _in_window(
    mass: Float[Tensor, "n j d hw"],
    plane: Float[Tensor, "n j hw"],
    z: Float[Tensor, "d"],
    size: tuple[int, int],
    window: int,
) -> list[Float[Tensor, "n j"]]:
    """Expected x, y, z over the columns within `window` cells of the plane's peak."""
    h, w = size
    cells = h * w
    # the first of equal peaks, as arg-max has it; whole numbers up to 4096 are exact in float32
    down = cells - torch.arange(cells, device=plane.device).float()
    first = cells - torch.where(plane >= plane.amax(2, keepdim=True), down, 0.0).amax(2, keepdim=True)  # (n, j, 1)
    row = ((first + 0.5) / w).floor()
    offsets = torch.arange(-window, window + 1, device=plane.device).float()
    rows = (row + offsets).repeat_interleave(2 * window + 1, 2)  # (n, j, 49)
    columns = (first - row * w + offsets).repeat(1, 1, 2 * window + 1)
    inside = ((rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)).float()
    index = (rows.clamp(0, h - 1) * w + columns.clamp(0, w - 1)).long()
    weight = plane.gather(2, index) * inside
    total = weight.sum(2)
    x, y = (2 * columns + 1 - w) / (2 * w), (2 * rows + 1 - h) / (2 * h)
    stacked = index[:, :, None].expand(-1, -1, mass.shape[2], -1)
    depth = (mass.gather(3, stacked) * inside[:, :, None]).sum(3)  # (n, j, d)
    return [(weight * x).sum(2) / total, (weight * y).sum(2) / total, (depth * z).sum(2) / total]
