"""Poses by kind, drawn from ranges of joint angles: what people do at home, at work and in sport.

Each kind is a function of a generator; `WEIGHTS` says how often each is drawn. Ranges stay inside the joints' limits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from train.synthetic.parts import Arms, Legs, arm, head, trunk, two_arms, wild_legs
from train.synthetic.pose import Angles, Limb, Pose


def random_archetype(rng: Generator) -> Pose:
    """One pose of a random kind; heading not yet chosen, jitter not yet added."""
    names = list(WEIGHTS)
    shares = np.array([WEIGHTS[name][1] for name in names])
    name = names[rng.choice(len(names), p=shares / shares.sum())]
    build, _, grounded = WEIGHTS[name]
    pose = build(rng).pose(grounded=grounded)
    return pose.mirrored() if rng.random() < 0.5 else pose


def _stand(rng: Generator) -> Angles:
    apart, step = abs(rng.normal(3, 7)), rng.normal(0, 8)
    left = Limb(step, apart, rng.uniform(-25, 5), abs(rng.normal(0, 8)), rng.normal(0, 5))
    right = Limb(-step, apart, rng.uniform(-25, 5), abs(rng.normal(0, 8)), rng.normal(0, 5))
    return Angles(**trunk(rng), **two_arms(rng), l_leg=left, r_leg=right)


def _relaxed(rng: Generator) -> Angles:
    """Hip out, one knee loose, arms down."""
    left_arm, right_arm = (
        Limb(rng.normal(0, 8), rng.uniform(4, 14), rng.uniform(-10, 30), rng.uniform(3, 30)) for _ in "lr"
    )
    left, right = Limb(2, 3, -10, 2), Limb(rng.uniform(5, 25), rng.uniform(0, 12), -15, rng.uniform(10, 40), 5)
    return Angles(
        roll=rng.normal(-4, 3),
        spine_side=rng.normal(3, 4),
        spine=rng.normal(4, 5),
        **head(rng),
        l_arm=left_arm,
        r_arm=right_arm,
        l_leg=left,
        r_leg=right,
    )


def _walk(rng: Generator) -> Angles:
    from train.synthetic.motion import walking

    return walking(rng.uniform(0, 2 * np.pi), stride_deg=rng.uniform(15, 32))


def _run(rng: Generator) -> Angles:
    phase, swing = rng.uniform(0, 2 * np.pi), rng.uniform(35, 60)
    s, c = np.sin(phase), np.cos(phase)
    legs = []
    for sign in (1, -1):
        flex = 12 + sign * swing * s
        legs.append(Limb(flex, 2, 0, float(np.clip(45 + 45 * sign * c + 15 * sign * s, 5, 125)), rng.normal(0, 10)))
    arms = [
        Limb(-sign * swing * 0.9 * s, rng.uniform(5, 20), rng.uniform(0, 30), rng.uniform(65, 110)) for sign in (1, -1)
    ]
    return Angles(
        pitch=rng.uniform(3, 18),
        spine=rng.normal(6, 5),
        spine_twist=8 * s,
        **head(rng, 0.6),
        l_arm=arms[0],
        r_arm=arms[1],
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _sit(rng: Generator) -> Angles:
    legs = [
        Limb(rng.uniform(72, 105), rng.uniform(-2, 22), rng.uniform(-20, 10), rng.uniform(50, 110), rng.normal(5, 10))
        for _ in "lr"
    ]
    return Angles(
        pitch=rng.uniform(-18, 15),
        spine=rng.normal(10, 12),
        spine_side=rng.normal(0, 7),
        spine_twist=rng.normal(0, 12),
        **head(rng),
        **two_arms(rng),
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _floor_sit(rng: Generator) -> Angles:
    if rng.random() < 0.5:  # cross-legged
        legs = [
            Limb(rng.uniform(75, 100), rng.uniform(30, 50), -rng.uniform(35, 60), rng.uniform(105, 135)) for _ in "lr"
        ]
    else:  # legs out or drawn up
        legs = [
            Limb(
                rng.uniform(60, 115), rng.uniform(0, 20), -rng.uniform(0, 20), rng.uniform(5, 120), rng.uniform(-20, 10)
            )
            for _ in "lr"
        ]
    return Angles(
        pitch=rng.uniform(-25, 10),
        spine=rng.normal(14, 12),
        **head(rng),
        **two_arms(rng),
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _squat(rng: Generator) -> Angles:
    from train.synthetic.motion import squatting

    base = squatting(rng.uniform(0.3, 1.0))
    wide, out = rng.uniform(5, 30), rng.uniform(0, 30)
    legs = [Limb(leg.flex, wide, -out, leg.bend, leg.end) for leg in (base.l_leg, base.r_leg)]
    return Angles(
        pitch=base.pitch,
        spine=base.spine + rng.normal(0, 8),
        **head(rng),
        **two_arms(rng),
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _kneel(rng: Generator) -> Angles:
    if rng.random() < 0.5:  # on one knee
        left = Limb(rng.uniform(75, 100), rng.uniform(0, 15), 0, rng.uniform(75, 110))
        right = Limb(rng.uniform(-25, 15), 0, 0, rng.uniform(75, 115), -30)
    else:
        flex, bend = rng.uniform(-5, 80), rng.uniform(85, 140)
        left = Limb(flex, rng.uniform(0, 15), 0, bend, -40)
        right = Limb(flex + rng.normal(0, 5), rng.uniform(0, 15), 0, bend + rng.normal(0, 5), -40)
    return Angles(**trunk(rng, rng.uniform(0, 30)), **two_arms(rng), l_leg=left, r_leg=right)


def _reach_up(rng: Generator) -> Angles:
    base = _stand(rng)
    arms = [Limb(rng.uniform(120, 180), rng.uniform(-5, 40), rng.uniform(-30, 30), rng.uniform(0, 50)) for _ in "lr"]
    return Angles(
        pitch=base.pitch,
        spine=rng.normal(-6, 8),
        spine_side=rng.normal(0, 12),
        **head(rng),
        l_arm=arms[0],
        r_arm=arms[1] if rng.random() < 0.6 else arm(rng),
        l_leg=base.l_leg,
        r_leg=base.r_leg,
    )


def _arms_out(rng: Generator) -> Angles:
    base = _stand(rng)
    arms = [Limb(rng.uniform(-10, 25), rng.uniform(65, 110), rng.uniform(-60, 20), rng.uniform(0, 30)) for _ in "lr"]
    return Angles(**trunk(rng), l_arm=arms[0], r_arm=arms[1], l_leg=base.l_leg, r_leg=base.r_leg)


def _lunge(rng: Generator) -> Angles:
    front = Limb(rng.uniform(50, 100), rng.uniform(0, 25), -rng.uniform(0, 20), rng.uniform(40, 110))
    back = Limb(rng.uniform(-35, 0), rng.uniform(0, 15), 0, rng.uniform(0, 80), rng.uniform(-20, 25))
    return Angles(**trunk(rng, rng.uniform(-5, 35)), **two_arms(rng), l_leg=front, r_leg=back)


def _bend(rng: Generator) -> Angles:
    bow = rng.uniform(25, 85)
    legs = [Limb(bow * 0.9 + rng.normal(0, 8), rng.uniform(0, 15), 0, rng.uniform(0, 60)) for _ in "lr"]
    arms = [Limb(rng.uniform(40, 120), rng.uniform(-5, 30), rng.uniform(-30, 40), rng.uniform(0, 60)) for _ in "lr"]
    both = Arms(l_arm=arms[0], r_arm=arms[1]) if rng.random() < 0.7 else two_arms(rng)
    return Angles(
        pitch=bow,
        spine=rng.uniform(5, 40),
        spine_twist=rng.normal(0, 12),
        **head(rng),
        **both,
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _kick(rng: Generator) -> Angles:
    high = Limb(
        rng.uniform(40, 120), rng.uniform(0, 50), rng.uniform(-40, 10), rng.uniform(0, 70), rng.uniform(-30, 10)
    )
    other = Limb(rng.uniform(-10, 10), rng.uniform(0, 10), -15, rng.uniform(0, 35))
    return Angles(**trunk(rng, rng.uniform(-25, 15)), **two_arms(rng), l_leg=high, r_leg=other)


def _lie(rng: Generator) -> Angles:
    """On the back, the front or a side."""
    angles = Angles(
        spine=rng.normal(3, 8), spine_twist=rng.normal(0, 12), **head(rng), **two_arms(rng), **wild_legs(rng)
    )
    still = _stand(rng)
    mixed = still.mixed(angles, rng.uniform(0.0, 1.0))
    pitch = rng.choice([-90.0, 90.0]) + rng.normal(0, 8)
    return Angles(
        **{
            f: getattr(mixed, f)
            for f in (
                "spine",
                "spine_side",
                "spine_twist",
                "neck",
                "neck_side",
                "neck_twist",
                "l_arm",
                "r_arm",
                "l_leg",
                "r_leg",
            )
        },
        pitch=pitch,
        roll=rng.normal(0, 25),
    )


def _prop(rng: Generator) -> Angles:
    """Push-up, plank, crawling: hands and feet, or hands and knees, on the floor."""
    crawl = rng.random() < 0.5
    arms = [Limb(rng.uniform(65, 110), rng.uniform(0, 30), rng.uniform(-30, 10), rng.uniform(0, 80), -50) for _ in "lr"]
    legs = [
        Limb(
            rng.uniform(60, 105) if crawl else rng.uniform(-10, 35),
            rng.uniform(0, 12),
            0,
            rng.uniform(70, 105) if crawl else rng.uniform(0, 20),
            15,
        )
        for _ in "lr"
    ]
    return Angles(
        pitch=rng.uniform(60, 100),
        spine=rng.normal(0, 12),
        neck=rng.uniform(-45, 10),
        neck_twist=rng.normal(0, 20),
        l_arm=arms[0],
        r_arm=arms[1],
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _handstand(rng: Generator) -> Angles:
    arms = [Limb(rng.uniform(150, 180), rng.uniform(0, 20), rng.uniform(-20, 20), rng.uniform(0, 25)) for _ in "lr"]
    legs = wild_legs(rng) if rng.random() < 0.5 else Legs(l_leg=_straight_leg(rng), r_leg=_straight_leg(rng))
    return Angles(
        pitch=180 + rng.normal(0, 25),
        roll=rng.normal(0, 15),
        spine=rng.normal(-5, 12),
        neck=rng.uniform(-45, 10),
        l_arm=arms[0],
        r_arm=arms[1],
        **legs,
    )


def _straight_leg(rng: Generator) -> Limb:
    return Limb(rng.normal(0, 12), abs(rng.normal(0, 20)), 0, abs(rng.normal(0, 18)), -20)


def _cartwheel(rng: Generator) -> Angles:
    arms = [Limb(rng.uniform(-15, 15), rng.uniform(120, 170), rng.uniform(-30, 10), rng.uniform(0, 25)) for _ in "lr"]
    legs = [Limb(rng.normal(5, 15), rng.uniform(25, 65), -10, rng.uniform(0, 40), -25) for _ in "lr"]
    return Angles(
        roll=rng.uniform(60, 200),
        pitch=rng.normal(0, 12),
        spine_side=rng.normal(0, 12),
        l_arm=arms[0],
        r_arm=arms[1],
        l_leg=legs[0],
        r_leg=legs[1],
    )


def _flip(rng: Generator) -> Angles:
    """In the air, any way up: jumps, vaults, somersaults."""
    tuck = rng.random()
    tucked = [
        Limb(rng.uniform(20, 60) + 70 * tuck, rng.uniform(0, 25), -10, 125 * tuck * rng.uniform(0.5, 1), -20)
        for _ in "lr"
    ]
    legs = Legs(l_leg=tucked[0], r_leg=tucked[1]) if rng.random() < 0.5 else wild_legs(rng)
    return Angles(
        pitch=rng.uniform(-180, 180),
        roll=rng.normal(0, 30),
        spine=rng.normal(15 * tuck, 15),
        neck=rng.normal(5, 20),
        **two_arms(rng),
        **legs,
    )


def _jump(rng: Generator) -> Angles:
    return Angles(**trunk(rng, rng.uniform(-15, 25)), **two_arms(rng), **wild_legs(rng))


def _anything(rng: Generator) -> Angles:
    return Angles(
        pitch=rng.normal(10, 30),
        roll=rng.normal(0, 15),
        spine=rng.normal(8, 16),
        spine_side=rng.normal(0, 13),
        spine_twist=rng.normal(0, 18),
        **head(rng),
        **two_arms(rng),
        **wild_legs(rng),
    )


# kind: (builder, how often, whether it touches the ground)
WEIGHTS: dict[str, tuple[Callable[[Generator], Angles], float, bool]] = {
    "stand": (_stand, 14, True),
    "relaxed": (_relaxed, 6, True),
    "walk": (_walk, 8, True),
    "run": (_run, 7, True),
    "sit": (_sit, 11, True),
    "floor_sit": (_floor_sit, 4, True),
    "squat": (_squat, 6, True),
    "kneel": (_kneel, 4, True),
    "reach_up": (_reach_up, 5, True),
    "arms_out": (_arms_out, 5, True),
    "lunge": (_lunge, 5, True),
    "bend": (_bend, 5, True),
    "kick": (_kick, 4, True),
    "lie": (_lie, 5, True),
    "prop": (_prop, 4, True),
    "handstand": (_handstand, 4, True),
    "cartwheel": (_cartwheel, 3, True),
    "flip": (_flip, 6, False),
    "jump": (_jump, 5, False),
    "anything": (_anything, 6, False),
}
