"""What cloth looks like: plain, striped, checked, plaid, dotted, blotched, or a photo of a texture.

A fabric is a function of the place on the hanging garment (metres), so patterns stay with the cloth as it moves.
Colours are BGR in [0, 1], as a picture shows them. `Fabric` describes one, `Cloths` paints with many at once.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from numpy.random import Generator
from torch import Tensor

Kind = Literal["plain", "stripes", "checks", "plaid", "dots", "blotches", "photo"]
KINDS: tuple[Kind, ...] = ("plain", "stripes", "checks", "plaid", "dots", "blotches", "photo")
SHARES = (0.44, 0.12, 0.05, 0.08, 0.05, 0.1, 0.16)
WAVES = 5
PHOTO_PX = 160
GAMMA = 2.2


@dataclass(frozen=True, slots=True)
class Waves:
    """Smooth noise over space as a few bent sine waves: cheap, and without a grid. Features are about one unit wide."""

    k: Float32[ndarray, "waves 3"]
    bend: Float32[ndarray, "waves 3"]
    phase: Float32[ndarray, "waves"]


@dataclass(frozen=True, slots=True)
class Fabric:
    """One cloth."""

    kind: Kind
    colours: Float32[ndarray, "3 3"]
    scale_m: float  # period
    tilt: tuple[float, float]  # of stripes: weight of x and of y
    waves: Waves | None = None  # of blotches
    photo: UInt8[ndarray, "h w 3"] | None = None


@dataclass(frozen=True, slots=True)
class Cloths:
    """Many fabrics as tensors on one device, by number. Colours are linear here."""

    kind: Tensor  # (c) index into KINDS
    colours: Tensor  # (c, 3, 3)
    scale_m: Tensor  # (c)
    tilt: Tensor  # (c, 2)
    waves: WaveTable
    photo: Tensor  # (c) number of the photo
    photos: Tensor  # (photos, PHOTO_PX, PHOTO_PX, 3) uint8, as the eye sees them

    def colour(self, number: Tensor, place: Tensor, normal: Tensor) -> Tensor:
        """Linear colours (p, 3) of fabric `number` (p) at `place` (p, 3); `normal` (p, 3) says how photos lie."""
        out = self.colours[:, 0].index_select(0, number)
        kind = self.kind.index_select(0, number)
        for index, name in enumerate(KINDS):
            mine = torch.nonzero(kind == index)[:, 0] if name != "plain" else kind[:0]
            if len(mine):
                out[mine] = self._patterned(name, number[mine], place[mine], normal[mine])
        return out

    def _patterned(self, kind: Kind, number: Tensor, place: Tensor, normal: Tensor) -> Tensor:
        scale, tilt = self.scale_m[number], self.tilt[number]
        if kind == "photo":
            return self._laid_on(number, place / scale[:, None], normal)
        one, two, three = self.colours[number].unbind(dim=1)
        if kind == "blotches":
            level = self.waves.at(number, place / scale[:, None])[:, None]
            return torch.where(level > 0.25, two, torch.where(level < -0.3, three, one))
        # distance around the body from its side, roughly: x on front and back, z on the flanks
        across, up = (place[:, 0] + 0.6 * place[:, 2]) / scale, place[:, 1] / scale
        if kind == "stripes":
            along = tilt[:, 0] * across + tilt[:, 1] * up
            return torch.where(((along % 1.0) < 0.5)[:, None], one, two)
        across, up = across % 1.0, up % 1.0
        if kind == "checks":
            return torch.where(((across < 0.5) ^ (up < 0.5))[:, None], one, two)
        if kind == "dots":
            return torch.where(((across - 0.5) ** 2 + (up - 0.5) ** 2 < 0.07)[:, None], two, one)
        mix = 0.35 * (across < 0.4) + 0.35 * (up < 0.4)
        return torch.where(((across > 0.9) | (up > 0.9))[:, None], three, one + (two - one) * mix[:, None])

    def _laid_on(self, number: Tensor, place: Tensor, normal: Tensor) -> Tensor:
        """The photo projected along x or z, whichever the cloth faces more."""
        u = torch.where(normal[:, 0].abs() > normal[:, 2].abs(), place[:, 2], place[:, 0])
        column, row = (((v % 1.0) * PHOTO_PX).long().clamp_(max=PHOTO_PX - 1) for v in (u, -place[:, 1]))
        return (self.photos[self.photo[number], row, column].float() / 255.0) ** GAMMA


@dataclass(frozen=True, slots=True)
class WaveTable:
    """Many `Waves` as tensors, by number."""

    k: Tensor  # (c, waves, 3)
    bend: Tensor  # (c, waves, 3)
    phase: Tensor  # (c, waves)

    def at(self, number: Tensor, place: Tensor) -> Tensor:
        """Values about within [-1, 1] of noise `number` (p) at places (p, 3)."""
        k, bend = ((m[number] * place[:, None]).sum(dim=2) for m in (self.k, self.bend))
        return torch.sin(k + self.phase[number] + 1.3 * torch.sin(bend)).mean(dim=1) * 1.8

    def over(self, place: Tensor) -> Tensor:
        """Values (c, p) of each noise at the same places (p, 3)."""
        k, bend = (torch.einsum("pd,cwd->cpw", place, m) for m in (self.k, self.bend))
        return torch.sin(k + self.phase[:, None] + 1.3 * torch.sin(bend)).mean(dim=2) * 1.8


def wave_table(waves: Sequence[Waves], device: torch.device | str = "cpu") -> WaveTable:
    """Noises side by side."""
    parts = (np.stack([getattr(w, name) for w in waves]) for name in ("k", "bend", "phase"))
    return WaveTable(*(torch.from_numpy(part).to(device) for part in parts))


def cloths(fabrics: Sequence[Fabric], device: torch.device | str = "cpu") -> Cloths:
    """Fabrics side by side."""
    photos = [np.zeros((PHOTO_PX, PHOTO_PX, 3), np.uint8)]
    number = np.zeros(len(fabrics), np.int64)
    for i, fabric in enumerate(fabrics):
        if fabric.photo is not None:
            number[i] = len(photos)
            photos.append(fabric.photo)
    none = Waves(*(np.zeros(shape, np.float32) for shape in ((WAVES, 3), (WAVES, 3), (WAVES,))))

    def column(values: list) -> Tensor:
        return torch.from_numpy(np.array(values, np.float32)).to(device)

    return Cloths(
        kind=torch.tensor([KINDS.index(f.kind) for f in fabrics], device=device),
        colours=torch.from_numpy(np.stack([f.colours for f in fabrics])).to(device) ** GAMMA,
        scale_m=column([f.scale_m for f in fabrics]),
        tilt=column([f.tilt for f in fabrics]),
        waves=wave_table([f.waves or none for f in fabrics], device),
        photo=torch.from_numpy(number).to(device),
        photos=torch.from_numpy(np.stack(photos)).to(device),
    )


def random_waves(rng: Generator, *, waves: int = WAVES) -> Waves:
    """Waves about one unit long in random directions."""

    def directions(length: float) -> ndarray:
        v = rng.normal(size=(waves, 3))
        v *= rng.uniform(0.6, 1.4, (waves, 1)) * length / np.linalg.norm(v, axis=1, keepdims=True)
        return v.astype(np.float32)

    phase = rng.uniform(0, 6.28, waves).astype(np.float32)
    return Waves(directions(2 * np.pi / 1.6), directions(2 * np.pi / 2.5), phase)


def random_fabric(rng: Generator, photos: Sequence[ndarray] = (), *, kind: Kind | None = None) -> Fabric:
    """A cloth of a random kind and colour; `photos` are BGR uint8 images of textures."""
    if kind is None:
        kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
    if kind == "photo" and not len(photos):
        kind = "blotches"
    base = cloth_colour(rng)
    colours = np.stack([base, cloth_colour(rng), cloth_colour(rng)])
    if rng.random() < 0.4:
        colours[1] = np.clip(base * rng.uniform(0.5, 1.4), 0, 1)
    photo = _toned(photos[int(rng.integers(len(photos)))], base, rng) if kind == "photo" else None
    scale = float(np.exp(rng.uniform(np.log(0.03), np.log(0.16)))) * {"photo": 5.0, "blotches": 1.2}.get(kind, 1.0)
    tilt = [(0.0, 1.0), (1.0, 0.0), (0.7, 0.7)][rng.choice(3, p=[0.6, 0.3, 0.1])]
    waves = random_waves(rng) if kind == "blotches" else None
    return Fabric(kind, colours.astype(np.float32), scale, tilt, waves, photo)


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


def _toned(photo: UInt8[ndarray, "h w 3"], base: ndarray, rng: Generator) -> UInt8[ndarray, "p p 3"]:
    """A texture photo as it is, or as the weave of a cloth of another colour."""
    image = cv2.resize(photo, (PHOTO_PX, PHOTO_PX), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        return image
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    level = 1 + (np.arange(256) / max(float(grey.mean()), 12.0) - 1) * 0.7
    table = np.clip(base * level[:, None] * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([grey, grey, grey]), table[:, None])
