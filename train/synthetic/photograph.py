"""What a camera does to pictures: softness, motion, exposure, sensor noise, JPEG; many at once, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

# noise is cut at random places from fields of this size
NOISE_PX = 640
NOISE_SEED = 20
# standard deviation in pixels of what a demosaiced and rescaled picture's noise is smoothed by
NOISE_BLUR_PX = 0.7
MIN_BLUR_PX = 0.2
# quantisation of luminance and chrominance at quality 50 (ITU-T T.81, annex K)
LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29),
    *(51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121),
    *(120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99),
    *(99,) * 36,
)
# rows: Y, Cb, Cr of B, G, R (JFIF)
YCC_FROM_BGR = ((0.114, 0.587, 0.299), (0.5, -0.331264, -0.168736), (-0.081312, -0.418688, 0.5))


@dataclass(frozen=True, slots=True)
class Shot:
    """What happens to one picture. Lengths in its pixels."""

    blur_px: float = 0.0  # standard deviation
    motion_px: tuple[float, float] = (0.0, 0.0)  # the way of the picture while the shutter is open
    gain: float = 1.0
    offset: float = 0.0
    noise_sd: float = 0.0
    noise_at: tuple[int, int] = (0, 0)
    coarse_noise: bool = False
    jpeg_quality: int | None = None


def random_shot(rng: Generator, size_px: int) -> Shot:
    """A mild one, as ordinary cameras take them."""
    unit = size_px / 160
    motion = np.zeros(2)
    if rng.random() < 0.13:
        angle = rng.uniform(0, 2 * np.pi)
        motion = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(1.5, 5.5) * unit
    return Shot(
        blur_px=rng.uniform(0.3, 0.9) * unit if rng.random() < 0.45 else 0.0,
        motion_px=(float(motion[0]), float(motion[1])),
        gain=float(np.exp(rng.normal(0, 0.08))),
        offset=float(rng.normal(0, 4)),
        noise_sd=float(rng.uniform(0.5, 6)),
        noise_at=(int(rng.integers(NOISE_PX // 2)), int(rng.integers(NOISE_PX // 2))),
        coarse_noise=bool(rng.random() < 0.4),
        jpeg_quality=int(rng.uniform(25, 90)) if rng.random() < 0.4 else None,
    )


def photographed(images: Tensor, shots: Sequence[Shot]) -> Tensor:
    """Pictures (n, h, w, 3) with values 0 ... 255 after their shots, as uint8. `images` is used up."""
    fields = _noise_fields(str(images.device))
    for image, shot in zip(images, shots, strict=True):
        if shot.blur_px >= MIN_BLUR_PX:
            image.copy_(_blurred(image, shot.blur_px))
        if np.hypot(*shot.motion_px) >= 1.0:
            image.copy_(_moved(image, shot.motion_px))
        image.mul_(shot.gain).add_(shot.offset)
        image.add_(_noise(fields[int(shot.coarse_noise)], shot.noise_at, *image.shape[:2]), alpha=shot.noise_sd)
    pressed = [i for i, shot in enumerate(shots) if shot.jpeg_quality is not None]
    if pressed:
        quality = torch.tensor([float(shots[i].jpeg_quality or 0) for i in pressed], device=images.device)
        images[pressed] = jpeg_pressed(images[pressed].clamp_(0, 255), quality)
    return images.add_(0.5).clamp_(0, 255).to(torch.uint8)


def _blurred(image: Tensor, sigma_px: float) -> Tensor:
    """A picture (h, w, 3) under a Gaussian."""
    reach = int(np.ceil(2.5 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        length = image.shape[axis]
        padded, image = _padded(image, reach, axis), torch.zeros_like(image)
        for start, weight in enumerate(weights):
            image.add_(padded.narrow(axis, start, length), alpha=float(weight))
    return image


def _moved(image: Tensor, way_px: tuple[float, float]) -> Tensor:
    """A picture (h, w, 3) that moved evenly along a line; places are rounded to pixels."""
    height, width, _ = image.shape
    steps = int(np.ceil(max(abs(way_px[0]), abs(way_px[1])))) + 1
    shifts = np.round(np.linspace(-0.5, 0.5, steps)[:, None] * way_px).astype(int)
    reach = int(np.abs(shifts).max())
    padded, total = _padded(_padded(image, reach, 0), reach, 1), torch.zeros_like(image)
    for dx, dy in shifts:
        total.add_(padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width], alpha=1 / steps)
    return total


def _padded(image: Tensor, reach: int, axis: int) -> Tensor:
    """The first and last row or column repeated."""
    first, last = image.narrow(axis, 0, 1), image.narrow(axis, image.shape[axis] - 1, 1)
    repeats = [reach if i == axis else 1 for i in range(3)]
    return torch.cat([first.repeat(repeats), image, last.repeat(repeats)], dim=axis)


@lru_cache(maxsize=4)
def _noise_fields(device: str) -> Tensor:
    """White noise, and noise that spreads over neighbours; (2, n, n, 3), standard deviation 1."""
    white = torch.randn((NOISE_PX, NOISE_PX, 3), generator=torch.Generator().manual_seed(NOISE_SEED))
    coarse = _blurred(white, NOISE_BLUR_PX)
    return torch.stack([white, coarse / coarse.std()]).to(device)


def _noise(field: Tensor, at: tuple[int, int], height: int, width: int) -> Tensor:
    y, x = at
    if y + height <= NOISE_PX and x + width <= NOISE_PX:
        return field[y : y + height, x : x + width]
    rows, columns = (
        (torch.arange(n, device=field.device) + start) % NOISE_PX for n, start in ((height, y), (width, x))
    )
    return field[rows][:, columns]


def jpeg_pressed(images: Tensor, quality: Tensor) -> Tensor:
    """What a JPEG (4:2:0) of each `quality` (n) leaves of pictures (n, h, w, 3) with values 0 ... 255."""
    _, height, width, _ = images.shape
    transform = torch.tensor(YCC_FROM_BGR, device=images.device)
    ycc = (images @ transform.T).permute(0, 3, 1, 2)
    ycc = torch.nn.functional.pad(ycc, (0, -width % 16, 0, -height % 16), mode="replicate")
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    luma = _quantised(ycc[:, :1] - 128, LUMA, scale) + 128
    chroma = _quantised(torch.nn.functional.avg_pool2d(ycc[:, 1:], 2), CHROMA, scale)
    chroma = torch.nn.functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    pressed = torch.cat([luma, chroma], dim=1)[:, :, :height, :width].permute(0, 2, 3, 1)
    return pressed @ torch.linalg.inv(transform).T


def _quantised(planes: Tensor, table: tuple[int, ...], scale: Tensor) -> Tensor:
    """Planes (n, c, h, w), h and w multiples of 8, with the cosine transform of each block rounded."""
    n, c, height, width = planes.shape
    steps = (torch.tensor(table, device=planes.device) * scale[:, None] + 0.5).floor().clamp(1, 255)
    steps = steps.view(n, 1, 1, 8, 1, 8)
    D = _cosines(str(planes.device))
    blocks = planes.view(n, c, height // 8, 8, width // 8, 8)
    spectrum = torch.einsum("ki,ncyixj,lj->ncykxl", D, blocks, D)
    spectrum = torch.round(spectrum / steps) * steps
    return torch.einsum("ki,ncykxl,lj->ncyixj", D, spectrum, D).reshape(n, c, height, width)


@lru_cache(maxsize=4)
def _cosines(device: str) -> Tensor:
    """The orthonormal cosine transform (8, 8): rows are frequencies."""
    k, i = torch.arange(8)[:, None], torch.arange(8)[None]
    D = torch.cos((2 * i + 1) * k * (torch.pi / 16)) / 2
    D[0] /= 2**0.5
    return D.to(device)
