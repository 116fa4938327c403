"""A made-up room with things along its walls, the same in every camera's view: traced once for each camera.

World: y up, floor at y = 0, the middle of the room at x = z = 0. Everything is a box: the room one seen from inside,
furniture, doors, windows and pictures on the walls others seen from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy import ndarray
from numpy.random import Generator

from calib.camera import Camera
from train.synthetic.fabric import cloth_colour
from train.synthetic.sources import procedural_background

SUPERSAMPLE = 2
TEXTURE_PX = 256
# faces of a box: across x, y, z, each at its low and high end
FACES = 6
CORNER_SHADE, CORNER_REACH_M = 0.3, 0.35
# light that each pair of faces gets: walls across x, floor and ceiling, walls across z
FACE_LIGHT = (0.86, 0.97, 1.0)


@dataclass(frozen=True, slots=True)
class Surface:
    """What a face looks like: a picture in tiles of a size, or stretched over the whole face (tile 0)."""

    texture_bgr: UInt8[ndarray, "t t 3"]
    tile_m: float


@dataclass(frozen=True, slots=True)
class Block:
    """A box from `low` to `high`; a room is one that is seen from inside."""

    low: Float64[ndarray, "3"]
    high: Float64[ndarray, "3"]
    surfaces: Sequence[Surface]  # FACES

    def hit(
        self, lens: Float64[ndarray, "3"], rays: Float32[ndarray, "n 3"], *, inside: bool
    ) -> tuple[Float32[ndarray, "n"], ndarray]:
        """How far along each ray the box is met (inf: not at all), and on which axis."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = [(side - lens).astype(np.float32) / rays for side in (self.low, self.high)]
        near, far = np.minimum(*ends), np.maximum(*ends)
        if inside:
            return far.min(axis=1), far.argmin(axis=1)
        reach = near.max(axis=1)
        met = (reach <= far.min(axis=1)) & (reach > 0)
        return np.where(met, reach, np.inf).astype(np.float32), near.argmax(axis=1)

    def colour(self, places: Float32[ndarray, "n 3"], axis: ndarray) -> Float32[ndarray, "n 3"]:
        """BGR of places on its faces."""
        out = np.empty((len(places), 3), np.float32)
        middle = (self.low + self.high) / 2
        for face in range(FACES):
            across = face // 2
            mine = np.flatnonzero((axis == across) & ((places[:, across] > middle[across]) == bool(face % 2)))
            if not len(mine):
                continue
            right, up = (2, 1) if across == 0 else (0, 2) if across == 1 else (0, 1)
            at = places[mine][:, [right, up]] - self.low[[right, up]]
            size = (self.high - self.low)[[right, up]]
            surface = self.surfaces[face]
            u, v = (at / (surface.tile_m or size)).T
            out[mine] = _looked_up(surface.texture_bgr, u, 1.0 - v) * FACE_LIGHT[across]
        return out


@dataclass(frozen=True, slots=True)
class Seen:
    """The empty room as one camera sees it."""

    image_bgr: UInt8[ndarray, "h w 3"]
    depth_m: Float32[ndarray, "h w"]  # along the axis, at pixel centres
    floor: Bool[ndarray, "h w"]


@dataclass(frozen=True, slots=True)
class Interior:
    """The room first, then what stands in it."""

    blocks: Sequence[Block]

    def seen_by(self, camera: Camera) -> Seen:
        """The room traced for a camera inside it, whose world is this one; lens distortion included."""
        width, height = camera.width, camera.height
        image, depth, floor = [], [], []
        step = max(2**20 // (width * SUPERSAMPLE**2), 1)
        for top in range(0, height, step):
            part = self._traced(camera, top, min(step, height - top))
            for held, rows in zip((image, depth, floor), part, strict=True):
                held.append(rows)
        return Seen(np.concatenate(image), np.concatenate(depth), np.concatenate(floor))

    def _traced(self, camera: Camera, top: int, rows: int) -> tuple[ndarray, ndarray, ndarray]:
        width, n = camera.width, SUPERSAMPLE
        column, row = np.meshgrid(np.arange(width * n), np.arange(rows * n))
        px = (np.column_stack([column.ravel(), row.ravel()]) + 0.5) / n - 0.5 + (0, top)
        rays = np.column_stack([camera.rays(px), np.ones(len(px))])
        directions = (rays @ camera.R).astype(np.float32)
        lens = camera.center_world_m
        reach, axis = self.blocks[0].hit(lens, directions, inside=True)
        which = np.zeros(len(px), np.int64)
        for number, block in enumerate(self.blocks[1:], 1):
            there, side = block.hit(lens, directions, inside=False)
            nearer = there < reach
            reach, axis = np.where(nearer, there, reach), np.where(nearer, side, axis)
            which[nearer] = number
        places = lens.astype(np.float32) + directions * reach[:, None]
        colour = np.empty((len(px), 3), np.float32)
        for number, block in enumerate(self.blocks):
            mine = np.flatnonzero(which == number)
            if len(mine):
                colour[mine] = block.colour(places[mine], axis[mine])
        colour *= self._corner_shade(places, which, axis)[:, None]
        floor = (which == 0) & (axis == 1) & (places[:, 1] < 0.01)
        size = (width, rows)
        small = cv2.resize(colour.reshape(rows * n, width * n, 3), size, interpolation=cv2.INTER_AREA)
        image = np.clip(small + 0.5, 0, 255).astype(np.uint8)
        # rays have length 1 along the axis, so their reach is the depth
        grid = (rows * n, width * n)
        return image, reach.reshape(grid)[::n, ::n], floor.reshape(grid)[::n, ::n]

    def _corner_shade(self, places: ndarray, which: ndarray, axis: ndarray) -> Float32[ndarray, "n"]:
        """Corners of a room are darker, and so is the floor at the foot of things."""
        room = self.blocks[0]
        away = np.minimum(places - room.low, room.high - places)
        away[np.arange(len(away)), axis] = np.inf
        nearest = np.where(which == 0, away.min(axis=1), np.inf)
        for block in self.blocks[1:]:
            if block.low[1] < 0.05:
                beside = np.maximum(np.maximum(block.low - places, places - block.high), 0)
                nearest = np.where(which == 0, np.minimum(nearest, np.linalg.norm(beside, axis=1)), nearest)
        return (1.0 - CORNER_SHADE * np.exp(-nearest / CORNER_REACH_M)).astype(np.float32)


def random_interior(
    rng: Generator, *, clear_m: float, textures: Sequence[ndarray] = (), photos: Sequence[ndarray] = ()
) -> Interior:
    """A room whose furniture keeps `clear_m` around the middle free; photos hang on its walls."""
    half = np.array([rng.uniform(clear_m + 0.7, clear_m + 1.8), 0.0, rng.uniform(clear_m + 0.7, clear_m + 1.8)])
    height = rng.uniform(2.4, 3.0)
    wall, ceiling = (_paint(rng, rng.uniform(150, 235), textures) for _ in range(2))
    other = _paint(rng, rng.uniform(90, 220), textures) if rng.random() < 0.4 else wall
    floor = Surface(_boards(rng) if rng.random() < 0.6 else _cloth(rng, textures), rng.uniform(0.8, 2.2))
    room = Block(-half, half + np.array([0.0, height, 0.0]), (wall, other, floor, ceiling, wall, wall))
    blocks = [room]
    for _ in range(int(rng.integers(4, 9))):
        blocks.append(_furniture(rng, half, clear_m, textures))
    for _ in range(int(rng.integers(3, 8))):
        blocks.append(_on_wall(rng, half, height, photos))
    return Interior(tuple(blocks))


def _furniture(rng: Generator, half: ndarray, clear_m: float, textures: Sequence[ndarray]) -> Block:
    """Something along a wall, sometimes high."""
    depth, length = rng.uniform(0.25, 0.7), rng.uniform(0.4, 1.8)
    tall = rng.uniform(0.35, 1.0) if rng.random() < 0.65 else rng.uniform(1.4, 2.1)
    axis, side = int(rng.choice([0, 2])), rng.choice([-1, 1])
    low, high = np.zeros(3), np.zeros(3)
    along = 2 - axis
    at = rng.uniform(-half[along], half[along] - min(length, half[along]))
    low[along], high[along] = at, min(at + length, half[along])
    ends = sorted((side * half[axis], side * max(half[axis] - depth, clear_m)))
    low[axis], high[axis] = ends
    high[1] = tall
    face = Surface(_cloth(rng, textures), rng.uniform(0.4, 1.5))
    front = Surface(_drawers(rng), 0.0) if rng.random() < 0.5 else face
    return Block(low, high, (front, front, face, face, front, front))


def _on_wall(rng: Generator, half: ndarray, height: float, photos: Sequence[ndarray]) -> Block:
    """A picture, a window or a door: a thin box on a wall."""
    axis, side = int(rng.choice([0, 2])), rng.choice([-1, 1])
    along = 2 - axis
    door = rng.random() < 0.2
    size = np.array([0.9, 2.0]) if door else rng.uniform((0.35, 0.3), (1.5, 1.2))
    bottom = 0.0 if door else rng.uniform(0.9, max(height - size[1] - 0.15, 0.95))
    at = rng.uniform(-half[along] + 0.1, half[along] - size[0] - 0.1)
    low, high = np.zeros(3), np.zeros(3)
    low[along], high[along] = at, at + size[0]
    low[1], high[1] = bottom, min(bottom + size[1], height - 0.02)
    low[axis], high[axis] = sorted((side * half[axis], side * (half[axis] - 0.03)))
    inner = _drawers(rng) if door else _hung(rng, photos)
    return Block(low, high, (Surface(inner, 0.0),) * FACES)


def _looked_up(texture: UInt8[ndarray, "t t 3"], u: ndarray, v: ndarray) -> ndarray:
    """Bilinear, in tiles."""
    n = len(texture)
    x, y = (u % 1.0) * n - 0.5, (v % 1.0) * n - 0.5
    left, top = np.floor(x), np.floor(y)
    dx, dy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    left, top = left.astype(int), top.astype(int)
    a, b = texture[top % n, left % n], texture[top % n, (left + 1) % n]
    c, d = texture[(top + 1) % n, left % n], texture[(top + 1) % n, (left + 1) % n]
    return (a * (1 - dx) + b * dx) * (1 - dy) + (c * (1 - dx) + d * dx) * dy


def _paint(rng: Generator, level: float, textures: Sequence[ndarray]) -> Surface:
    """A wall: rough paint, stripes of a wallpaper, or a pale texture."""
    tint = level * (1 + rng.normal(0, 0.05, 3))
    grain = _grain(rng, rng.uniform(2, 7))
    if rng.random() < 0.25 and len(textures):
        photo = _squared(textures[int(rng.integers(len(textures)))]).astype(np.float32)
        image = tint + (photo - photo.mean()) * rng.uniform(0.15, 0.5)
    elif rng.random() < 0.3:
        stripe = (np.arange(TEXTURE_PX) // int(rng.integers(8, 40)) % 2)[None, :, None]
        image = tint * (1 - rng.uniform(0.04, 0.15) * stripe) + grain
    else:
        image = tint + grain
    return Surface(np.clip(image, 0, 255).astype(np.uint8), rng.uniform(1.0, 2.5))


def _boards(rng: Generator) -> UInt8[ndarray, "t t 3"]:
    """Wooden boards."""
    count, base = int(rng.integers(4, 9)), np.array([0.45, 0.65, 0.85]) * rng.uniform(90, 230)
    board = np.arange(TEXTURE_PX) * count // TEXTURE_PX
    tone = rng.normal(1, 0.08, (count, 2))
    start = rng.integers(0, TEXTURE_PX, count)
    half = ((np.arange(TEXTURE_PX)[None, :] + start[board][:, None]) // (TEXTURE_PX // 2)) % 2
    image = base * tone[board[:, None], half][..., None] + _grain(rng, 5)
    image[np.flatnonzero(np.diff(board))] *= 0.7
    image[half != np.roll(half, 1, axis=1)] *= 0.75
    return np.clip(image, 0, 255).astype(np.uint8)


def _cloth(rng: Generator, textures: Sequence[ndarray]) -> UInt8[ndarray, "t t 3"]:
    if len(textures) and rng.random() < 0.6:
        return _squared(textures[int(rng.integers(len(textures)))])
    return np.clip(cloth_colour(rng) * 255 + _grain(rng, 6), 0, 255).astype(np.uint8)


def _drawers(rng: Generator) -> UInt8[ndarray, "t t 3"]:
    """A front with a few panels."""
    image = np.full((TEXTURE_PX, TEXTURE_PX, 3), cloth_colour(rng) * 200 + 30, np.float32) + _grain(rng, 4)
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    edge = (image.mean(axis=(0, 1)) * 0.55).tolist()
    for r in range(rows):
        for c in range(columns):
            a = (c * TEXTURE_PX // columns + 8, r * TEXTURE_PX // rows + 8)
            b = ((c + 1) * TEXTURE_PX // columns - 8, (r + 1) * TEXTURE_PX // rows - 8)
            cv2.rectangle(image, a, b, edge, 3)
            cv2.circle(image, ((a[0] + b[0]) // 2, (a[1] + b[1]) // 2), 6, edge, -1)
    return np.clip(image, 0, 255).astype(np.uint8)


def _hung(rng: Generator, photos: Sequence[ndarray]) -> UInt8[ndarray, "t t 3"]:
    """A framed photo, or a made-up one."""
    inner = photos[int(rng.integers(len(photos)))] if len(photos) else procedural_background(TEXTURE_PX, rng)
    image = _squared(inner).copy()
    frame = (cloth_colour(rng) * 255).tolist()
    cv2.rectangle(image, (0, 0), (TEXTURE_PX - 1, TEXTURE_PX - 1), frame, int(rng.integers(10, 30)))
    return image


def _squared(image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "t t 3"]:
    return cv2.resize(image, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_AREA)


def _grain(rng: Generator, sd: float) -> Float32[ndarray, "t t 1"]:
    coarse = rng.normal(0, 1, (32, 32)).astype(np.float32)
    fine = rng.normal(0, 1, (TEXTURE_PX, TEXTURE_PX)).astype(np.float32)
    return (cv2.resize(coarse, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_CUBIC) * sd + fine * sd * 0.6)[
        ..., None
    ]
