"""Motion as functions of time or phase: walking, squatting, waving."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from train.synthetic.pose import Angles, Limb


def walking(phase_rad: float, *, stride_deg: float = 25.0) -> Angles:
    """One moment of a step cycle; at phase 0 the left leg is foremost... the right one at pi."""
    legs, arms = [], []
    for shift in (0.0, np.pi):
        p = phase_rad + shift
        flex = 4 + stride_deg * np.cos(p)
        # the knee bends most while the leg swings forward, a little after the heel strikes
        swing = max(0.0, -np.sin(p - 0.5))
        bend = 6 + 58 * swing**1.6 * stride_deg / 28 + 9 * max(0.0, np.cos(p - 0.6)) ** 4
        toes = -14 * max(0.0, np.cos(p - np.pi + 0.35)) ** 2 + 9 * max(0.0, np.cos(p)) ** 3
        legs.append(Limb(flex, 1.5, -5, bend, toes))
        back = -np.cos(p)
        arms.append(Limb(2 + 0.85 * stride_deg * back, 6, 10, 16 + 14 * max(0.0, back), 5))
    return Angles(
        pitch=2,
        spine=4,
        roll=2.5 * np.sin(phase_rad),
        spine_side=-2.5 * np.sin(phase_rad),
        yaw=-5 * np.cos(phase_rad),
        spine_twist=9 * np.cos(phase_rad),
        neck_twist=-4 * np.cos(phase_rad),
        neck=2,
        l_arm=arms[0],
        r_arm=arms[1],
        l_leg=legs[0],
        r_leg=legs[1],
    )


def standing() -> Angles:
    """At ease, arms hanging."""
    arm, leg = Limb(3, 9, 12, 14, 5), Limb(0, 4, -8, 3)
    return Angles(pitch=1, spine=3, neck=2, l_arm=arm, r_arm=arm, l_leg=leg, r_leg=leg)


def squatting(depth: float) -> Angles:
    """Knees bent, arms forward for balance; depth 0 stands, 1 is as deep as it goes with flat feet."""
    leg = Limb(4 + 112 * depth, 5 + 13 * depth, -8 - 12 * depth, 3 + 117 * depth, 18 * depth)
    arm = Limb(3 + 82 * depth, 9 - 5 * depth, 12 * (1 - depth), 14 - 4 * depth, 5)
    bow = 30 * depth
    return Angles(pitch=bow, spine=3 + 8 * depth, neck=2 - 22 * depth, l_arm=arm, r_arm=arm, l_leg=leg, r_leg=leg)


def waving(time_s: float, base: Angles, *, raised: float = 1.0) -> Angles:
    """The right arm up and swaying from the elbow, twice a second; `raised` 0 leaves `base` as it is."""
    sway = np.sin(2 * np.pi * 1.6 * time_s)
    arm = Limb(20, 82, -80, 75 + 24 * sway, 10 * sway)
    lifted = replace(base, r_arm=arm, spine_side=base.spine_side + 3, neck_side=base.neck_side + 3)
    return base.mixed(lifted, raised)
