# type: ignore - kernels are a language of their own, and what Triton says of its types changes by version
"""The decode on a card in two kernels instead of a hundred: the volume is read once, and little else is written.

`engine.decode` is the reference. The first kernel gives each block of the plane to a program: sums over depth, sums
over the block's cells, and the largest logit, against which both are taken. The second gives each joint to a program,
brings the blocks to one maximum and reads the joint; of the volume it sees only the window around the peak. Imported
only where Triton is; `TRITON_INTERPRET=1` runs it without a card.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Float32
from torch import Tensor

from engine.decode import WINDOW_CELLS, Z_RANGE

CELLS_PER_BLOCK = 64


@triton.jit
def _block_sums(
    volume, sums, depths, tops, joints, cells, stride_n, stride_j, stride_d, stride_c,
    DEPTH: tl.constexpr, DEPTH_2: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sums of exponentials relative to the block's largest logit; sizes that end in _2 are powers of two."""
    which, block, blocks = tl.program_id(0), tl.program_id(1), tl.num_programs(1)
    c, d = block * BLOCK + tl.arange(0, BLOCK), tl.arange(0, DEPTH_2)
    start = volume + (which // joints) * stride_n + (which % joints) * stride_j
    inside = (c[:, None] < cells) & (d[None, :] < DEPTH)
    logits = tl.load(start + c[:, None] * stride_c + d[None, :] * stride_d, mask=inside, other=float("-inf"))
    logits = logits.to(tl.float32)
    top = tl.max(tl.max(logits, 1), 0)
    mass = tl.exp(logits - top)
    tl.store(sums + which * cells + c, tl.sum(mass, 1), mask=c < cells)
    row = which * blocks + block
    tl.store(depths + row * DEPTH + d, tl.sum(mass, 0), mask=d < DEPTH)
    tl.store(tops + row, top)


@triton.jit
def _read_joints(
    volume, presence, sums, depths, tops, outputs, joints, blocks, height, width,
    stride_n, stride_j, stride_d, stride_c, stride_out,
    WINDOW: tl.constexpr, AROUND: tl.constexpr, Z_SPAN: tl.constexpr,
    DEPTH: tl.constexpr, DEPTH_2: tl.constexpr, BLOCK: tl.constexpr, BLOCKS_2: tl.constexpr, CELLS_2: tl.constexpr,
    WINDOW_2: tl.constexpr,
):  # fmt: skip
    """Seven numbers of one joint; the first joint's program adds the person's presence. WINDOW < 0: none."""
    which = tl.program_id(0)
    n, j = which // joints, which % joints
    cells = height * width
    d, b, c = tl.arange(0, DEPTH_2), tl.arange(0, BLOCKS_2), tl.arange(0, CELLS_2)

    block_top = tl.load(tops + which * blocks + b, mask=b < blocks, other=float("-inf"))
    top = tl.max(block_top, 0)
    of_cell = tl.load(tops + which * blocks + c // BLOCK, mask=c < cells, other=float("-inf"))
    plane = tl.load(sums + which * cells + c, mask=c < cells, other=0.0) * tl.exp(of_cell - top)
    total = tl.sum(plane, 0)
    peak = tl.argmax(tl.where(c < cells, plane, -1.0), 0)
    row, column = peak // width, peak % width

    y_cell, x_cell = c // width, c % width
    apart = tl.maximum(tl.abs(y_cell - row), tl.abs(x_cell - column))
    x, y = (2 * x_cell + 1 - width).to(tl.float32), (2 * y_cell + 1 - height).to(tl.float32)
    x, y = x / (2 * width), y / (2 * height)
    share = tl.sum(tl.where(apart <= AROUND, plane, 0.0), 0) / total
    weight = plane
    if WINDOW >= 0:
        weight = tl.where(apart <= WINDOW, plane, 0.0)
    weighed = tl.sum(weight, 0)
    joint_x, joint_y = tl.sum(weight * x, 0) / weighed, tl.sum(weight * y, 0) / weighed

    at = (which * blocks + b[:, None]) * DEPTH + d[None, :]
    parts = tl.load(depths + at, mask=(b[:, None] < blocks) & (d[None, :] < DEPTH), other=0.0)
    depth = tl.sum(parts * tl.exp(block_top - top)[:, None], 0)
    z = (2 * d + 1 - DEPTH).to(tl.float32) * (Z_SPAN / (2 * DEPTH))
    seen = depth
    if WINDOW >= 0:
        i = tl.arange(0, WINDOW_2)
        side: tl.constexpr = 2 * WINDOW + 1
        rows, columns = row - WINDOW + i // side, column - WINDOW + i % side
        valid = (i < side * side) & (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        place = (rows * width + columns)[:, None] * stride_c + d[None, :] * stride_d
        inside = valid[:, None] & (d[None, :] < DEPTH)
        start = volume + n * stride_n + j * stride_j
        logits = tl.load(start + place, mask=inside, other=float("-inf")).to(tl.float32)
        seen = tl.sum(tl.exp(logits - top), 0)
    joint_z = tl.sum(seen * z, 0) / tl.sum(seen, 0)

    spread_x = tl.sqrt(tl.sum(plane * (x - joint_x) * (x - joint_x), 0) / total)
    spread_y = tl.sqrt(tl.sum(plane * (y - joint_y) * (y - joint_y), 0) / total)
    spread_z = tl.sqrt(tl.sum(depth * (z - joint_z) * (z - joint_z), 0) / total)
    out = outputs + n * stride_out + j * 7
    tl.store(out, joint_x)
    tl.store(out + 1, joint_y)
    tl.store(out + 2, joint_z)
    tl.store(out + 3, spread_x)
    tl.store(out + 4, spread_y)
    tl.store(out + 5, spread_z)
    tl.store(out + 6, share)
    if j == 0:
        logit = tl.load(presence + n).to(tl.float32)
        tl.store(outputs + n * stride_out + joints * 7, 1.0 / (1.0 + tl.exp(-logit)))


def decode_into(
    outputs: Float32[Tensor, "n out"],
    volume: Float[Tensor, "n j d h w"],
    presence: Float[Tensor, "n"],
    *,
    window: int | None,
) -> None:
    """What `engine.decode.decode` says of each joint, seven numbers after each other, then the presence's probability.

    The volume may lie channels first or last. Nothing is allocated but the sums.
    """
    n, joints, depth, height, width = volume.shape
    stride_n, stride_j, stride_d, stride_h, stride_w = volume.stride()
    assert stride_h == width * stride_w, "rows of the volume follow each other"
    cells, blocks = height * width, triton.cdiv(height * width, CELLS_PER_BLOCK)
    sums, depths, tops = (
        torch.empty((n * joints, size), device=volume.device) for size in (cells, blocks * depth, blocks)
    )
    strides, depth_2 = (stride_n, stride_j, stride_d, stride_w), triton.next_power_of_2(depth)
    _block_sums[(n * joints, blocks)](
        volume, sums, depths, tops, joints, cells, *strides, DEPTH=depth, DEPTH_2=depth_2, BLOCK=CELLS_PER_BLOCK
    )
    side = 2 * (WINDOW_CELLS if window is None else window) + 1
    _read_joints[(n * joints,)](
        volume, presence, sums, depths, tops, outputs, joints, blocks, height, width, *strides, outputs.stride(0),
        WINDOW=-1 if window is None else window, AROUND=WINDOW_CELLS, Z_SPAN=Z_RANGE,
        DEPTH=depth, DEPTH_2=depth_2, BLOCK=CELLS_PER_BLOCK, BLOCKS_2=triton.next_power_of_2(blocks),
        CELLS_2=triton.next_power_of_2(cells), WINDOW_2=triton.next_power_of_2(side * side), num_warps=8,
    )  # fmt: skip
