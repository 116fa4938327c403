"""`engine.decode.marginals` for training: the same sums with their gradient written out.

A volume is the largest thing in a training step (1.2 million numbers a person for `lite` at full size), and left to
autograd its soft-max, its sums and their gradients pass over it some fifteen times. Here it is one pass each way, a
person at a time on a CPU, so that it stays in the cache; in the memory order (rows, columns, channels) that the
convolution before it writes. `engine/decode.py` is the reference that tests compare with.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from engine.decode import Marginals, mass_around_peak, window_mask


def marginals_with_gradient(volume: Float[Tensor, "n j d h w"], *, window: int | None) -> Marginals:
    """The sums of the soft-maxed volume; half-precision volumes are summed in float32."""
    plane, z, z_in_window, mask = _Sums.apply(volume, window)  # type: ignore[misc] - untyped in torch
    return Marginals(plane, z, mask, z_in_window, mass_around_peak(plane.detach()))


class _Sums(torch.autograd.Function):
    """(n, j, d, h, w) to plane (n, j, h, w), z and z in the window (n, j, d), and the window's mask."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, window: int | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n, j, d, h, w = volume.shape
        share = torch.empty((n, h * w, j, d), dtype=volume.dtype, device=volume.device)
        plane = torch.empty((n, h * w, j), device=volume.device)
        sums = torch.empty((n, j, 2, d), device=volume.device)
        mask = torch.empty((n, j, h, w), device=volume.device)
        for part in _parts(volume):
            mass = _places_first(volume[part]).float()  # (m, hw, j, d)
            mass = (mass - mass.amax((1, 3), keepdim=True)).exp_()
            at = mass.sum(3)  # (m, hw, j)
            total = at.sum(1)  # (m, j)
            plane[part] = at / total[:, None]
            mask[part] = window_mask(at.transpose(1, 2).unflatten(2, (h, w)), window)
            rows = torch.stack([torch.ones_like(at), mask[part].flatten(2).transpose(1, 2)], dim=2)  # (m, hw, 2, j)
            sums[part] = rows.permute(0, 3, 2, 1) @ mass.transpose(1, 2) / total[..., None, None]  # (m, j, 2, d)
            share[part] = mass.div_(total[:, None, :, None])
        ctx.save_for_backward(share, plane, sums, mask)
        ctx.strides = volume.stride()
        ctx.mark_non_differentiable(mask)
        return plane.transpose(1, 2).unflatten(2, (h, w)), sums[:, :, 0], sums[:, :, 1], mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        share, plane, sums, mask = ctx.saved_tensors
        n, j, h, w = mask.shape
        of_plane = gradients[0].flatten(2).transpose(1, 2)  # (n, hw, j)
        of_z, of_window = gradients[1], gradients[2]  # (n, j, d)
        mean = (of_plane * plane).sum(1) + (of_z * sums[:, :, 0]).sum(2) + (of_window * sums[:, :, 1]).sum(2)
        of_plane = of_plane - mean[:, None]
        inside = mask.flatten(2).transpose(1, 2)
        gradient = torch.empty_strided((n, j, sums.shape[3], h, w), ctx.strides, dtype=share.dtype, device=share.device)
        for part in _parts(gradient):
            slope = torch.addcmul(of_z[part, None], inside[part][..., None], of_window[part, None])  # (m, hw, j, d)
            slope.add_(of_plane[part][..., None]).mul_(share[part])
            gradient[part] = slope.permute(0, 2, 3, 1).unflatten(3, (h, w))
        return gradient, None


def _parts(volume: Tensor) -> list[slice]:
    """One person at a time where there is a cache to stay in; a card takes all of them together."""
    if volume.device.type != "cpu":
        return [slice(None)]
    return [slice(i, i + 1) for i in range(len(volume))]


def _places_first(volume: Float[Tensor, "n j d h w"]) -> Float[Tensor, "n hw j d"]:
    """No copy for a volume that a channels-last convolution wrote."""
    return volume.permute(0, 3, 4, 1, 2).flatten(1, 2)
