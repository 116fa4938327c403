"""Reading joints from volumetric heatmaps: soft-argmax over the whole volume, or over a window around the peak.

Axes of a volume: depth, then rows, then columns. Bin centres are symmetric, (i + 0.5) / n - 0.5 times the range of
the axis, so flipping a heatmap flips the decoded joints exactly. Sums run in float32 whatever the logits' type.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from engine.model import PoseResNet

Z_RANGE = 2.0  # depth spans -1 ... 1 crop units; p99.9 of real poses reaches 0.76
WINDOW_CELLS = 3  # cells on each side of the peak: 7 x 7 of 48 x 48

# of ImageNet's pictures, RGB in 0 ... 255, as the backbone's checkpoints expect
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)


def bin_centers(count: int, *, span: float = 1.0, device: torch.device | None = None) -> Float[Tensor, "count"]:
    """Centres of `count` bins that divide -span / 2 ... span / 2."""
    # built from integers so that centre i and centre n - 1 - i are exact negatives
    return (2 * torch.arange(count, device=device) + 1 - count).float() * (span / (2 * count))


@dataclass(frozen=True, slots=True)
class Marginals:
    """Sums of the soft-maxed volume: all that decode and loss need of it."""

    plane: Float[Tensor, "n j h w"]  # over depth
    z: Float[Tensor, "n j d"]  # over the plane
    window: Float[Tensor, "n j h w"]  # 1 within the window around the peak, else 0
    z_in_window: Float[Tensor, "n j d"]  # over the window alone
    mass: Float[Tensor, "n j"]  # share of the plane within WINDOW_CELLS of its peak


def marginals(volume: Float[Tensor, "n j d h w"], *, window: int | None) -> Marginals:
    """One exponential, then sums: the volume itself is never normalised (it is the bulk of the memory traffic)."""
    h, w = volume.shape[3:]
    volume = volume.float().flatten(3)  # (n, j, d, h w)
    mass = (volume - volume.detach().amax((2, 3), keepdim=True)).exp()
    plane = mass.sum(2)  # (n, j, h w)
    total = plane.sum(-1, keepdim=True)
    mask = window_mask(plane.detach().unflatten(2, (h, w)), window)
    sums = mass @ torch.stack([torch.ones_like(plane), mask.flatten(2)], dim=-1)  # (n, j, d, 2)
    sums = sums / total[..., None]
    plane = (plane / total).unflatten(2, (h, w))
    return Marginals(plane, sums[..., 0], mask, sums[..., 1], mass_around_peak(plane))


def decode(volume: Float[Tensor, "n j d h w"], *, window: int | None = WINDOW_CELLS) -> Float[Tensor, "n j 7"]:
    """Joints x, y in -0.5 ... 0.5, z in -1 ... 1, their spreads, all in crop units; the mass around the peak, 0 ... 1.

    `window=None` is the paper's soft-argmax over the whole volume (eqs. 3-5; Sun et al., ECCV 2018). A window takes
    the expectation only over columns within so many cells of the peak of the xy marginal: maps that are unsure
    between left and right are bimodal, and the global expectation lies between the modes. The spread is the root
    mean square distance of the whole heatmap from the decoded joint, so a second mode shows in it. The mass says how
    much of the heatmap stands within WINDOW_CELLS of the peak: of all that a map tells, it is what ranks right and
    wrong joints best.
    """
    return decode_marginals(marginals(volume, window=window))


def decode_marginals(m: Marginals) -> Float[Tensor, "n j 7"]:
    """`decode` of sums that are there already."""
    h, w = m.plane.shape[2:]
    device = m.plane.device
    x, y = bin_centers(w, device=device), bin_centers(h, device=device)
    z = bin_centers(m.z.shape[2], span=Z_RANGE, device=device)
    inside = m.plane * m.window
    inside = inside / inside.sum((2, 3), keepdim=True)
    joint_x, joint_y = inside.sum(2) @ x, inside.sum(3) @ y
    joint_z = (m.z_in_window @ z) / m.z_in_window.sum(-1)
    spread = [
        ((p * (centers - at[..., None]) ** 2).sum(-1)).sqrt()
        for p, centers, at in ((m.plane.sum(2), x, joint_x), (m.plane.sum(3), y, joint_y), (m.z, z, joint_z))
    ]
    return torch.stack([joint_x, joint_y, joint_z, *spread, m.mass], dim=-1)


def mass_around_peak(plane: Float[Tensor, "n j h w"]) -> Float[Tensor, "n j"]:
    """Share of a plane that sums to 1 within WINDOW_CELLS of its peak, with or without a window in the decode."""
    return (plane * window_mask(plane.detach(), WINDOW_CELLS)).sum((2, 3))


def window_mask(plane: Float[Tensor, "n j h w"], window: int | None) -> Float[Tensor, "n j h w"]:
    """1 within `window` cells of each plane's peak, else 0; 1 everywhere where there is no window."""
    if window is None:
        return torch.ones_like(plane)
    h, w = plane.shape[2:]
    peak = plane.flatten(2).argmax(-1)  # (n, j)
    row, column = torch.div(peak, w, rounding_mode="floor"), peak % w
    rows = (torch.arange(h, device=plane.device) - row[..., None]).abs() <= window  # (n, j, h)
    columns = (torch.arange(w, device=plane.device) - column[..., None]).abs() <= window  # (n, j, w)
    return (rows[..., :, None] & columns[..., None, :]).to(plane.dtype)


class Decoded(nn.Module):
    """Network and decode in one graph: what a backend compiles. In: crops, RGB in 0 ... 255."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: PoseResNet, *, window: int | None = WINDOW_CELLS) -> None:
        super().__init__()
        self.network = network
        self.window = window
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, crops_rgb: Float[Tensor, "n 3 s s"]) -> tuple[Float[Tensor, "n joints 7"], Float[Tensor, "n"]]:
        """Joints with spreads and masses, and the probability of presence."""
        volume, presence = self.network((crops_rgb - self.mean) / self.std)
        return decode(volume, window=self.window), torch.sigmoid(presence.float())
