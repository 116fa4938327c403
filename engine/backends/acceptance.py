"""What a network that was compiled for a card must show before it is used: the answers of the eager one.

It is asked about bundled crops of people, and about pictures of nothing: flat, noise, patterns that alias.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray

from engine.backends import EngineError
from engine.backends.agreement import Agreement, agreement
from engine.backends.calibration import split_crops
from engine.model import Architecture
from engine.weights import Weights

# of people: a joint may jump between two peaks of nearly equal height
TOLERANCES = {
    "fp16": Agreement(median_voxels=0.05, apart=0.05),
    "bf16": Agreement(median_voxels=0.1, apart=0.1),
    "fp32": Agreement(median_voxels=0.02, apart=0.02),
    # as for the CPU's int8; measured, the quantisation alone: 0.03 voxel, 4 % and 3 %
    "int8": Agreement(median_voxels=0.15, apart=0.15),
    "fp8": Agreement(median_voxels=0.15, apart=0.15),
}
# of nothing: the maps are flat, so peaks are a matter of the last bit; measured in half precision on the CPU, median
# 0.002 voxel with 1 % of the joints apart, in bf16 0.01 with 6 %, in int8 0.09 with 44 %, in fp8 0.05 with 36 %
EXTREME_TOLERANCES = {
    "fp16": Agreement(median_voxels=0.05, apart=0.15),
    "bf16": Agreement(median_voxels=0.2, apart=0.3),
    "fp32": Agreement(median_voxels=0.05, apart=0.1),
    "int8": Agreement(median_voxels=0.5, apart=0.7),
    "fp8": Agreement(median_voxels=0.5, apart=0.7),
}
JUDGED_CROPS = 16
STRIPE_PX = 16


class RefusedError(EngineError):
    """What was compiled is not what was asked for, or says something else; so it would at another try."""


def judged_pictures(size_px: int) -> UInt8[ndarray, "n s s 3"]:
    """JUDGED_CROPS held-out crops of people, then the extreme pictures; BGR."""
    return np.concatenate([split_crops(size_px)[1][:JUDGED_CROPS], extreme_pictures(size_px)])


def extreme_pictures(size_px: int) -> UInt8[ndarray, "m s s 3"]:
    """Black, white, noise, a chequerboard of pixels, stripes, a ramp."""
    shape = (size_px, size_px)
    row, column = np.indices(shape)
    grey = [np.zeros(shape), np.full(shape, 255), 255 * ((row + column) % 2), 255 * (column % STRIPE_PX == 0)]
    grey.append(column * 255 / (size_px - 1))
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3))
    return np.stack([*(np.repeat(g[..., None], 3, axis=2) for g in grey), noise]).astype(np.uint8)


def eager_answers(
    weights: Weights, pictures_bgr: UInt8[ndarray, "n s s 3"], device: torch.device
) -> Float32[ndarray, "n joints 7"]:
    """What the network says as it was trained, in float32, picture by picture."""
    model = weights.decoded().to(device)
    with torch.inference_mode():
        answers = [model(rgb(picture[None]).to(device))[0].cpu().numpy() for picture in pictures_bgr]
    return np.concatenate(answers)


def rgb(pictures_bgr: UInt8[ndarray, "n s s 3"]) -> Float32[torch.Tensor, "n 3 s s"]:
    """Pictures of OpenCV as a network takes them, 0 ... 255."""
    return torch.from_numpy(np.ascontiguousarray(pictures_bgr[..., ::-1].transpose(0, 3, 1, 2))).float()


def accept(
    ours: Float32[ndarray, "n joints 7"],
    theirs: Float32[ndarray, "n joints 7"],
    architecture: Architecture,
    *,
    engine: str,
    precision: str,
) -> Agreement:
    """How well the answers to `judged_pictures` agree on people; RefusedError where they do not agree enough."""
    people, nothing = slice(None, JUDGED_CROPS), slice(JUDGED_CROPS, None)
    for part, what, tolerance in (
        (people, "", TOLERANCES[precision]),
        (nothing, "on extreme pictures ", EXTREME_TOLERANCES[precision]),
    ):
        seen = agreement(ours[part], theirs[part], architecture)
        if not np.isfinite(ours[part]).all() or not seen.within(tolerance):
            raise RefusedError(
                f"the {engine} engine in {precision} disagrees with eager {what}({seen.against(tolerance)}); "
                "use --engine eager, or another --precision"
            )
    return agreement(ours[people], theirs[people], architecture)
