"""What the network is taught: heatmap cross-entropy, coordinates, presence. All weights are per joint and axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from engine.decode import Z_RANGE, bin_centers, decode_marginals
from train.volume_sums import marginals_with_gradient

# far below the error, so wrong labels pull with bounded force (beta = 1 on these units would be pure L2)
BETA = 0.01
TARGET_SIGMA_CELLS = 1.0
# keeps the logarithm finite where a map has ruled a cell out; its gradient fades only beyond 1e-12
FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How the terms are added up."""

    heatmap: float = 1.0
    depth_map: float = 0.5
    xy: float = 8.0
    z: float = 8.0
    presence: float = 0.5
    beta: float = BETA  # of smooth-L1, in crop units


def pose_loss(
    volume: Float[Tensor, "n j d h w"],
    presence_logit: Float[Tensor, "n"],
    target: Float[Tensor, "n j 3"],
    weight: Float[Tensor, "n j 3"],
    presence: Float[Tensor, "n"],
    *,
    window: int | None,
    weights: LossWeights,
    shared: Callable[[Tensor], Tensor] = lambda total: total,
) -> tuple[dict[str, Tensor], Float[Tensor, "n j 3"]]:
    """The terms of the loss and their weighted sum, `loss`; and the joints, crop units. Presence: NaN is not taught.

    The terms are means over all that is labelled. `shared` makes of a process's total weight the mean of all
    processes': then the mean of their gradients is that of one process with the whole batch.
    """
    d, h, w = volume.shape[2:]
    sums = marginals_with_gradient(volume, window=window)
    log_plane = (sums.plane.flatten(2) + FLOOR).log()  # (n, j, h w)
    log_z = (sums.z + FLOOR).log()  # (n, j, d)
    x, y = _gaussian(target[..., 0], w), _gaussian(target[..., 1], h)
    plane = (y[..., :, None] * x[..., None, :]).flatten(2)
    weight_xy, weight_z = weight[..., 0], weight[..., 2]
    joints = decode_marginals(sums)[..., :3]
    known = ~presence.isnan()
    total_xy, total_z = shared(weight_xy.sum()), shared(weight_z.sum())
    terms = {
        "heatmap": _mean(-(plane * log_plane).sum(-1), weight_xy, total_xy),
        "depth_map": _mean(-(_gaussian(target[..., 2], d, span=Z_RANGE) * log_z).sum(-1), weight_z, total_z),
        "xy": _mean(_smooth_l1(joints[..., :2], target[..., :2], weights.beta).sum(-1), weight_xy, total_xy),
        "z": _mean(_smooth_l1(joints[..., 2], target[..., 2], weights.beta), weight_z, total_z),
        "presence": _mean(_presence(presence_logit, presence), known.float(), shared(known.sum().float())),
    }
    terms["loss"] = sum((getattr(weights, name) * term for name, term in terms.items()), torch.zeros(()))
    return terms, joints.detach()


def _smooth_l1(a: Tensor, b: Tensor, beta: float) -> Tensor:
    """The paper's Eq. 3, whose beta is 1, of differences in units of `beta`; slope 1 far away."""
    return functional.smooth_l1_loss(a, b, beta=beta, reduction="none")


def _presence(logit: Float[Tensor, "n"], presence: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    return functional.binary_cross_entropy_with_logits(logit.float(), presence.nan_to_num(), reduction="none")


def _mean(values: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    return (values * weight).sum() / total.clamp(min=1.0)


def _gaussian(at: Float[Tensor, "n j"], count: int, *, span: float = 1.0) -> Float[Tensor, "n j count"]:
    centers = bin_centers(count, span=span, device=at.device)
    cells = (centers - at[..., None]) * (count / span)
    return torch.softmax(-0.5 * (cells / TARGET_SIGMA_CELLS) ** 2, dim=-1)
