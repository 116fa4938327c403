"""A dressed person in the world, and how light falls on people: one sun or lamp with its shadow, and the sky around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from train.synthetic.bake import PART_HAIR, PART_SKIRT
from train.synthetic.body import Body, Posed
from train.synthetic.outfit import SHOES, SKIN, Marks, Outfit, body_marks
from train.synthetic.render import Fragments, projected, rasterise, vertex_normals
from train.synthetic.rig import bone

SHADOW_MAP_PX = 160
SHADOW_BIAS_M = 0.025
GAMMA = 2.2


@dataclass(frozen=True, slots=True)
class Light:
    """A distant lamp over a soft surround. Colours are linear BGR; `toward` points at the lamp (world, y up)."""

    toward: Tensor  # (3) unit
    lamp: Tensor  # (3)
    sky: Tensor  # (3) from above
    ground: Tensor  # (3) from below


@dataclass(frozen=True, slots=True)
class Figure:
    """One dressed person: the mesh in the world (y up, metres) and what is painted on it."""

    body: Body
    outfit: Outfit
    points: Tensor  # (v, 3)
    normals: Tensor  # (v, 3)
    faces: Tensor  # (f, 3) those that this outfit shows
    part: Tensor  # (f)

    def lowest(self) -> float:
        """Height of the lowest point."""
        return float(self.points[torch.unique(self.faces), 1].min())


@dataclass(frozen=True, slots=True)
class Paint:
    """A body's constants as tensors."""

    fields: Tensor
    faces: Tensor
    part: Tensor
    part_of_vertex: Tensor
    lowest: Tensor
    lowest_leg: Tensor
    normals: Tensor
    marks: Marks


_paints: dict[int, tuple[Body, Paint]] = {}


def paint_of(body: Body) -> Paint:
    """A body's constants as tensors, made once per body."""
    held = _paints.get(id(body))
    if held is None or held[0] is not body:
        _paints[id(body)] = held = (body, _paint(body))
    return held[1]


def _paint(body: Body) -> Paint:
    fields, faces = torch.from_numpy(body.fields), torch.from_numpy(body.faces)
    part, part_of_vertex = torch.from_numpy(body.part), torch.from_numpy(body.part_of_vertex)
    hip = body.heads[bone("LeftUpLeg"), 1]
    marks = body_marks(fields, part_of_vertex, float(hip), float(body.heads[bone("Neck"), 1]))
    return Paint(
        fields=fields,
        faces=faces,
        part=part,
        part_of_vertex=part_of_vertex,
        lowest=fields[faces][:, :, 1].amin(dim=1),
        lowest_leg=fields[faces][:, :, 4].amax(dim=1),
        normals=vertex_normals(fields[:, :3].contiguous(), faces),
        marks=marks,
    )


def dressed(posed: Posed, outfit: Outfit, *, at: np.ndarray | tuple = (0.0, 0.0, 0.0)) -> Figure:
    """The person with clothes on, the pelvis joint at `at` in the world."""
    paint = paint_of(posed.person.body)
    points = posed.vertices() + torch.as_tensor(np.asarray(at, np.float32))
    shown = outfit.face_shown(paint.lowest, paint.lowest_leg, paint.part)
    faces = paint.faces[shown]
    normals = vertex_normals(points, faces)
    region = outfit.region(paint.fields, paint.part_of_vertex)
    points = points + normals * outfit.offset_m(paint.fields, region, paint.part_of_vertex)[:, None]
    return Figure(posed.person.body, outfit, points, vertex_normals(points, faces), faces, paint.part[shown])


@dataclass(frozen=True, slots=True)
class ShadowMap:
    """What the lamp sees: how near to it the nearest surface is, along two axes across its rays."""

    axes: Tensor  # (3, 3) rows: across, up, toward the lamp
    low: Tensor  # (3)
    px_per_m: float
    nearness: Tensor  # (n, n)

    def lit(self, points: Tensor) -> Tensor:
        """How much of the lamp reaches each point (p, 3), 0 to 1; the mean of four neighbours softens edges."""
        at = points @ self.axes.T - self.low
        px = at[:, :2] * self.px_per_m
        depth, n = at[:, 2] + 1.0, SHADOW_MAP_PX
        total = torch.zeros(len(points), device=points.device)
        for dx, dy in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
            x, y = (px[:, 0] + dx - 0.5).floor().long(), (px[:, 1] + dy - 0.5).floor().long()
            inside = (x >= 0) & (y >= 0) & (x < n) & (y < n)
            near = self.nearness[y.clamp(0, n - 1), x.clamp(0, n - 1)]
            total += ((near < depth + SHADOW_BIAS_M) | ~inside).float()
        return total / 4


def shadow_map(figures: list[Figure], light: Light) -> ShadowMap:
    """All figures as the lamp sees them."""
    toward = light.toward
    side = torch.linalg.cross(toward, torch.tensor([0.3, 0.2, 0.9]).to(toward))
    side = side / side.norm()
    axes = torch.stack([side, torch.linalg.cross(toward, side), toward])
    points, faces, _ = joined(figures)
    at = points @ axes.T
    low, high = at.amin(dim=0), at.amax(dim=0)
    px_per_m = (SHADOW_MAP_PX - 2) / float((high - low)[:2].max())
    low = low - torch.tensor([1.0, 1.0, 0.0], device=low.device) / px_per_m
    at = at - low
    flat = torch.cat([at[:, :2] * px_per_m, at[:, 2:] + 1.0], dim=1)
    both = torch.ones(len(faces), dtype=torch.bool, device=faces.device)
    seen = rasterise(flat, faces, width=SHADOW_MAP_PX, height=SHADOW_MAP_PX, two_sided=both)
    nearness = torch.zeros(SHADOW_MAP_PX**2, device=points.device)
    nearness[seen.pixel] = 1.0 / seen.z
    return ShadowMap(axes, low, px_per_m, nearness.view(SHADOW_MAP_PX, SHADOW_MAP_PX))


def joined(figures: list[Figure]) -> tuple[Tensor, Tensor, Tensor]:
    """Points and faces of all figures in one mesh, and which figure each face belongs to."""
    starts = np.cumsum([0, *(len(f.points) for f in figures)])
    points = torch.cat([f.points for f in figures])
    faces = torch.cat([f.faces + int(s) for f, s in zip(figures, starts[:-1], strict=True)])
    owner = torch.cat([torch.full((len(f.faces),), i) for i, f in enumerate(figures)])
    return points, faces, owner.to(faces.device)


@dataclass(frozen=True, slots=True)
class Picture:
    """Figures as a camera sees them: linear colour where something is, at which pixel, how deep and whose."""

    fragments: Fragments
    colour: Tensor  # (p, 3) linear BGR
    owner: Tensor  # (p) figure


def picture(
    figures: list[Figure],
    light: Light,
    K: Tensor,
    R_cam_from_world: Tensor,
    t_cam: Tensor,
    *,
    width: int,
    height: int,
    shadows: ShadowMap | None = None,
) -> Picture:
    """Draw the figures. K, R and t of the camera: x_cam = R x_world + t."""
    points, faces, owner = joined(figures)
    part = torch.cat([f.part for f in figures])
    cam = points @ R_cam_from_world.T + t_cam
    loose = (part == PART_SKIRT) | (part == PART_HAIR)
    seen = rasterise(projected(cam, K), faces, width=width, height=height, two_sided=loose)
    who = owner[seen.face]
    colour = torch.zeros((len(who), 3), device=points.device)
    start = 0
    for number, figure in enumerate(figures):
        mine = torch.nonzero(who == number)[:, 0]
        fragments = Fragments(seen.pixel[mine], seen.face[mine] - start, seen.weight[mine], seen.z[mine])
        colour[mine] = _lit_colour(figure, fragments, light, shadows, R_cam_from_world, t_cam)
        start += len(figure.faces)
    return Picture(seen, colour, who)


def _lit_colour(
    figure: Figure, seen: Fragments, light: Light, shadows: ShadowMap | None, R_cam_from_world: Tensor, t_cam: Tensor
) -> Tensor:
    paint, outfit = paint_of(figure.body), figure.outfit
    values = torch.cat([paint.fields, paint.normals, figure.normals, figure.points], dim=1)
    at = seen.of(figure.faces, values)
    fields, rest_normal, normal, place = at[:, :7], at[:, 7:10], at[:, 10:13], at[:, 13:]
    part = figure.part[seen.face]
    region = outfit.region(fields, part)
    albedo = outfit.colour(fields, region, rest_normal).clamp(0, 1) ** GAMMA
    cloth = (region != SKIN) & (region != SHOES)
    folds = torch.stack(
        [outfit.folds.at(fields[:, [1, 2, 0]] * s + o) for s, o in ((9.0, 0.0), (7.0, 3.0), (11.0, 7.0))], dim=1
    )
    normal = normal + folds * (outfit.fold_depth * cloth)[:, None]
    camera = -(t_cam @ R_cam_from_world)
    view = torch.nn.functional.normalize(camera - place, dim=1)
    # the back of a skirt or of hair is lit as its inside
    normal = torch.where(
        ((normal * view).sum(dim=1) < -0.2)[:, None] & ((part == PART_SKIRT) | (part == PART_HAIR))[:, None],
        -normal,
        normal,
    )
    normal = torch.nn.functional.normalize(normal, dim=1)
    facing = (normal @ light.toward).clamp(min=0)
    if shadows is not None:
        facing = facing * shadows.lit(place)
    up = 0.5 + 0.5 * normal[:, 1:2]
    surround = light.sky * up + light.ground * (1 - up)
    half = torch.nn.functional.normalize(view + light.toward, dim=1)
    gloss = torch.where(region == SKIN, 0.06, torch.where(region == SHOES, 0.12, 0.015))
    shine = gloss * (normal * half).sum(dim=1).clamp(min=0) ** 24 * (facing > 0)
    return albedo * (surround + light.lamp * facing[:, None]) + light.lamp * shine[:, None]


def random_light(rng: Generator, tint: np.ndarray | None = None) -> Light:
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
    return Light(*(torch.from_numpy(v.astype(np.float32)) for v in (toward, lamp, sky, ground)))
