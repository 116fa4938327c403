from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import inverted
from calib.errors import UserError
from calib.floor import FloorBoard, FloorFeet, world_reasons
from calib.stereo import calibrate_rig
from tests.calib.made_rig import A3, Room, board_at, floor_board, make_room


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room(12)


def feet_of(room, *, noise_m=0.01, reach_m=(1.0, 1.0), seed=0):
    """Places of feet in the first camera's axes."""
    rng = np.random.default_rng(seed)
    world = np.column_stack(
        [rng.uniform(-1, 1, 40) * reach_m[0], 3 + rng.uniform(-1, 1, 40) * reach_m[1], rng.normal(0, noise_m, 40)]
    )
    camera = room.cameras["left"]
    return FloorFeet(world @ camera.R.T + camera.t)


def assert_same_world(rig, room, atol):
    """Heights and up agree; the truth's world is turned about z and moved, so that it stands under the first camera."""
    for name, camera in rig.cameras.items():
        truth = room.cameras[name]
        np.testing.assert_allclose(camera.center_world_m[2], truth.center_world_m[2], atol=atol)
        np.testing.assert_allclose(camera.R[:, 2], truth.R[:, 2], atol=atol)
    first = next(iter(rig.cameras.values()))
    np.testing.assert_allclose(first.center_world_m[:2], 0, atol=1e-9)
    forward = first.R[2]
    assert forward[1] > 0
    assert forward[0] == pytest.approx(0, abs=1e-9)  # it looks along y


def test_a_board_on_the_floor_gives_the_world(room):
    result = calibrate_rig(room.detections(), A3, room.lenses, floor=FloorBoard(-1))
    assert_same_world(result.rig, room, 1e-6)
    assert result.verdict.light == "green"


def test_a_floor_board_that_one_camera_sees_gives_the_world(room):
    detections = room.detections(noise_px=0.1)
    alone = {**detections, "right": [*detections["right"][:-1], None]}
    result = calibrate_rig(alone, A3, room.lenses, floor=FloorBoard(12))
    assert_same_world(result.rig, room, 0.05)


def test_feet_give_the_world(room):
    result = calibrate_rig(room.detections(), A3, room.lenses, floor=feet_of(room))
    assert_same_world(result.rig, room, 0.02)
    assert result.verdict.light == "green", result.verdict.texts()


def test_feet_with_jumps_and_swapped_joints_give_the_world(room):
    feet = feet_of(room).points_m.copy()
    feet[:6] += np.random.default_rng(1).uniform(-0.8, 0.8, (6, 3))
    result = calibrate_rig(room.detections(), A3, room.lenses, floor=FloorFeet(feet))
    assert_same_world(result.rig, room, 0.03)


def test_feet_along_a_line_or_too_few_are_refused(room):
    with pytest.raises(UserError, match="one line"):
        calibrate_rig(room.detections(), A3, room.lenses, floor=feet_of(room, reach_m=(1.0, 0.02)))
    with pytest.raises(UserError, match="at least 10 places"):
        FloorFeet(np.zeros((4, 3)))


def test_without_a_floor_up_is_assumed_and_said(room):
    result = calibrate_rig(room.detections(), A3, room.lenses)
    assert result.verdict.light == "yellow"
    assert any("floor is not known" in text for text in result.verdict.texts())
    first = result.rig.cameras["left"]
    np.testing.assert_allclose(first.R[1], (0, 0, -1), atol=1e-9)  # its own y points down
    assert min(camera.center_world_m[2] for camera in result.rig.cameras.values()) >= 0


def test_a_flipped_world_is_red(room):
    flip = np.eye(4)
    flip[:3, :3] = Rotation.from_rotvec([np.pi, 0, 0]).as_matrix()
    flipped = {n: replace(c, cam_from_world=c.cam_from_world @ flip) for n, c in room.cameras.items()}
    below = np.array([[0.0, 2.0, -1.0]])
    reasons = world_reasons(flipped, below)
    assert {reason.light for reason in reasons} == {"red"}
    assert any("camera left lies 1.40 m under the floor" in reason.text for reason in reasons)
    assert any("the boards reach 1.00 m under the floor" in reason.text for reason in reasons)
    assert any("down in every picture" in reason.text for reason in reasons)
    assert [reason.light for reason in world_reasons(room.cameras, -below)] == ["green"]


@pytest.mark.parametrize(("under_m", "lights"), [(1e-9, ["green"]), (1e-3, ["red"])])
def test_a_camera_that_stands_on_an_assumed_floor_is_not_under_it(room, under_m, lights):
    centers = np.stack([camera.center_world_m for camera in room.cameras.values()])
    lowered = np.eye(4)
    lowered[2, 3] = -centers[:, 2].min() - under_m  # the lowest camera comes to lie that much under z = 0
    cameras = {
        name: replace(camera, cam_from_world=camera.cam_from_world @ inverted(lowered))
        for name, camera in room.cameras.items()
    }
    nobody = np.zeros((0, 3))
    assert {reason.light for reason in world_reasons(cameras, nobody)} == set(lights)


def test_a_board_above_peoples_heads_is_no_floor(room):
    ceiling = board_at(A3, (0.1, 3.4, 2.0), facing_m=(0.1, 3.3, 0.0))
    up_there = Room(room.cameras, A3, [*room.world_from_board[:-1], ceiling])
    result = calibrate_rig(up_there.detections(), A3, room.lenses, floor=FloorBoard(-1))
    assert result.verdict.light == "red"


def test_a_board_on_a_table_is_red_while_others_are_held_below_it(room):
    table = floor_board(A3, at_m=(0.1, 3.0))
    table[2, 3] = 1.0
    result = calibrate_rig(
        Room(room.cameras, A3, [*room.world_from_board[:-1], table]).detections(), A3, room.lenses, floor=FloorBoard(-1)
    )
    assert result.verdict.light == "red"
    assert any("under the floor" in text for text in result.verdict.texts())


def test_an_upright_board_is_no_floor(room):
    wall = board_at(A3, (0, 3.5, 1.0), facing_m=(0, 0, 1.0))
    result = calibrate_rig(
        Room(room.cameras, A3, [*room.world_from_board[:-1], wall]).detections(), A3, room.lenses, floor=FloorBoard(-1)
    )
    assert result.verdict.light != "green"


def test_a_floor_board_that_nobody_sees_is_refused(room):
    detections = {n: [*row[:-1], None] for n, row in room.detections().items()}
    with pytest.raises(UserError, match="no camera sees the board on the floor in view -1"):
        calibrate_rig(detections, A3, room.lenses, floor=FloorBoard(-1))
    with pytest.raises(UserError, match="there is no view 40"):
        calibrate_rig(detections, A3, room.lenses, floor=FloorBoard(40))


def test_people_under_the_floor_are_red(room):
    feet = feet_of(room)
    camera = room.cameras["left"]
    T = inverted(camera.cam_from_world)
    low = (feet.points_m @ T[:3, :3].T + T[:3, 3]) + (0, 0, -0.6)
    assert [reason.light for reason in world_reasons(room.cameras, low, what="the feet")] == ["red"]
