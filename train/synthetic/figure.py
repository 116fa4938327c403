"""Dressed people in the world: many bodies of one mesh, posed, clothed and placed in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from train.synthetic.bake import PART_SKIRT
from train.synthetic.body import Body, Posed, skinned
from train.synthetic.outfit import SHIRT, Outfit
from train.synthetic.render import vertex_normals
from train.synthetic.rig import bone
from train.synthetic.wardrobe import Marks, Wardrobe, body_marks, wardrobe


@dataclass(frozen=True, slots=True)
class Someone:
    """One person of a picture: the posed body, the clothes, where the pelvis joint is, and in which picture."""

    posed: Posed
    outfit: Outfit
    at_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    image: int = 0
    hanging: bool = False  # clothes alone, as on a stand or over a chair: shirt, coat and skirt


@dataclass(frozen=True, slots=True)
class Paint:
    """A body's constants as tensors of one device."""

    fields: Tensor  # (v, 7)
    faces: Tensor  # (f, 3)
    part: Tensor  # (f)
    part_of_vertex: Tensor  # (v)
    lowest: Tensor  # (f) lowest y with hanging limbs
    normals: Tensor  # (v, 3) with hanging limbs
    rest_normals: Tensor  # (v, 3) of the modelled stance
    marks: Marks


@dataclass(frozen=True, slots=True)
class Figures:
    """n dressed people: meshes in the world (y up, metres) and what is painted on them."""

    paint: Paint
    wardrobe: Wardrobe
    points: Tensor  # (n, v, 3)
    normals: Tensor  # (n, v, 3) not unit: bent by folds
    shown: Tensor  # (n, f) faces that the outfit has
    image: Tensor  # (n)

    def lowest_m(self) -> Tensor:
        """Height of each person's lowest point (n)."""
        y = self.points[:, :, 1][:, self.paint.faces].amin(dim=2)
        return torch.where(self.shown, y, torch.inf).amin(dim=1)

    def moved(self, way_m: Tensor) -> Figures:
        """Everybody shifted by `way_m` (n, 3)."""
        return replace(self, points=self.points + way_m[:, None])

    def mesh(self) -> Mesh:
        """All shown faces in one mesh."""
        n, v, _ = self.points.shape
        f = len(self.paint.faces)
        kept = torch.nonzero(self.shown.view(-1))[:, 0]
        owner = torch.div(kept, f, rounding_mode="floor")
        face = kept - owner * f
        return Mesh(self.points.view(n * v, 3), self.paint.faces[face] + (owner * v)[:, None], face, owner)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Faces of several people together."""

    points: Tensor  # (n v, 3)
    faces: Tensor  # (k, 3)
    face: Tensor  # (k) number in the body's mesh
    owner: Tensor  # (k) person


@lru_cache(maxsize=4)
def paint_of(body: Body, device: torch.device | str = "cpu") -> Paint:
    """A body's constants as tensors, made once per body and device."""
    fields, faces = torch.from_numpy(body.fields).to(device), torch.from_numpy(body.faces).to(device)
    hip, neck = (float(body.heads[bone(name), 1]) for name in ("LeftUpLeg", "Neck"))
    return Paint(
        fields=fields,
        faces=faces,
        part=torch.from_numpy(body.part).to(device),
        part_of_vertex=torch.from_numpy(body.part_of_vertex).to(device),
        lowest=fields[faces][:, :, 1].amin(dim=1),
        normals=vertex_normals(fields[None, :, :3], faces)[0],
        rest_normals=vertex_normals(torch.from_numpy(body.vertices).to(device, torch.float32)[None], faces)[0],
        marks=body_marks(body.fields, body.part_of_vertex, hip, neck),
    )


def dressed(people: Sequence[Someone], *, device: torch.device | str = "cpu") -> Figures:
    """The people with clothes on. All have the same body mesh."""
    paint = paint_of(people[0].posed.person.body, device)
    worn = wardrobe([someone.outfit for someone in people], paint.marks, device)
    points, normals = skinned([someone.posed for someone in people], paint.rest_normals, device)
    region, offset_m = worn.over(paint.fields, paint.part_of_vertex)
    at_m = torch.from_numpy(np.array([someone.at_m for someone in people], np.float32)).to(device)
    points = points + normals * offset_m[:, :, None] + at_m[:, None]
    normals = vertex_normals(points, paint.faces) + worn.folds_over(paint.fields, region)
    image = torch.tensor([someone.image for someone in people], device=device)
    hanging = torch.tensor([someone.hanging for someone in people], device=device)
    cloth = ((region == SHIRT) | (paint.part_of_vertex == PART_SKIRT))[:, paint.faces].all(dim=2)
    shown = worn.shown(paint.lowest, paint.part) & (cloth | ~hanging[:, None])
    return Figures(paint, worn, points, normals, shown, image)
