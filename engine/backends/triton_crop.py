# type: ignore - kernels are a language of their own, and what Triton says of its types changes by version
"""Crops on a card in one kernel: cut, averaged down, warped, normalised and rounded to the network's precision.

`card_crop.cut_on_card` is the reference, operation by operation. Imported only where Triton is; `TRITON_INTERPRET=1`
runs it without a card.
"""

from __future__ import annotations

import triton
import triton.language as tl
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from engine.backends.card_crop import NUMBERS, OUTSIDE_GREY, TAPS
from engine.decode import MEAN_RGB, STD_RGB

PIXELS_PER_BLOCK = 128


@triton.jit
def _cut(
    frame, numbers, pictures, height, width, stride_n, stride_c, stride_p,
    mean_r, mean_g, mean_b, std_r, std_g, std_b,
    SIZE: tl.constexpr, COUNT: tl.constexpr, TAPS: tl.constexpr, GREY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A block of one crop's pixels. `stride_p` leads from a pixel to the next, `stride_c` from red to green."""
    n = tl.program_id(0)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mine = pixel < SIZE * SIZE
    x, y = (pixel % SIZE).to(tl.float32), (pixel // SIZE).to(tl.float32)
    box = numbers + n * COUNT
    scale = tl.load(box + 6) * x + tl.load(box + 7) * y + tl.load(box + 8)
    u = (tl.load(box) * x + tl.load(box + 1) * y + tl.load(box + 2)) / scale
    v = (tl.load(box + 3) * x + tl.load(box + 4) * y + tl.load(box + 5)) / scale
    low_x, low_y = tl.load(box + 9), tl.load(box + 10)
    step_x, step_y = tl.load(box + 11), tl.load(box + 12)
    wide, high = tl.load(box + 13), tl.load(box + 14)
    taps = tl.minimum(tl.load(box + 15), TAPS).to(tl.int32)  # along each axis
    left, top = tl.floor(u), tl.floor(v)
    blue = tl.zeros((BLOCK,), tl.float32)
    green, red = blue, blue
    for corner in tl.static_range(4):
        column, row = left + corner % 2, top + corner // 2
        weight = (1 - tl.abs(u - column)) * (1 - tl.abs(v - row))
        inside = mine & (column >= 0) & (row >= 0) & (column < wide) & (row < high)
        b = tl.zeros((BLOCK,), tl.float32)
        g, r = b, b
        for tap in range(taps * taps):
            px = tl.floor(low_x + (column + (tap % taps + 0.5) / taps) * step_x)
            py = tl.floor(low_y + (row + (tap // taps + 0.5) / taps) * step_y)
            px = tl.minimum(tl.maximum(px, 0), width - 1).to(tl.int32)
            py = tl.minimum(tl.maximum(py, 0), height - 1).to(tl.int32)
            at = frame + (py * width + px) * 3
            b += tl.load(at, mask=inside, other=0).to(tl.float32)
            g += tl.load(at + 1, mask=inside, other=0).to(tl.float32)
            r += tl.load(at + 2, mask=inside, other=0).to(tl.float32)
        blue += weight * tl.where(inside, tl.floor(b / (taps * taps) + 0.5), GREY)
        green += weight * tl.where(inside, tl.floor(g / (taps * taps) + 0.5), GREY)
        red += weight * tl.where(inside, tl.floor(r / (taps * taps) + 0.5), GREY)
    out = pictures + n * stride_n + pixel * stride_p
    dtype = pictures.dtype.element_ty
    tl.store(out, ((tl.floor(red + 0.5) - mean_r) / std_r).to(dtype), mask=mine)
    tl.store(out + stride_c, ((tl.floor(green + 0.5) - mean_g) / std_g).to(dtype), mask=mine)
    tl.store(out + 2 * stride_c, ((tl.floor(blue + 0.5) - mean_b) / std_b).to(dtype), mask=mine)


def cut_into(
    pictures: Float[Tensor, "n 3 s s"],
    frame_bgr: UInt8[Tensor, "h w 3"],
    numbers: Float32[Tensor, "n numbers"],
    *,
    block: int = PIXELS_PER_BLOCK,
) -> None:
    """Prepared crops, RGB, in the type and memory format of `pictures`; `numbers` are `card_crop.crop_numbers`."""
    n, _, _, size_px = pictures.shape
    stride_n, stride_c, stride_y, stride_x = pictures.stride()
    assert stride_y == size_px * stride_x, "rows of the crop follow each other"
    assert frame_bgr.is_contiguous(), "a frame is a block of memory"
    assert numbers.is_contiguous(), "so are the numbers"
    height, width = frame_bgr.shape[:2]
    _cut[(n, triton.cdiv(size_px * size_px, block))](
        frame_bgr, numbers, pictures, height, width, stride_n, stride_c, stride_x, *MEAN_RGB, *STD_RGB,
        SIZE=size_px, COUNT=NUMBERS, TAPS=TAPS, GREY=OUTSIDE_GREY, BLOCK=block,
    )  # fmt: skip
