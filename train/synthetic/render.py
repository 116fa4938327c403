"""An exact z-buffer in plain PyTorch: the same code on CPU and CUDA, for any number of images at once.

Points are given in pixels with their inverse depth (x, y, 1 / z); pixel centres are integers. Each face lists the
pixel centres inside its bounding box; every hit becomes a 64-bit key (inverse depth above, face number below), and
one `scatter_reduce` keeps the nearest. Inverse depth is linear on the screen, so it is exact, as are the
perspective-correct weights. `reference.py` holds the slow scalar version that tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# a centre this far outside (in barycentric units) still counts: shared edges leave no cracks in float32
EDGE_TOLERANCE = 1e-5
LOW_BITS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Fragments:
    """The nearest surface at each covered pixel; `pixel` is (image * height + y) * width + x, ascending."""

    pixel: Tensor  # (p) int64
    face: Tensor  # (p) int64
    weight: Tensor  # (p, 3) perspective-correct, of the face's corners
    z: Tensor  # (p) depth along the axis

    def of(self, faces: Tensor, values: Tensor) -> Tensor:
        """Values of vertices (v, k) at the covered pixels."""
        corner = values[faces[self.face]]
        return (corner * self.weight[:, :, None]).sum(dim=1)


def projected(points: Tensor, K: Tensor) -> Tensor:
    """Points in camera axes (..., 3) to pixels and inverse depth; K is a pinhole (3, 3)."""
    inverse = 1.0 / points[..., 2:]
    px = points[..., :2] * inverse * torch.stack([K[0, 0], K[1, 1]]) + K[:2, 2]
    return torch.cat([px, inverse], dim=-1)


def rasterise(
    points: Tensor,
    faces: Tensor,
    *,
    width: int,
    height: int,
    images: int = 1,
    image_of_face: Tensor | None = None,
    two_sided: Tensor | None = None,
) -> Fragments:
    """The nearest face at each pixel centre.

    points (v, 3): x and y in pixels, inverse depth (not positive = behind the camera: such faces are dropped).
    faces (f, 3), seen from outside counter-clockwise; `two_sided` (f) bool also shows their backs.
    `image_of_face` (f) says which of the `images` a face belongs to.
    """
    a, b, c = points[faces].unbind(dim=1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = torch.minimum(torch.minimum(a, b), c)
    high = torch.maximum(torch.maximum(a, b), c)
    edge = torch.tensor([width - 1.0, height - 1.0], device=points.device)
    first = low[:, :2].ceil().clamp_(min=0).minimum(edge + 1)
    span = high[:, :2].floor().minimum(edge) - first + 1
    front = area < 0 if two_sided is None else (area < 0) | (two_sided & (area > 0))
    kept = torch.nonzero(front & (low[:, 2] > 0) & (span > 0).all(dim=1))[:, 0]
    a, b, c, area, first = a[kept], b[kept], c[kept], area[kept], first[kept]
    span = span[kept].long()
    count = span[:, 0] * span[:, 1]
    owner = torch.repeat_interleave(torch.arange(len(kept), device=points.device), count)
    step = torch.arange(len(owner), device=points.device) - (count.cumsum(0) - count)[owner]
    across = span[owner, 0]
    row = torch.div(step, across, rounding_mode="floor")
    # barycentric weights as planes over the screen, measured from each face's first pixel
    u, v = first[:, 0] - a[:, 0], first[:, 1] - a[:, 1]
    ux, uy = (c[:, 1] - a[:, 1]) / area, (a[:, 0] - c[:, 0]) / area
    vx, vy = (a[:, 1] - b[:, 1]) / area, (b[:, 0] - a[:, 0]) / area
    planes = torch.stack([u * ux + v * uy, ux, uy, u * vx + v * vy, vx, vy, a[:, 2], b[:, 2], c[:, 2]], dim=1)
    p = planes[owner]
    dx, dy = (step - row * across).to(points.dtype), row.to(points.dtype)
    wb = p[:, 0] + dx * p[:, 1] + dy * p[:, 2]
    wc = p[:, 3] + dx * p[:, 4] + dy * p[:, 5]
    hit = torch.nonzero((wb > -EDGE_TOLERANCE) & (wc > -EDGE_TOLERANCE) & (wb + wc < 1 + EDGE_TOLERANCE))[:, 0]
    owner, wb, wc, p = owner[hit], wb[hit], wc[hit], p[hit]
    corner = p[:, 6:] * torch.stack([1 - wb - wc, wb, wc], dim=1)
    inverse = corner.sum(dim=1)
    x, y = first[owner, 0] + dx[hit], first[owner, 1] + dy[hit]
    pixel = (y * width + x).long()
    if image_of_face is not None:
        pixel += image_of_face[kept[owner]] * (width * height)
    # positive floats order as their bits do
    key = (inverse.to(torch.float32).view(torch.int32).long() << 32) | (LOW_BITS - kept[owner])
    nearest = torch.zeros(images * height * width, dtype=torch.int64, device=points.device)
    nearest.scatter_reduce_(0, pixel, key, "amax")
    won = torch.nonzero(nearest[pixel] == key)[:, 0]
    order = torch.argsort(pixel[won])
    won = won[order]
    return Fragments(pixel[won], kept[owner[won]], corner[won] / inverse[won, None], 1.0 / inverse[won])


def vertex_normals(points: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted normals of the vertices (v, 3), pointing outward."""
    a, b, c = points[faces].unbind(dim=1)
    n = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(points)
    for corner in range(3):
        normals.index_add_(0, faces[:, corner], n)
    return torch.nn.functional.normalize(normals, dim=1, eps=1e-12)
