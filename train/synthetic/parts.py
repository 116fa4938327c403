"""Parts of random poses: heads, trunks, arms and legs that do anything that people's do. Degrees, see `pose.Angles`."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.random import Generator

from train.synthetic.pose import Limb


class Head(TypedDict):
    """Angles of the neck."""

    neck: float
    neck_side: float
    neck_twist: float


class Trunk(Head):
    """Angles of pelvis, spine and neck."""

    pitch: float
    roll: float
    spine: float
    spine_side: float
    spine_twist: float


class Arms(TypedDict):
    """Both arms."""

    l_arm: Limb
    r_arm: Limb


class Legs(TypedDict):
    """Both legs."""

    l_leg: Limb
    r_leg: Limb


def head(rng: Generator, spread: float = 1.0) -> Head:
    """A head that looks somewhere."""
    return {
        "neck": rng.normal(5, 12 * spread),
        "neck_side": rng.normal(0, 7 * spread),
        "neck_twist": float(np.clip(rng.normal(0, 25 * spread), -65, 65)),
    }


def trunk(rng: Generator, bow: float = 5.0) -> Trunk:
    """A trunk that leans and turns; `bow` is how far it bows forward on average."""
    return {
        "pitch": rng.normal(bow * 0.4, 5),
        "roll": rng.normal(0, 3),
        "spine": rng.normal(bow * 0.6, 7),
        "spine_side": rng.normal(0, 6),
        "spine_twist": rng.normal(0, 10),
        **head(rng),
    }


def arm(rng: Generator) -> Limb:
    """An arm doing anything that arms do."""
    kind = rng.choice(10, p=[0.2, 0.12, 0.1, 0.1, 0.1, 0.08, 0.08, 0.08, 0.07, 0.07])
    u = rng.uniform
    if kind == 0:  # hanging
        return Limb(u(-15, 20), u(3, 18), u(-20, 30), u(3, 35), u(-15, 25))
    if kind == 1:  # forearm raised: holding, typing, phone
        return Limb(u(-5, 50), u(3, 30), u(0, 60), u(60, 130), u(-20, 30))
    if kind == 2:  # straight ahead, pointing
        return Limb(u(60, 105), u(-15, 30), u(-30, 30), u(0, 30), u(-20, 20))
    if kind == 3:  # out to the side
        return Limb(u(-15, 30), u(60, 110), u(-60, 20), u(0, 40), u(-20, 20))
    if kind == 4:  # up
        return Limb(u(135, 180), u(0, 30), u(-30, 30), u(0, 60), u(-20, 20))
    if kind == 5:  # waving: upper arm out, forearm up
        return Limb(u(0, 40), u(55, 100), u(-95, -60), u(60, 120), u(-20, 20))
    if kind == 6:  # hand on the hip
        return Limb(u(-45, -20), u(35, 55), u(45, 75), u(75, 105), u(-20, 30))
    if kind == 7:  # hand at head or face
        return Limb(u(30, 100), u(10, 70), u(-20, 40), u(115, 145), u(-20, 20))
    if kind == 8:  # across the chest
        return Limb(u(20, 60), u(-5, 20), u(40, 85), u(75, 115), u(-10, 30))
    return Limb(u(-55, 5), u(5, 40), u(-20, 60), u(0, 90), u(-10, 30))  # behind


def two_arms(rng: Generator) -> Arms:
    """Two arms, in nearly half of the cases doing the same."""
    left = arm(rng)
    if rng.random() < 0.45:
        shift = rng.normal(0, 10, 3)
        right = Limb(left.flex + shift[0], left.abduct + shift[1], left.twist + shift[2], left.bend, left.end)
        return {"l_arm": left, "r_arm": right}
    return {"l_arm": left, "r_arm": arm(rng)}


def wild_legs(rng: Generator) -> Legs:
    """Legs in any place that hips and knees allow."""
    legs = [
        Limb(
            rng.uniform(-30, 115), rng.uniform(-5, 55), rng.uniform(-45, 15), rng.uniform(0, 125), rng.uniform(-35, 15)
        )
        for _ in "lr"
    ]
    return {"l_leg": legs[0], "r_leg": legs[1]}
