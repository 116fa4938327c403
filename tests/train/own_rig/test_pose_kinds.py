"""Kinds of poses, told from joints alone."""

import numpy as np
import pytest

from engine import skeleton as body
from train.own_rig.pose_kinds import pose_kinds

STANDING = np.zeros((16, 3))
for joint, (x, y) in {
    body.R_ANKLE: (-0.1, 0.9), body.R_KNEE: (-0.1, 0.45), body.R_HIP: (-0.1, 0.0), body.L_HIP: (0.1, 0.0),
    body.L_KNEE: (0.1, 0.45), body.L_ANKLE: (0.1, 0.9), body.THORAX: (0.0, -0.5), body.UPPER_NECK: (0.0, -0.6),
    body.HEAD_TOP: (0.0, -0.85), body.R_WRIST: (-0.25, 0.0), body.R_ELBOW: (-0.25, -0.25),
    body.R_SHOULDER: (-0.2, -0.5), body.L_SHOULDER: (0.2, -0.5), body.L_ELBOW: (0.25, -0.25), body.L_WRIST: (0.25, 0.0),
}.items():  # fmt: skip
    STANDING[joint, :2] = x, y


def turned(deg):
    c, s = np.cos(np.deg2rad(deg)), np.sin(np.deg2rad(deg))
    return STANDING @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def kinds_of(pose):
    return {kind for kind, frames in pose_kinds((pose + np.array([0.3, 0.1, 3.0]))[None]).items() if frames[0]}


@pytest.mark.parametrize(
    ("deg", "kind"),
    [(0, "facing the camera"), (50, "facing the camera"), (70, "side on"), (-110, "side on"), (180, "turned away")],
)
def test_the_side_that_is_shown(deg, kind):
    assert kinds_of(turned(deg)) == {kind}


def test_arms_trunk_and_knees():
    raised, bent, kneeling = (turned(30) for _ in range(3))
    raised[body.L_WRIST] = raised[body.L_SHOULDER] - [0, 0.4, 0]
    assert kinds_of(raised) == {"facing the camera", "arm raised"}
    upper = [joint for joint in range(16) if joint > body.PELVIS]
    bent[upper] = bent[upper, :] * [1, 0.5, 1] + [0.0, 0.0, -0.6]
    assert kinds_of(bent) == {"facing the camera", "bent over"}
    for bend_deg, folded in ((60, False), (90, True)):  # from a straight leg
        bend = np.deg2rad(bend_deg)
        kneeling[body.R_ANKLE] = kneeling[body.R_KNEE] + 0.45 * np.array([0, np.cos(bend), np.sin(bend)])
        assert ("knee bent" in kinds_of(kneeling)) == folded
