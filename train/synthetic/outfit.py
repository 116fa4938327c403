"""What a person wears: garments as regions of the body, how far they stand off, and what colour each point has.

Regions are functions of the coordinates that `body.Body.fields` gives to each vertex: the place with hanging limbs
(metres, mean person), how far down an arm (0 shoulder, 1 elbow, 2 wrist) and a leg (0 hip, 1 knee, 2 ankle).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from train.synthetic.bake import PART_EYE, PART_HAIR, PART_SKIRT
from train.synthetic.fabric import Fabric, Waves, random_fabric, random_waves

SKIN, SHIRT, TROUSERS, SHOES, HAIR, EYE, GLOVES, SOCKS = range(8)
# BGR of skin, dark to light
SKIN_TONES = (
    np.array([(40, 56, 82), (55, 80, 118), (78, 110, 155), (105, 145, 196), (138, 172, 220), (165, 190, 230)]) / 255
)
HAIR_TONES = (
    np.array(
        [(18, 20, 24), (25, 32, 45), (36, 56, 84), (60, 96, 140), (110, 160, 200), (150, 150, 155), (215, 215, 218)]
    )
    / 255
)
HAIR_SHARES = (0.3, 0.22, 0.2, 0.1, 0.08, 0.06, 0.04)


@dataclass(frozen=True, slots=True)
class Marks:
    """Places on the mean body that garments end at, metres in hanging coordinates."""

    eye_y: float
    eye_x: float
    eye_z: float
    neck_y: float
    hip_y: float


@dataclass(frozen=True, slots=True)
class Outfit:
    """One person's clothes, skin and hair."""

    marks: Marks
    fabrics: dict[int, Fabric]
    skin: Tensor  # (3)
    lips: Tensor
    sleeve: float  # in arm coordinates
    waist_m: float  # above the hips
    neckline_m: float  # above the neck joint
    v_neck_m: float
    leg: float  # trousers end, in leg coordinates
    shoe: float
    sock: float
    gloves: bool
    hair_front_m: float
    hair_m: float  # thickness; 0 = bald
    beard: bool
    long_hair_m: float | None  # lowest point below the eyes, None = short
    hem: float | None  # the skirt's end in leg coordinates, None = no skirt
    coat: bool  # the skirt is of the shirt's cloth
    loose_m: tuple[float, float]  # shirt, trousers
    folds: Waves
    fold_depth: float
    sole: Tensor
    brow: Tensor

    def region(self, fields: Tensor, part: Tensor) -> Tensor:
        """What covers each point: one of SKIN ... SOCKS, (p) int64."""
        x, y, z, arm, leg, head = fields[:, :6].unbind(dim=1)
        m = self.marks
        limb_arm, limb_leg = arm > -0.1, leg > -0.1
        region = torch.zeros(len(fields), dtype=torch.int64, device=fields.device)
        waist = m.hip_y + self.waist_m
        region[(y < waist) & ~limb_arm & (leg < self.leg) & (head < 0.3)] = TROUSERS
        neck = m.neck_y + self.neckline_m - self.v_neck_m * (1 - x.abs() / 0.09).clamp(min=0) * (z > m.eye_z - 0.12)
        shirt = torch.where(limb_arm, arm < self.sleeve, (y > waist) & (y < neck))
        shirt &= ~limb_leg & (head < 0.6)
        region[shirt] = SHIRT
        region[leg > self.sock] = SOCKS
        region[leg > self.shoe] = SHOES
        if self.gloves:
            region[arm > 1.95] = GLOVES
        region[self._haired(x, y, z, head)] = HAIR
        region[part == PART_EYE] = EYE
        region[part == PART_HAIR] = HAIR
        region[part == PART_SKIRT] = SHIRT if self.coat else TROUSERS
        return region

    def _haired(self, x: Tensor, y: Tensor, z: Tensor, head: Tensor) -> Tensor:
        if self.hair_m <= 0:
            return torch.zeros_like(x, dtype=torch.bool)
        m = self.marks
        # from the nape up to the forehead; 0 at the ears' plane
        ahead = ((z - (m.eye_z - 0.105)) / 0.07).clamp(0, 1)
        line = m.eye_y - 0.075 + (0.075 + self.hair_front_m) * ahead * ahead * (3 - 2 * ahead)
        haired = (head > 0.8) & (y > line)
        if self.beard:
            haired |= (
                (head > 0.8)
                & (y < m.eye_y - 0.052)
                & (y > m.eye_y - 0.13)
                & (z > m.eye_z - 0.075)
                & ~self._mouth(x, y, z)
            )
        return haired

    def _mouth(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        m = self.marks
        return ((x / 0.025) ** 2 + ((y - m.eye_y + 0.067) / 0.008) ** 2 < 1) & (z > m.eye_z)

    def offset_m(self, fields: Tensor, region: Tensor, part: Tensor) -> Tensor:
        """How far each vertex (v) stands off the skin."""
        table = torch.zeros(8, device=fields.device)
        table[SHIRT], table[TROUSERS] = self.loose_m
        table[SHOES], table[HAIR], table[GLOVES], table[SOCKS] = 0.008, self.hair_m, 0.003, 0.002
        offset = table[region]
        arm, leg = fields[:, 3], fields[:, 4]
        # sleeves and trouser legs hang wider towards their ends
        offset = torch.where((region == SHIRT) & (arm > 0), offset * (0.6 + 0.5 * arm), offset)
        offset = torch.where((region == TROUSERS) & (leg > 0), offset * (0.7 + 0.6 * leg), offset)
        return torch.where((part == PART_SKIRT) | (part == PART_HAIR) | (part == PART_EYE), 0.0, offset)

    def face_shown(self, lowest: Tensor, lowest_leg: Tensor, part: Tensor) -> Tensor:
        """Which faces exist: a skirt ends at its hem, hair at its length. `lowest` is the faces' lowest hanging y."""
        m = self.marks
        shown = (part != PART_SKIRT) & (part != PART_HAIR)
        if self.hem is not None:
            shown |= (part == PART_SKIRT) & (lowest > m.hip_y - self.hem)
        if self.long_hair_m is not None:
            shown |= (part == PART_HAIR) & (lowest > m.eye_y - self.long_hair_m)
        return shown

    def colour(self, fields: Tensor, region: Tensor, normal: Tensor) -> Tensor:
        """Colour of each point (p, 3), BGR in [0, 1]. `normal` is that of the resting body."""
        place = fields[:, :3]
        out = self.skin.to(place).expand(len(place), 3).clone()
        out = out * (1 + 0.05 * self.folds.at(place * 9))[:, None]
        x, y, z = place.unbind(dim=1)
        m = self.marks
        out[self._mouth(x, y, z)] = self.lips
        brow = ((x.abs() - m.eye_x).abs() < 0.02) & (
            (y - m.eye_y - 0.024 - 0.1 * (0.02 - (x.abs() - m.eye_x).abs())).abs() < 0.0045
        )
        out[brow & (z > m.eye_z - 0.01)] = self.brow
        around_eye = (x.abs() - m.eye_x) ** 2 / 0.022**2 + (y - m.eye_y) ** 2 / 0.012**2 < 1
        out[around_eye & (z > m.eye_z - 0.012)] *= 0.8
        for number, fabric in self.fabrics.items():
            chosen = torch.nonzero(region == number)[:, 0]
            if len(chosen):
                out[chosen] = fabric.colour(place[chosen], normal[chosen])
        eye = torch.nonzero(region == EYE)[:, 0]
        if len(eye):
            iris = (x[eye].abs() - m.eye_x) ** 2 + (y[eye] - m.eye_y) ** 2 < 0.0065**2
            out[eye] = torch.where(iris[:, None], self.brow * 0.6, torch.full((3,), 0.82, device=out.device))
        sole = torch.nonzero((region == SHOES) & (fields[:, 4] > 2.12))[:, 0]
        out[sole] = self.sole
        return out


def body_marks(fields: Tensor, part_of_vertex: Tensor, hip_y: float, neck_y: float) -> Marks:
    """Where eyes, neck and hips of the mean body are."""
    eyes = fields[part_of_vertex == PART_EYE]
    return Marks(
        eye_y=float(eyes[:, 1].mean()),
        eye_x=float(eyes[:, 0].abs().mean()),
        eye_z=float(eyes[:, 2].max()),
        neck_y=neck_y,
        hip_y=hip_y,
    )


def random_outfit(rng: Generator, marks: Marks, photos: list | tuple = ()) -> Outfit:
    """Clothes, skin and hair of a random person. Everyone is dressed."""
    u = rng.uniform
    tone = np.clip(_between(SKIN_TONES, rng.uniform(0, len(SKIN_TONES) - 1)) * rng.normal(1, 0.05, 3), 0, 1)
    hair_tone = HAIR_TONES[rng.choice(len(HAIR_TONES), p=HAIR_SHARES)] * u(0.7, 1.3)
    hair = random_fabric(rng, kind="plain")
    colours = np.clip(np.stack([hair_tone, hair_tone * 0.7, hair_tone * 1.2]), 0, 1)
    hair = Fabric("stripes", torch.from_numpy(colours.astype(np.float32)), 0.012, (1.0, 0.1), hair.waves)
    if rng.random() < 0.1:  # a cap or a scarf
        hair = random_fabric(rng, photos)
    shirt, trousers, shoes = (random_fabric(rng, photos) for _ in range(3))
    if rng.random() < 0.45:
        shoes = random_fabric(rng, kind="plain")
    if rng.random() < 0.12:  # one piece
        trousers = shirt
    style = rng.choice(4, p=[0.74, 0.1, 0.08, 0.08])  # trousers, skirt, dress, coat
    leg = float(rng.choice([u(0.3, 0.9), u(1.2, 1.6), u(1.88, 2.02)], p=[0.28, 0.09, 0.63]))
    skirt = style in (1, 2, 3)
    sleeve = float(rng.choice([u(-0.1, 0.1), u(0.35, 0.75), u(1.0, 1.4), u(1.8, 1.98)], p=[0.1, 0.38, 0.1, 0.42]))
    loose = (float(np.exp(u(np.log(0.004), np.log(0.028)))), float(np.exp(u(np.log(0.004), np.log(0.026)))))
    return Outfit(
        marks=marks,
        fabrics={
            SHIRT: shirt,
            TROUSERS: trousers,
            SHOES: shoes,
            HAIR: hair,
            GLOVES: shoes,
            SOCKS: random_fabric(rng, kind="plain"),
        },
        skin=_colour(tone),
        lips=_colour(tone * np.array([0.75, 0.68, 0.9])),
        sleeve=u(1.8, 1.98) if style == 3 else sleeve,
        waist_m=u(0.0, 0.12),
        neckline_m=u(-0.06, 0.03),
        v_neck_m=u(0.02, 0.14) if rng.random() < 0.4 else 0.0,
        leg=(u(0.2, 0.4) if rng.random() < 0.6 else u(1.88, 2.0)) if style in (1, 2) else leg,
        shoe=9.0 if rng.random() < 0.08 else float(rng.choice([u(1.97, 2.04), u(1.45, 1.85)], p=[0.85, 0.15])),
        sock=u(1.6, 1.95) if rng.random() < 0.4 else 9.0,
        gloves=rng.random() < 0.07,
        hair_front_m=u(0.035, 0.075),
        hair_m=0.0 if rng.random() < 0.09 else u(0.006, 0.035),
        beard=rng.random() < 0.15,
        long_hair_m=u(0.12, 0.42) if rng.random() < 0.3 else None,
        hem=u(0.15, 0.75) if skirt else None,
        coat=style in (2, 3),
        loose_m=loose,
        folds=random_waves(rng),
        fold_depth=u(0.1, 0.5),
        sole=_colour(np.full(3, rng.choice([0.08, 0.25, 0.85]))),
        brow=_colour(np.clip(hair_tone * 0.8, 0, 1)),
    )


def _between(table: np.ndarray, at: float) -> np.ndarray:
    low = min(int(at), len(table) - 2)
    return table[low] + (table[low + 1] - table[low]) * (at - low)


def _colour(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
