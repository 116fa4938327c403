"""The decode of the compiled engines. It says the same as `engine.decode`, which stays the reference.

What differs, measured with OpenVINO on `lite`: the peak comes from maxima (an arg-max sorts), and the window is
gathered, 49 columns of 2304 (a product over all of them wrote the volume again). There is no product of matrices:
OpenVINO keeps a tail without one in float32 where the rest runs in half precision.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from engine.decode import WINDOW_CELLS, Z_RANGE, bin_centers


def decode_by_gathering(volume: Float[Tensor, "n j d h w"], *, window: int | None) -> Float[Tensor, "n j 7"]:
    """What `engine.decode.decode` says, in fewer passes over the volume."""
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
    *joint, share = _in_window(mass, plane, z, (h, w), window or WINDOW_CELLS)
    if window is None:
        joint = [(p * centers).sum(2) for p, centers in ((columns, x), (rows, y), (depth, z))]
    elif window != WINDOW_CELLS:
        share = _in_window(mass, plane, z, (h, w), WINDOW_CELLS)[3]
    spread = [
        (p * (centers - at[..., None]).square()).sum(2).sqrt()
        for p, centers, at in ((columns, x, joint[0]), (rows, y, joint[1]), (depth, z, joint[2]))
    ]
    return torch.stack([*joint, *spread, share / total[..., 0]], dim=-1)


def _in_window(
    mass: Float[Tensor, "n j d hw"],
    plane: Float[Tensor, "n j hw"],
    z: Float[Tensor, "d"],
    size: tuple[int, int],
    window: int,
) -> list[Float[Tensor, "n j"]]:
    """Expected x, y, z over the columns within `window` cells of the plane's peak, and what stands in them."""
    h, w = size
    cells = h * w
    # the first of equal peaks, as arg-max has it; whole numbers up to 4096 are exact in float32
    down = cells - torch.arange(cells, device=plane.device).float()
    first = cells - torch.where(plane >= plane.amax(2, keepdim=True), down, 0.0).amax(2, keepdim=True)  # (n, j, 1)
    row = ((first + 0.5) / w).floor()
    offsets = torch.arange(-window, window + 1, device=plane.device).float()
    beside = torch.zeros_like(offsets)
    rows = ((row + offsets)[..., None] + beside).flatten(2)  # (n, j, 49)
    columns = ((first - row * w + offsets)[:, :, None] + beside[:, None]).flatten(2)
    inside = ((rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)).float()
    index = (rows.clamp(0, h - 1) * w + columns.clamp(0, w - 1)).long()
    weight = plane.gather(2, index) * inside
    total = weight.sum(2)
    x, y = (2 * columns + 1 - w) / (2 * w), (2 * rows + 1 - h) / (2 * h)
    stacked = index[:, :, None].expand(-1, -1, mass.shape[2], -1)
    depth = (mass.gather(3, stacked) * inside[:, :, None]).sum(3)  # (n, j, d)
    return [(weight * x).sum(2) / total, (weight * y).sum(2) / total, (depth * z).sum(2) / total, total]
