"""Cutting crops on the card: what `engine.crop.cut` does on the CPU, in operations of fixed shape.

The host works out sixteen numbers per box; the card does the rest, so one CUDA graph serves every box. As in `cut`,
the region is first averaged down by a whole factor, then warped. Grey 127 lies outside of the frame.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from engine.crop import SHRINK_ABOVE, Box, crop_camera, region_px

NUMBERS = 16  # of a box, see `crop_numbers`
OUTSIDE_GREY = 127.0
# samples along each axis that are averaged into one pixel: exact up to a shrinking by this factor (a box of 960 px
# for a crop of 192); beyond, so many of the pixels stand for all
TAPS = 4
# room for the shrunk region, in crop sides: at most 2 after shrinking by a whole factor, and some for perspective
GRID_OVER_SIDE = 2.5


def grid_px(size_px: int) -> int:
    """Side of the room for the shrunk region."""
    return math.ceil(GRID_OVER_SIDE * size_px)


def crop_numbers(
    box: Box, K: Float64[ndarray, "3 3"], size_px: int, frame_px: tuple[int, int]
) -> Float32[ndarray, "numbers"]:
    """What the card needs to know of a box in a frame of (width, height).

    small_from_crop (9, row by row; px of the shrunk region), its first frame px (x, y), frame px per shrunk px (x, y),
    its size (w, h), and the whole factor.
    """
    camera = crop_camera(box, K, size_px)
    n = size_px
    corners = camera.to_px(np.array([[-0.5, -0.5], [n - 0.5, -0.5], [n - 0.5, n - 0.5], [-0.5, n - 0.5]]))
    scale = box.side_px / size_px  # at the middle, by the crop camera's definition
    factor = int(scale) if scale > SHRINK_ABOVE else 1
    low, size = region_px(corners, factor, frame_px)
    # far off the axis of a wide lens the region may not fit; it is then shrunk more than `cut` would
    while (size // factor).max() > grid_px(size_px):
        factor += 1
        low, size = region_px(corners, factor, frame_px)
    small = np.maximum(size // factor, 1)
    step = size / small
    px_from_small = np.array(
        [[step[0], 0, (step[0] - 1) / 2 + low[0]], [0, step[1], (step[1] - 1) / 2 + low[1]], [0, 0, 1]]
    )
    small_from_crop = np.linalg.solve(px_from_small, camera.px_from_crop)
    small_from_crop /= np.abs(small_from_crop).max()
    return np.array([*small_from_crop.ravel(), *low, *step, *small, factor], np.float32)


def cut_on_card(
    frame_bgr: UInt8[Tensor, "h w 3"], numbers: Float32[Tensor, "n numbers"], *, size_px: int
) -> Float32[Tensor, "n 3 s s"]:
    """Crops as RGB in 0 ... 255, whole numbers, channels last in memory."""
    small_bgr = _shrunk(frame_bgr, numbers, grid_px(size_px))
    u, v = _places(numbers[:, :9].unflatten(1, (3, 3)), size_px)
    crops_bgr = _sampled(small_bgr, u, v, numbers[:, 13:15])
    return crops_bgr.add(0.5).floor().flip(2).unflatten(1, (size_px, size_px)).permute(0, 3, 1, 2)


def _shrunk(
    frame_bgr: UInt8[Tensor, "h w 3"], numbers: Float32[Tensor, "n numbers"], grid: int
) -> Float32[Tensor, "n g g 3"]:
    """The regions averaged down by their factors; what lies beyond their sizes is of no meaning."""
    height, width = frame_bgr.shape[:2]
    taps = numbers[:, 15:].clamp(max=TAPS)  # (n, 1)
    columns = _taps(numbers[:, 9], numbers[:, 11], taps, grid, width)
    rows = _taps(numbers[:, 10], numbers[:, 12], taps, grid, height)
    picture = frame_bgr[rows[:, :, None], columns[:, None, :]]  # (n, g taps, g taps, 3)
    picture = picture.view(-1, grid, TAPS, grid, TAPS, 3)
    # factors below TAPS leave some samples out; as uint8, since this is the bulk of the memory traffic
    used = (torch.arange(TAPS, device=frame_bgr.device) < taps).to(torch.uint8)  # (n, taps)
    picture.mul_(used[:, None, :, None, None, None] * used[:, None, None, None, :, None])
    total = picture.sum((2, 4), dtype=torch.float32)
    return (total / taps.square()[:, None, None]).add(0.5).floor()


def _taps(
    low_px: Float[Tensor, "n"], step_px: Float[Tensor, "n"], taps: Float[Tensor, "n 1"], grid: int, size: int
) -> Int64[Tensor, "n gt"]:
    """Which frame pixels along one axis make up each pixel of the grid, `TAPS` for each."""
    cells = torch.arange(grid, device=low_px.device).float()
    inner = (torch.arange(TAPS, device=low_px.device) + 0.5) / taps  # (n, taps), beyond 1 where unused
    place = low_px[:, None, None] + (cells[:, None] + inner[:, None]) * step_px[:, None, None] - 0.5
    return place.add(0.5).floor().long().clamp(0, size - 1).flatten(1)


def _places(
    small_from_crop: Float32[Tensor, "n 3 3"], size_px: int
) -> tuple[Float32[Tensor, "n p"], Float32[Tensor, "n p"]]:
    """Where each pixel of the crop lies in the shrunk region; written out, so that no product loses bits to TF32."""
    at = torch.arange(size_px, device=small_from_crop.device).float()
    x, y = at[None, None, :], at[None, :, None]
    H = small_from_crop[..., None, None]  # (n, 3, 3, 1, 1)
    u, v, scale = (H[:, i, 0] * x + H[:, i, 1] * y + H[:, i, 2] for i in range(3))
    return (u / scale).flatten(1), (v / scale).flatten(1)


def _sampled(
    small_bgr: Float32[Tensor, "n g g 3"],
    u: Float32[Tensor, "n p"],
    v: Float32[Tensor, "n p"],
    size: Float32[Tensor, "n 2"],
) -> Float32[Tensor, "n p 3"]:
    """Between pixels linearly; pixels beyond `size` are grey."""
    grid = small_bgr.shape[1]
    which = torch.arange(len(small_bgr), device=small_bgr.device)[:, None]
    left, top = u.floor(), v.floor()
    total = torch.zeros((*u.shape, 3), device=u.device)
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = left + dx, top + dy
            weight = (1 - (u - x).abs()) * (1 - (v - y).abs())
            inside = (x >= 0) & (y >= 0) & (x < size[:, :1]) & (y < size[:, 1:])
            value = small_bgr[which, y.long().clamp(0, grid - 1), x.long().clamp(0, grid - 1)]
            total += weight[..., None] * torch.where(inside[..., None], value, OUTSIDE_GREY)
    return total
