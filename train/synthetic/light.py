"""How light falls on people: one sun or lamp with its shadow, and the sky around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from numpy.random import Generator
from torch import Tensor

from train.synthetic.bake import PART_HAIR, PART_SKIRT
from train.synthetic.figure import Figures, Mesh
from train.synthetic.outfit import SHOES, SKIN
from train.synthetic.render import rasterise

SHADOW_MAP_PX = 160
SHADOW_BIAS_M = 0.025
# texels around the people that stay empty
RIM_PX = 3.0
# shine of skin, shoes and everything else
GLOSS = (0.06, 0.12, 0.015)


@dataclass(frozen=True, slots=True)
class Light:
    """A distant lamp over a soft surround. Colours are linear BGR; `toward` points at the lamp (world, y up)."""

    toward: Float32[ndarray, "3"]  # unit
    lamp: Float32[ndarray, "3"]
    sky: Float32[ndarray, "3"]  # from above
    ground: Float32[ndarray, "3"]  # from below


@dataclass(frozen=True, slots=True)
class Lights:
    """The lights of several pictures, each (images, 3)."""

    toward: Tensor
    lamp: Tensor
    sky: Tensor
    ground: Tensor


def lights(of_images: Sequence[Light], device: torch.device | str = "cpu") -> Lights:
    """Lights side by side."""
    parts = (np.stack([getattr(light, name) for light in of_images]) for name in ("toward", "lamp", "sky", "ground"))
    return Lights(*(torch.from_numpy(part).to(device) for part in parts))


def random_light(rng: Generator, tint: ndarray | None = None) -> Light:
    """A natural light: from above, lamp and surround in any ratio; `tint` (3) is the linear mean colour around."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 1.45)
    toward = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    share = rng.beta(2.0, 1.6)
    warm = rng.normal(0, 0.06)
    lamp = np.array([1 - warm * 1.5, 1.0, 1 + warm]) * share * 1.25
    sky = np.array([1 + warm, 1.0, 1 - warm]) * (1 - share) * 1.1 + 0.06
    if tint is not None:
        mean = tint / max(float(tint.mean()), 1e-3)
        sky = sky * (0.55 + 0.45 * np.clip(mean, 0.4, 2.0))
    ground = sky * rng.uniform(0.3, 0.9)
    return Light(*(v.astype(np.float32) for v in (toward, lamp, sky, ground)))


@dataclass(frozen=True, slots=True)
class ShadowMaps:
    """What each picture's lamp sees: how near to it the nearest surface is."""

    from_world: Tensor  # (images, 3, 4): place to map pixels, and nearness to the lamp in metres plus 1
    vertices: Tensor  # (n v, 3) the people's places in their maps
    nearness: Tensor  # (images n n) -inf where nothing is

    def lit(self, at: Tensor, image: Tensor, *, soft: bool = True) -> Tensor:
        """How much of the lamp reaches places (p, 3) in the map of picture `image` (p), 0 ... 1; soft: four texels."""
        n, depth = SHADOW_MAP_PX, at[:, 2] + SHADOW_BIAS_M
        # an empty rim lets everything outside be lit
        first = (at[:, :2] - 0.5 if soft else at[:, :2] + 0.5).floor().clamp_(0, n - 2).long()
        corner = image * (n * n) + first[:, 1] * n + first[:, 0]
        total = torch.zeros_like(depth)
        steps = (0, 1, n, n + 1) if soft else (0,)
        for step in steps:
            total += self.nearness.index_select(0, corner + step) < depth
        return total / len(steps)


def shadow_maps(figures: Figures, mesh: Mesh, of_images: Lights) -> ShadowMaps:
    """All people as the lamps of their pictures see them."""
    toward = of_images.toward
    images = len(toward)
    side = torch.nn.functional.normalize(torch.linalg.cross(toward, toward.new_tensor([0.3, 0.2, 0.9])[None]), dim=1)
    axes = torch.stack([side, -torch.linalg.cross(toward, side), toward], dim=1)  # across, down, toward the lamp
    at = figures.points @ axes[figures.image].transpose(1, 2)  # (n, v, 3)
    low, high = (_of_images(at, figures.image, images, way) for way in ("amin", "amax"))
    px_per_m = (SHADOW_MAP_PX - 1 - 2 * RIM_PX) / (high - low)[:, :2].amax(dim=1).clamp(min=1e-3)
    scale = torch.stack([px_per_m, px_per_m, torch.ones_like(px_per_m)], dim=1)
    shift = toward.new_tensor([RIM_PX, RIM_PX, 1.0]) - low * scale
    vertices = (at * scale[figures.image][:, None] + shift[figures.image][:, None]).view(-1, 3)
    part = figures.paint.part[mesh.face]
    seen = rasterise(
        vertices,
        mesh.faces,
        width=SHADOW_MAP_PX,
        height=SHADOW_MAP_PX,
        images=images,
        image_of_face=figures.image[mesh.owner],
        two_sided=(part == PART_SKIRT) | (part == PART_HAIR),
    )
    nearness = torch.full((images * SHADOW_MAP_PX**2,), -torch.inf, device=at.device)
    nearness[seen.pixel] = 1.0 / seen.z
    return ShadowMaps(torch.cat([axes * scale[:, :, None], shift[:, :, None]], dim=2), vertices, nearness)


def _of_images(at: Tensor, image: Tensor, images: int, way: str) -> Tensor:
    """Lowest or highest coordinates (images, 3) of the people of each picture; those of an empty one are 0."""
    own = at.amin(dim=1) if way == "amin" else at.amax(dim=1)
    out = torch.zeros((images, 3), device=at.device)
    return out.scatter_reduce(0, image[:, None].expand(-1, 3), own, way, include_self=False)


def lit_colour(
    *,
    albedo: Tensor,
    region: Tensor,
    loose: Tensor,
    normal: Tensor,
    to_lens: Tensor,
    light: Lights,
    reached: Tensor,
) -> Tensor:
    """Linear colour of p points with unit directions `to_lens`; `reached` (p) is how much of the lamp comes there.

    The back of loose cloth and hair is lit as its inside. The fields of `light` are (p, 3).
    """
    back = ((normal * to_lens).sum(dim=1) < -0.2) & loose
    normal = torch.nn.functional.normalize(torch.where(back[:, None], -normal, normal), dim=1)
    facing = (normal * light.toward).sum(dim=1).clamp(min=0) * reached
    up = 0.5 + 0.5 * normal[:, 1:2]
    surround = light.ground + (light.sky - light.ground) * up
    half = torch.nn.functional.normalize(to_lens + light.toward, dim=1)
    gloss = torch.where(region == SKIN, GLOSS[0], torch.where(region == SHOES, GLOSS[1], GLOSS[2]))
    bright = (normal * half).sum(dim=1).clamp(min=0)
    for _ in range(3):
        bright = bright * bright
    shine = gloss * bright**3 * (facing > 0)  # to the power of 24
    return albedo * (surround + light.lamp * facing[:, None]) + light.lamp * shine[:, None]
