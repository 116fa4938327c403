"""Synthetic samples: dressed people in front of pictures, seen by crops' virtual cameras, with exact labels.

All labels belong to the rendered crop (see `plan.py`):

- `units` (joints, 2): crop units of it, -0.5 ... 0.5 over its whole side (joints may lie outside);
- `depth` (joints): (Z - Z_root) / Z_root * f_over_side, Z along its axis, `f_over_side` its own focal length over its
  side.

A box inside it that is k times narrower has a focal length over side about k times as large, so its depth is about
k times as large too; exactly: recover Z_j / Z_root = 1 + depth / f_over_side, put the joints back in 3D with
`engine.crop.lift` at any root distance, and let `engine.crop.crop_labels` of the new crop camera see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy import ndarray
from numpy.random import Generator
from torch import Tensor

from engine.crop import crop_px_from_units
from engine.skeleton import BODY25, EXTREMITIES, HEAD_TOP, L_HIP, PELVIS, R_HIP, ROOT, THORAX
from train.synthetic.body import Body, load_body
from train.synthetic.compose import Drawing, cameras, composed, drawn, floor_shadows, sample_of
from train.synthetic.figure import dressed
from train.synthetic.light import lights
from train.synthetic.photograph import photographed
from train.synthetic.plan import Plan, random_plan
from train.synthetic.sources import Sources

# a joint nearer to the lens has no place in the picture
MIN_Z_M = 0.05
# a joint counts as seen when its own body's surface is at most this far in front of it, in body heights
SKIN_DEPTH = 0.07
DEEP_JOINTS = {R_HIP: 0.12, L_HIP: 0.12, PELVIS: 0.14, THORAX: 0.12, HEAD_TOP: 0.08, **dict.fromkeys(EXTREMITIES, 0.03)}


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A rendered crop and what is true in it."""

    image_bgr: UInt8[ndarray, "s s 3"]
    units: Float32[ndarray, "joints 2"]  # of `body25`
    depth: Float32[ndarray, "joints"]
    visible: Bool[ndarray, "joints"]
    f_over_side: float
    root_z_m: float  # distance of the root along the axis


def random_sample(
    rng: Generator, *, size_px: int = 160, sources: Sources | None = None, body: Body | None = None
) -> Synthetic:
    """A random person in a random place. The same generator state gives the same sample."""
    return rendered([random_plan(rng, size_px=size_px, sources=sources or Sources(), body=body or load_body())])[0]


def rendered(plans: Sequence[Plan], *, device: torch.device | str = "cpu") -> list[Synthetic]:
    """The samples of some plans of one size."""
    images, visible = render(plans, device=device)
    seen = zip(images.cpu().numpy(), visible.cpu().numpy(), strict=True)
    return [_sample(plan, image, shown) for plan, (image, shown) in zip(plans, seen, strict=True)]


def _sample(plan: Plan, image_bgr: UInt8[ndarray, "s s 3"], visible: Bool[ndarray, "joints"]) -> Synthetic:
    return Synthetic(
        image_bgr=image_bgr,
        units=plan.units.astype(np.float32),
        depth=plan.depth.astype(np.float32),
        visible=visible,
        f_over_side=plan.view.crop.f_over_side,
        root_z_m=float(_crop_z_m(plan)[ROOT]),
    )


def _crop_z_m(plan: Plan) -> Float64[ndarray, "joints"]:
    R, t = plan.view.crop_from_world()
    return (plan.people[plan.subject].posed.joints @ R.T + t)[:, 2]


@torch.inference_mode()
def render(plans: Sequence[Plan], *, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Pictures (n, s, s, 3) uint8 BGR and joints seen (n, joints) bool of some plans of one size, on the device."""
    size = plans[0].view.crop.size_px
    figures = dressed([replace(who, image=i) for i, p in enumerate(plans) for who in p.people], device=device)
    placed = [p.view.crop_from_world() for p in plans]
    K, R, t = (
        np.stack([p.view.crop.K for p in plans]),
        np.stack([R for R, _ in placed]),
        np.stack([t for _, t in placed]),
    )
    seen_by = cameras(K, R, t, (size, size), device=device)
    drawing = drawn(figures, lights([p.light for p in plans], device), seen_by)
    subject = torch.from_numpy(np.cumsum([0, *(len(p.people) for p in plans[:-1])]) + [p.subject for p in plans])

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, device=device)

    floor_y_m = figures.lowest_m()[subject.to(device)] - column([p.drop_m for p in plans])
    shade = floor_shadows(drawing.shadows, seen_by, floor_y_m) * column([p.shade for p in plans])[:, None, None]
    ground = torch.from_numpy(np.stack([p.background_bgr for p in plans])).to(device).float()
    images = composed(drawing, ground * (1 - shade)[..., None], exposure=column([p.exposure for p in plans]))
    for i, plan in enumerate(plans):
        if plan.laid_over is not None:
            over = torch.from_numpy(plan.laid_over).to(device).float()
            images[i] = images[i] * (1 - over[..., 3:] / 255) + over[..., :3]
    visible = _visible(plans, drawing, subject.to(device))
    return photographed(images, [p.shot for p in plans]), visible


def _visible(plans: Sequence[Plan], drawing: Drawing, subject: Tensor) -> Tensor:
    """Joints (n, joints) inside the crop with nothing but their own limb's skin in front."""
    device, size = subject.device, plans[0].view.crop.size_px
    px = torch.from_numpy(np.stack([crop_px_from_units(p.units, size) for p in plans])).to(device)
    inside = ((px >= -0.5) & (px < size - 0.5)).all(dim=2)
    uncovered = torch.from_numpy(np.stack([p.uncovered for p in plans])).to(device)
    margin = np.array([DEEP_JOINTS.get(j, SKIN_DEPTH) for j in range(len(BODY25))]) * np.array(
        [[p.height_m] for p in plans]
    )
    z_m = np.stack([_crop_z_m(p) for p in plans])
    inside &= torch.from_numpy(z_m > MIN_Z_M).to(device)
    skin_m = torch.from_numpy(z_m - margin).to(device)
    samples = 2 * size * (2 * size - 1)
    wanted = sample_of(px[..., 0], px[..., 1], size, size).clamp(0, samples - 1)
    wanted += torch.arange(len(plans), device=device)[:, None] * samples
    at = drawing.at(wanted, len(plans) * samples)
    if not len(drawing.owner):
        return inside & uncovered
    free = (drawing.owner[at] == subject[:, None]) & (drawing.seen.z[at] > skin_m)
    return inside & uncovered & (free | (at < 0))
