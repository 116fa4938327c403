"""People drawn by cameras, the shadows that they throw, and both laid over pictures of places; many pictures at once.

Each pixel has two samples, at (-1/4, -1/4) and (1/4, 1/4) of its centre: as smooth on upright and level edges as a
2 x 2 grid at half the cost. In axes turned by 45 degrees, m = x + y + 1/2 and n = y - x, these samples are all the
whole numbers, so the rasteriser draws them as the pixels of one turned picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from torch import Tensor

from train.synthetic.bake import PART_HAIR, PART_SKIRT
from train.synthetic.fabric import GAMMA
from train.synthetic.figure import Figures, Mesh
from train.synthetic.light import Lights, ShadowMaps, lit_colour, shadow_maps
from train.synthetic.render import Fragments, projected, rasterise

# floor further away than this gets no shadow: the map is coarse there
FLOOR_REACH_M = 40.0
FLOOR_SOFT_PX = 1.2  # at half size


@dataclass(frozen=True, slots=True)
class Cameras:
    """The cameras of several pictures of one size, x_cam = R x_world + t; `dist` is k1 k2 p1 p2 k3 of OpenCV."""

    K: Tensor  # (images, 3, 3)
    R: Tensor  # (images, 3, 3)
    t: Tensor  # (images, 3)
    width: int
    height: int
    dist: Tensor | None = None  # (images, 5)

    @property
    def lens(self) -> Tensor:
        """Centres in the world (images, 3)."""
        return -(self.t[:, None] @ self.R)[:, 0]


def cameras(
    K: Float64[ndarray, "n 3 3"],
    R: Float64[ndarray, "n 3 3"],
    t: Float64[ndarray, "n 3"],
    size_px: tuple[int, int],
    *,
    dist: Float64[ndarray, "n 5"] | None = None,
    device: torch.device | str = "cpu",
) -> Cameras:
    """Cameras as tensors."""

    def tensor(values: ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(device)

    return Cameras(tensor(K), tensor(R), tensor(t), *size_px, None if dist is None else tensor(dist))


@dataclass(frozen=True, slots=True)
class Drawing:
    """People as the cameras see them, sample by sample."""

    seen: Fragments  # of the turned picture, those inside the pictures
    image: Tensor  # (p)
    pixel: Tensor  # (p) y * width + x
    owner: Tensor  # (p) person
    colour: Tensor  # (p, 3) linear BGR
    shadows: ShadowMaps

    def at(self, samples: Tensor, total: int) -> Tensor:
        """Which fragment each of some samples, of `total` in all turned pictures, shows; -1 where nobody is."""
        which = torch.full((total,), -1, dtype=torch.int32, device=self.pixel.device)
        which[self.seen.pixel] = torch.arange(len(self.pixel), dtype=torch.int32, device=self.pixel.device)
        return which[samples].long()


def drawn(figures: Figures, of_images: Lights, seen_by: Cameras) -> Drawing:
    """Draw the people of several pictures."""
    mesh = figures.mesh()
    shadows = shadow_maps(figures, mesh, of_images)
    seen, image, pixel = _fragments(figures, mesh, seen_by)
    owner = mesh.owner[seen.face]
    colour = _colour(figures, mesh, seen, owner, image, of_images, seen_by, shadows)
    return Drawing(seen, image, pixel, owner, colour, shadows)


def _fragments(figures: Figures, mesh: Mesh, seen_by: Cameras) -> tuple[Fragments, Tensor, Tensor]:
    """What each sample sees, in which picture, at which pixel."""
    width, height = seen_by.width, seen_by.height
    R, t, K = (m[figures.image] for m in (seen_by.R, seen_by.t, seen_by.K))
    cam = figures.points @ R.transpose(1, 2) + t[:, None]
    dist = None if seen_by.dist is None else seen_by.dist[figures.image]
    x, y, inverse = projected(cam, K, dist=dist).unbind(dim=2)
    turned = torch.stack([x + y + 0.5, y - x + (width - 1), inverse], dim=2)
    part = figures.paint.part[mesh.face]
    across, down = width + height, width + height - 1
    seen = rasterise(
        turned.view(-1, 3),
        mesh.faces,
        width=across,
        height=down,
        images=len(seen_by.K),
        image_of_face=figures.image[mesh.owner],
        two_sided=(part == PART_SKIRT) | (part == PART_HAIR),
    )
    row = torch.div(seen.pixel, across, rounding_mode="floor")
    image = torch.div(row, down, rounding_mode="floor")
    m, n = seen.pixel - row * across, row - image * down - (width - 1)
    x, y = (m - n) >> 1, (m + n) >> 1
    inside = torch.nonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))[:, 0]
    return seen.take(inside), image[inside], y[inside] * width + x[inside]


def sample_of(x: Tensor, y: Tensor, width: int, height: int) -> Tensor:
    """The number in the turned picture of the sample nearest to each place in pixels."""
    m, n = (x + y + 0.5).round().long(), (y - x).round().long() + (width - 1)
    return n * (width + height) + m


def _colour(
    figures: Figures,
    mesh: Mesh,
    seen: Fragments,
    owner: Tensor,
    image: Tensor,
    of_images: Lights,
    seen_by: Cameras,
    shadows: ShadowMaps,
) -> Tensor:
    paint, worn = figures.paint, figures.wardrobe
    n, v, _ = figures.points.shape
    painted = torch.cat([paint.fields[:, :6], paint.normals], dim=1).expand(n, v, 9)
    values = torch.cat([painted, figures.normals, figures.points, shadows.vertices.view(n, v, 3)], dim=2)
    values = seen.of(mesh.faces, values.view(n * v, 18))
    fields, rest_normal, normal, place, in_map = values.split([6, 3, 3, 3, 3], dim=1)
    part = paint.part[mesh.face[seen.face]]
    region = worn.region(owner, fields, part)
    return lit_colour(
        albedo=worn.colour(owner, fields, region, rest_normal),
        region=region,
        loose=(part == PART_SKIRT) | (part == PART_HAIR),
        normal=normal,
        to_lens=torch.nn.functional.normalize(seen_by.lens[image] - place, dim=1),
        light=Lights(of_images.toward[image], of_images.lamp[image], of_images.sky[image], of_images.ground[image]),
        reached=shadows.lit(in_map, image),
    )


def floor_shadows(shadows: ShadowMaps, seen_by: Cameras, floor_y_m: Tensor, rays: Tensor | None = None) -> Tensor:
    """How much of the lamp the floor behind each pixel does not get (images, h, w), found at half size and softened.

    `floor_y_m` (images); `rays` are `half_size_rays` of the cameras, made here where they are not given.
    """
    rays = half_size_rays(seen_by) if rays is None else rays
    rows, columns = rays.shape[1:3]
    directions = (rays.view(len(rays), -1, 3) @ seen_by.R).view(-1, 3)
    image = torch.arange(len(rays), device=rays.device).repeat_interleave(rows * columns)
    lens = seen_by.lens
    reach = ((floor_y_m - lens[:, 1])[image]) / directions[:, 1]
    hit = torch.nonzero((reach > 0) & (reach < FLOOR_REACH_M))[:, 0]
    to_map, start = shadows.from_world.split([3, 1], dim=2)
    start = (to_map @ lens[:, :, None] + start)[:, :, 0]
    along = (directions.view(len(rays), -1, 3) @ to_map.transpose(1, 2)).view(-1, 3)
    image = image[hit]
    places = torch.addcmul(start[image], along[hit], reach[hit, None])
    shadow = torch.zeros(len(directions), device=rays.device)
    shadow[hit] = 1.0 - shadows.lit(places, image, soft=False)
    soft = _softened(shadow.view(len(rays), 1, rows, columns))
    size = (seen_by.height, seen_by.width)
    return torch.nn.functional.interpolate(soft, size=size, mode="bilinear", align_corners=False)[:, 0]


def half_size_rays(seen_by: Cameras) -> Tensor:
    """Directions in camera axes (images, h / 2, w / 2, 3) of the middle of every second pixel and its neighbours."""
    device = seen_by.K.device
    x = torch.arange(seen_by.width // 2, device=device) * 2 + 0.5
    y = torch.arange(seen_by.height // 2, device=device) * 2 + 0.5
    K = seen_by.K[:, :, :, None, None]
    u = (x[None, None, :] - K[:, 0, 2]) / K[:, 0, 0]
    v = (y[None, :, None] - K[:, 1, 2]) / K[:, 1, 1]
    u, v = torch.broadcast_tensors(u, v)
    return torch.stack([u, v, torch.ones_like(u)], dim=3)


def _softened(shadow: Tensor) -> Tensor:
    reach = torch.arange(-3, 4, device=shadow.device)
    kernel = torch.exp(-0.5 * (reach / FLOOR_SOFT_PX) ** 2)
    kernel = kernel / kernel.sum()
    across = torch.nn.functional.conv2d(shadow, kernel.view(1, 1, 1, 7), padding=(0, 3))
    return torch.nn.functional.conv2d(across, kernel.view(1, 1, 7, 1), padding=(3, 0))


def composed(drawing: Drawing, background: Tensor, *, exposure: Tensor) -> Tensor:
    """The people over backgrounds (images, h, w, 3) in 0 ... 255, in the colours that the eye sees.

    `exposure` (images) is a factor on the people's light.
    """
    images, height, width, _ = background.shape
    layer = torch.zeros((images * height * width, 4), device=background.device)
    half = torch.full((len(drawing.pixel), 4), 0.5, device=background.device)
    light = (drawing.colour * exposure[drawing.image, None]).clamp_(0, 1)
    half[:, :3] = light ** (1 / GAMMA) * (255 * 0.5)
    layer.index_add_(0, drawing.image * (height * width) + drawing.pixel, half)
    layer = layer.view(images, height, width, 4)
    return layer[..., :3] + background * (1 - layer[..., 3:])
