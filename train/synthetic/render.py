"""An exact z-buffer in plain PyTorch: the same code on CPU and CUDA, for any number of images at once.

Points are given in pixels with their inverse depth (x, y, 1 / z); pixel centres are integers. Each face lists its rows,
each row its pixel centres between two edges; every centre becomes a 64-bit key (inverse depth above, face number
below), and one `scatter_reduce` keeps the nearest. Inverse depth is linear on the screen, so it is exact, as are the
perspective-correct weights. `reference.py` holds the slow scalar version that tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# a centre this far outside (in barycentric units) still counts: shared edges leave no cracks in float32
EDGE_TOLERANCE = 1e-5
LOW_BITS = (1 << 32) - 1
# an edge whose weight grows less than this along a row counts as level
LEVEL = 1e-12


@dataclass(frozen=True, slots=True)
class Fragments:
    """The nearest surface at each covered pixel; `pixel` is (image * height + y) * width + x, each at most once."""

    pixel: Tensor  # (p) int64
    face: Tensor  # (p) int64
    weight: Tensor  # (p, 3) perspective-correct, of the face's corners
    z: Tensor  # (p) depth along the axis

    def of(self, faces: Tensor, values: Tensor) -> Tensor:
        """Values of vertices (v, k) at the covered pixels."""
        corner = faces.index_select(0, self.face)
        out = values.index_select(0, corner[:, 0]) * self.weight[:, :1]
        out.addcmul_(values.index_select(0, corner[:, 1]), self.weight[:, 1:2])
        return out.addcmul_(values.index_select(0, corner[:, 2]), self.weight[:, 2:])

    def take(self, chosen: Tensor) -> Fragments:
        """Some of the fragments, by number."""
        return Fragments(*(m.index_select(0, chosen) for m in (self.pixel, self.face, self.weight, self.z)))


def projected(points: Tensor, K: Tensor, *, dist: Tensor | None = None) -> Tensor:
    """Points in camera axes (n, v, 3) of n pinholes K (n, 3, 3) to pixels and inverse depth.

    `dist` (n, 5) bends them as OpenCV's k1 k2 p1 p2 k3 do. A point so far outside that the lens's model folds it back
    into the picture gets an inverse depth of -1, like one behind the camera.
    """
    inverse = 1.0 / points[..., 2]
    x, y = points[..., 0] * inverse, points[..., 1] * inverse
    if dist is not None:
        x, y, sane = _distorted(x, y, dist)
        inverse = torch.where(sane, inverse, -1.0)
    fx, fy, cx, cy = (K[:, i, j, None] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return torch.stack([x * fx + cx, y * fy + cy, inverse], dim=-1)


def _distorted(x: Tensor, y: Tensor, dist: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised image coordinates through the Brown model, and whether the radius still grows there."""
    k1, k2, p1, p2, k3 = dist[:, :, None].unbind(dim=1)
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    grows = 1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3)) > 0.05
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return bent_x, bent_y, grows


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
    a, b, c = (points.index_select(0, faces[:, corner]) for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    front = area < 0 if two_sided is None else (area < 0) | (two_sided & (area > 0))
    kept = torch.nonzero(front & (torch.minimum(torch.minimum(a[:, 2], b[:, 2]), c[:, 2]) > 0))[:, 0]
    a, b, c, area = (m.index_select(0, kept) for m in (a, b, c, area))
    rows = _rows(a, b, c, area, width=width, height=height)
    row, step = _counted(rows.count)
    face, x = rows.face.index_select(0, row), rows.first.index_select(0, row) + step
    wb, wbx, wc, wcx = rows.weights.index_select(0, row).unbind(dim=1)
    wb, wc = wb + step * wbx, wc + step * wcx
    inverses = torch.stack([a[:, 2], b[:, 2], c[:, 2]], dim=1)
    corner = inverses.index_select(0, face) * torch.stack([1 - wb - wc, wb, wc], dim=1)
    inverse = corner.sum(dim=1)
    pixel, number = rows.y.index_select(0, row) * width + x, kept.index_select(0, face)
    if image_of_face is not None:
        pixel += image_of_face.index_select(0, number) * (width * height)
    # positive floats order as their bits do
    key = (inverse.to(torch.float32).view(torch.int32).long() << 32) | (LOW_BITS - number)
    nearest = torch.zeros(images * height * width, dtype=torch.int64, device=points.device)
    nearest.scatter_reduce_(0, pixel, key, "amax")
    won = torch.nonzero(nearest.index_select(0, pixel) == key)[:, 0]
    pixel, number, corner, inverse = (m.index_select(0, won) for m in (pixel, number, corner, inverse))
    return Fragments(pixel, number, corner / inverse[:, None], 1.0 / inverse)


@dataclass(frozen=True, slots=True)
class Rows:
    """Stretches of pixel centres, each inside one face and one row of the picture."""

    face: Tensor  # (r)
    y: Tensor  # (r) int64
    first: Tensor  # (r) int64, x
    count: Tensor  # (r) int64, may be 0
    weights: Tensor  # (r, 4) at `first`: of corner b, its growth along x, of corner c, its growth


def _rows(a: Tensor, b: Tensor, c: Tensor, area: Tensor, *, width: int, height: int) -> Rows:
    """What faces with corners a, b, c (f, 3) and twice the area `area` cover.

    A weight is a plane over the screen, w0 + x wx + y wy, measured from near the face; it is negative beyond the edge
    opposite to its corner, so each edge bounds the stretch of a row on one side.
    """
    low, high = torch.minimum(torch.minimum(a, b), c), torch.maximum(torch.maximum(a, b), c)
    left, top = low[:, 0].ceil().clamp_(0, width), low[:, 1].ceil().clamp_(0, height)
    across = high[:, 0].floor().clamp_(-1, width - 1) - left
    down = high[:, 1].floor().clamp_(-1, height - 1) - top
    u, v = left - a[:, 0], top - a[:, 1]
    ux, uy = (c[:, 1] - a[:, 1]) / area, (a[:, 0] - c[:, 0]) / area
    vx, vy = (a[:, 1] - b[:, 1]) / area, (b[:, 0] - a[:, 0]) / area
    planes = torch.stack([u * ux + v * uy, ux, uy, u * vx + v * vy, vx, vy, left, top, across], dim=1)
    face, step = _counted(torch.where(across >= 0, down + 1, 0).clamp_(min=0).long())
    wb, wbx, wby, wc, wcx, wcy, left, top, last = planes.index_select(0, face).unbind(dim=1)
    wb, wc = wb + step * wby, wc + step * wcy
    first = torch.zeros_like(last)
    for weight, growth in ((wb, wbx), (wc, wcx), (1 - wb - wc, -wbx - wcx)):
        growth = torch.where(growth.abs() < LEVEL, LEVEL, growth)
        bound = -(weight + EDGE_TOLERANCE) / growth
        first = torch.where(growth > 0, torch.maximum(first, bound), first)
        last = torch.where(growth > 0, last, torch.minimum(last, bound))
    first = first.ceil()
    count = (last.floor() - first + 1).clamp_(min=0).long()
    weights = torch.stack([wb + first * wbx, wbx, wc + first * wcx, wcx], dim=1)
    return Rows(face, (top + step).long(), (left + first).long(), count, weights)


def _counted(count: Tensor) -> tuple[Tensor, Tensor]:
    """For each of `count` (n) copies of 0 ... n - 1: which one, and how many came before it."""
    which = torch.repeat_interleave(count)
    before = (count.cumsum(0) - count).index_select(0, which)
    return which, torch.arange(len(which), device=count.device) - before


def vertex_normals(points: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals of the vertices (n, v, 3) of n meshes with the same faces, pointing outward."""
    n, v, _ = points.shape
    start = torch.arange(n, device=faces.device)[:, None] * v
    corners = [(faces[:, corner] + start).view(-1) for corner in range(3)]
    a, b, c = (points.reshape(-1, 3).index_select(0, corner) for corner in corners)
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros((n * v, 3), device=points.device)
    for corner in corners:
        total.index_add_(0, corner, normal)
    return torch.nn.functional.normalize(total, dim=1, eps=1e-12).view(n, v, 3)
