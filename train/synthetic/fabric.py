"""What cloth looks like: plain, striped, checked, plaid, dotted, blotched, or a photo of a texture.

A fabric is a function of the place on the hanging garment (metres), so patterns stay with the cloth as it moves.
Colours are BGR in [0, 1], as a picture shows them.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

Kind = Literal["plain", "stripes", "checks", "plaid", "dots", "blotches", "photo"]
KINDS: tuple[Kind, ...] = ("plain", "stripes", "checks", "plaid", "dots", "blotches", "photo")
SHARES = (0.44, 0.12, 0.05, 0.08, 0.05, 0.1, 0.16)
WAVES = 5


@dataclass(frozen=True, slots=True)
class Fabric:
    """One cloth."""

    kind: Kind
    colours: Tensor  # (3, 3)
    scale_m: float  # period
    tilt: tuple[float, float]  # of stripes: weight of x and of y
    waves: Waves
    photo: Tensor | None = None  # (h, w, 3) in [0, 1]

    def colour(self, place: Tensor, normal: Tensor) -> Tensor:
        """Colours (p, 3) at places (p, 3) in metres; `normal` (p, 3) of the cloth chooses how a photo is laid on."""
        one, two, three = self.colours
        if self.kind == "plain":
            return one.expand(len(place), 3)
        if self.kind == "photo" and self.photo is not None:
            return _laid_on(self.photo, place, normal, self.scale_m)
        if self.kind == "blotches":
            level = self.waves.at(place / self.scale_m)
            return torch.where((level > 0.25)[:, None], two, torch.where((level < -0.3)[:, None], three, one))
        across = _around(place) / self.scale_m
        up = place[:, 1] / self.scale_m
        along = self.tilt[0] * across + self.tilt[1] * up
        if self.kind == "stripes":
            return torch.where(((along % 1.0) < 0.5)[:, None], one, two)
        if self.kind == "checks":
            return torch.where((((across % 1.0) < 0.5) ^ ((up % 1.0) < 0.5))[:, None], one, two)
        if self.kind == "dots":
            near = ((across % 1.0) - 0.5) ** 2 + ((up % 1.0) - 0.5) ** 2
            return torch.where((near < 0.07)[:, None], two, one)
        mix = 0.35 * ((across % 1.0) < 0.4) + 0.35 * ((up % 1.0) < 0.4)
        thin = ((across % 1.0) > 0.9) | ((up % 1.0) > 0.9)
        return torch.where(thin[:, None], three, one + (two - one) * mix[:, None])


@dataclass(frozen=True, slots=True)
class Waves:
    """Smooth noise over space as a few bent sine waves: cheap, and without a grid."""

    k: Tensor  # (waves, 3)
    bend: Tensor  # (waves, 3)
    phase: Tensor  # (waves)

    def at(self, place: Tensor) -> Tensor:
        """Values about within [-1, 1] at places (p, 3); features are about one unit wide."""
        return torch.sin(place @ self.k.T + self.phase + 1.3 * torch.sin(place @ self.bend.T)).mean(dim=1) * 1.8


def random_waves(rng: Generator, *, waves: int = WAVES) -> Waves:
    """Waves about one unit long in random directions."""

    def directions(length: float) -> Tensor:
        v = rng.normal(size=(waves, 3))
        return _tensor(v / np.linalg.norm(v, axis=1, keepdims=True) * rng.uniform(0.6, 1.4, (waves, 1)) * length)

    return Waves(directions(2 * np.pi / 1.6), directions(2 * np.pi / 2.5), _tensor(rng.uniform(0, 6.28, waves)))


def random_fabric(rng: Generator, photos: list | tuple = (), *, kind: Kind | None = None) -> Fabric:
    """A cloth of a random kind and colour; `photos` are BGR uint8 images of textures."""
    if kind is None:
        kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
    if kind == "photo" and not len(photos):
        kind = "blotches"
    base = cloth_colour(rng)
    colours = np.stack([base, cloth_colour(rng), cloth_colour(rng)])
    if rng.random() < 0.4:
        colours[1] = np.clip(base * rng.uniform(0.5, 1.4), 0, 1)
    photo = None
    if kind == "photo":
        photo = _toned(photos[rng.integers(len(photos))], base, rng)
    scale = float(np.exp(rng.uniform(np.log(0.03), np.log(0.16)))) * {"photo": 5.0, "blotches": 1.2}.get(kind, 1.0)
    tilt = [(0.0, 1.0), (1.0, 0.0), (0.7, 0.7)][rng.choice(3, p=[0.6, 0.3, 0.1])]
    return Fabric(kind, _tensor(colours), scale, tilt, random_waves(rng), photo)


def cloth_colour(rng: Generator) -> np.ndarray:
    """A colour that clothes have: many dark, white, grey and blue ones, some strong ones. BGR in [0, 1]."""
    kind = rng.choice(5, p=[0.2, 0.14, 0.14, 0.2, 0.32])
    if kind == 0:
        h, s, v = rng.random(), rng.uniform(0, 0.4), rng.uniform(0.05, 0.22)
    elif kind == 1:
        h, s, v = rng.random(), rng.uniform(0, 0.12), rng.uniform(0.78, 0.95)
    elif kind == 2:
        h, s, v = rng.random(), rng.uniform(0, 0.15), rng.uniform(0.25, 0.75)
    elif kind == 3:
        h, s, v = rng.uniform(0.55, 0.66), rng.uniform(0.25, 0.8), rng.uniform(0.2, 0.75)
    else:
        h, s, v = rng.random(), rng.uniform(0.25, 0.9), rng.uniform(0.25, 0.9)
    return np.array(colorsys.hsv_to_rgb(h, s, v))[::-1].copy()


def _toned(photo: np.ndarray, base: np.ndarray, rng: Generator) -> Tensor:
    """A texture photo as it is, or as the weave of a cloth of another colour."""
    image = photo.astype(np.float32) / 255.0
    if rng.random() < 0.5:
        grey = image.mean(axis=2, keepdims=True)
        image = np.clip(base * (1 + (grey / max(float(grey.mean()), 0.05) - 1) * 0.7), 0, 1)
    return _tensor(image)


def _around(place: Tensor) -> Tensor:
    """Distance around the body from its side, roughly: x on front and back, z on the flanks."""
    return place[:, 0] + 0.6 * place[:, 2]


def _laid_on(photo: Tensor, place: Tensor, normal: Tensor, scale_m: float) -> Tensor:
    """The photo projected along x or z, whichever the cloth faces more."""
    side = normal[:, 0].abs() > normal[:, 2].abs()
    u = torch.where(side, place[:, 2], place[:, 0]) / scale_m
    v = -place[:, 1] / scale_m
    height, width = photo.shape[:2]
    column = ((u % 1.0) * width).long().clamp_(max=width - 1)
    row = ((v % 1.0) * height).long().clamp_(max=height - 1)
    return photo[row, column]


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
