"""A stored rig against a new recording: whether a camera was moved, how far, and which."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import rigid
from calib.errors import UserError
from calib.rig import Clock, Quality, Rig
from calib.rig_watch import check_rig
from tests.calib.walker import BODY, Clip, Noise, Walker, make_pair

HABITS = Noise(2.0, 0.06, 0.015, 0.03)


@pytest.fixture(scope="module")
def recorded():
    cameras = make_pair()
    clip = Clip(Walker(0), cameras, np.arange(300) / 15, HABITS, 0)
    return cameras, clip.tracks(offset_s=0.02)


def turned(cameras, name, axis, degrees):
    """The rig as it was before this camera was turned where it stands."""
    turn = rigid(Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)[axis]).as_matrix(), np.zeros(3))
    return {**cameras, name: replace(cameras[name], cam_from_world=turn @ cameras[name].cam_from_world)}


def test_cameras_that_did_not_move_are_said_to_stand(recorded):
    cameras, tracks = recorded
    check = check_rig(Rig(cameras, {"right": Clock(0.02)}), tracks, BODY)
    assert (check.moved, check.told, check.reason.light) == (None, True, "green")
    assert check.angle_deg < 0.7


@pytest.mark.parametrize(("name", "axis"), [("left", 1), ("right", 0), ("right", 1)])
def test_a_camera_that_was_turned_by_1_8_degrees_is_named(recorded, name, axis):
    cameras, tracks = recorded
    check = check_rig(Rig(turned(cameras, name, axis, 1.8)), tracks, BODY)
    assert check.moved == name
    assert check.angle_deg == pytest.approx(1.8, abs=0.4)
    assert check.reason.light == "red"
    assert check.reason.text.startswith(f"camera {name} moved: ")


def test_a_rig_that_is_no_surer_than_that_raises_no_alarm(recorded):
    cameras, tracks = recorded
    for sigma_deg, light in ((0.2, "red"), (0.9, "green")):
        unsure = Quality("yellow", made_from="people", rotation_sigma_deg=sigma_deg, translation_sigma_deg=sigma_deg)
        check = check_rig(Rig(turned(cameras, "right", 1, 1.8), quality=unsure), tracks, BODY)
        assert check.reason.light == light, check


def test_a_camera_that_was_carried_away_is_noticed(recorded):
    cameras, tracks = recorded
    carried = cameras["right"].cam_from_world.copy()
    carried[:3, 3] += cameras["right"].R @ [0.0, 0.15, 0.0]
    check = check_rig(Rig({**cameras, "right": replace(cameras["right"], cam_from_world=carried)}), tracks, BODY)
    assert check.direction_deg > 2
    assert check.reason.light == "red"


def test_half_a_degree_is_nobodys_concern(recorded):
    cameras, tracks = recorded
    assert check_rig(Rig(turned(cameras, "right", 1, 0.5)), tracks, BODY).reason.light == "green"


def test_a_person_who_stands_still_says_nothing_about_a_move_or_is_right():
    cameras = make_pair()
    still = Walker(2, radius_m=0.0, gestures=0.02, legs=0.0, facing_deg=-90.0)
    tracks = Clip(still, cameras, np.arange(60) / 15, Noise(3.0), 2).tracks()
    assert check_rig(Rig(cameras), tracks, BODY).reason.light != "red"


def test_cameras_that_the_rig_does_not_have_are_one_line(recorded):
    cameras, tracks = recorded
    with pytest.raises(UserError, match="needs two of the cameras left, right"):
        check_rig(Rig(cameras), {"left": tracks["left"], "other": tracks["right"]}, BODY)
