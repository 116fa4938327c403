"""What a person wears: skin, hair and garments, drawn at random.

Garments end at places given in the coordinates that `body.Body.fields` has for each vertex: the place with hanging
limbs (metres, mean person), how far down an arm (0 shoulder, 1 elbow, 2 wrist) and a leg (0 hip, 1 knee, 2 ankle).
`wardrobe.py` lays them on bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from numpy.random import Generator

from train.synthetic.fabric import Fabric, Waves, random_fabric, random_waves

REGIONS = 8
SKIN, SHIRT, TROUSERS, SHOES, HAIR, EYE, GLOVES, SOCKS = range(REGIONS)
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
class Outfit:
    """One person's clothes, skin and hair."""

    fabrics: dict[int, Fabric]
    skin: Float32[ndarray, "3"]  # colours: BGR in [0, 1]
    lips: Float32[ndarray, "3"]
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
    sole: Float32[ndarray, "3"]
    brow: Float32[ndarray, "3"]


def random_outfit(rng: Generator, photos: Sequence[ndarray] = ()) -> Outfit:
    """Clothes, skin and hair of a random person. Everyone is dressed."""
    u = rng.uniform
    tone = np.clip(_between(SKIN_TONES, rng.uniform(0, len(SKIN_TONES) - 1)) * rng.normal(1, 0.05, 3), 0, 1)
    hair_tone = HAIR_TONES[rng.choice(len(HAIR_TONES), p=HAIR_SHARES)] * u(0.7, 1.3)
    colours = np.clip(np.stack([hair_tone, hair_tone * 0.7, hair_tone * 1.2]), 0, 1)
    hair = Fabric("stripes", colours.astype(np.float32), 0.012, (1.0, 0.1))
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


# what somebody does not change with the clothes
OWN = ("skin", "lips", "brow", "hair_front_m", "hair_m", "long_hair_m", "beard")


def changed(outfit: Outfit, rng: Generator, photos: Sequence[ndarray] = ()) -> Outfit:
    """Other clothes of the same person: skin, hair and beard stay."""
    clothes = random_outfit(rng, photos)
    fabrics = clothes.fabrics | {HAIR: outfit.fabrics[HAIR]}
    return replace(clothes, fabrics=fabrics, **{name: getattr(outfit, name) for name in OWN})


def _between(table: ndarray, at: float) -> ndarray:
    low = min(int(at), len(table) - 2)
    return table[low] + (table[low + 1] - table[low]) * (at - low)


def _colour(values: ndarray) -> Float32[ndarray, "3"]:
    return values.astype(np.float32)
