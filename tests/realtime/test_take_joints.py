"""Joints of a take: every frame of every camera, kept, and made anew when the weights change."""

import numpy as np
import pytest

from engine.skeleton import BODY25, MPII16
from realtime.take_joints import BODY, body_of, joints_path, read_camera_joints, take_joints
from realtime.takes import TakeError, open_take
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import Scene
from tests.realtime.takes.walked_take import SceneEngine as Engine


def quiet(done, total=None, text=""):
    pass


@pytest.fixture
def scene():
    return Scene(seconds=2.0)


def test_every_frame_of_both_cameras_has_its_joints(scene, tmp_path):
    take = open_take(scene.write(tmp_path / "t"))
    steps = []
    found = take_joints(take, scene.engine(), lenses=scene.cameras, step=lambda d, t=None, x="": steps.append((d, t)))
    for i, (name, lens) in enumerate(scene.cameras.items()):
        joints = found[name]
        true = np.stack([lens.project(people[0]) for people in scene.people_m(i)])
        inside = np.isfinite(joints.px).all(-1)
        assert len(joints.frame) == 60
        assert inside.mean() > 0.9
        assert np.median(np.linalg.norm(joints.px - true, axis=-1)[inside]) < 2.0
        assert np.array_equal(joints.time_s, take.cameras[name].steady_s)
        assert joints.company == 0.0
        assert len(joints.looked) == 2
        assert joints.track().px.shape == (60, len(BODY.names), 2)
    assert steps[-1] == (120, 120)
    assert [d for d, _ in steps] == sorted(d for d, _ in steps)


def test_a_take_seen_by_a_network_of_the_other_skeleton_has_its_joints(tmp_path):
    scene = Scene(seconds=1.0, walker=Walker(seed=3, radius_m=0.6, skeleton=BODY25))
    take = open_take(scene.write(tmp_path / "t"))
    found = take_joints(take, scene.engine(), lenses=scene.cameras, step=quiet)
    for i, (name, lens) in enumerate(scene.cameras.items()):
        joints = found[name]
        true = np.stack([lens.project(people[0]) for people in scene.people_m(i)])
        inside = np.isfinite(joints.px).all(-1)
        assert joints.skeleton is BODY25
        assert inside.shape == (30, 25)
        assert np.median(np.linalg.norm(joints.px - true, axis=-1)[inside]) < 2.0
        assert read_camera_joints(take.folder, name).skeleton is BODY25
        assert joints.core_track().px.shape == (30, len(BODY.names), 2)


def test_bodies_are_those_of_the_skeletons():
    assert BODY.names == MPII16.names
    assert BODY.extremities == ()
    assert BODY.core.all()
    whole = body_of(BODY25)
    assert [whole.names[joint] for joint in whole.along[0]] == ["r_heel", "r_toe"]
    assert [whole.names[joint] for joint in whole.along[1]] == ["r_hand", "r_ear"]
    assert whole.core.sum() == len(MPII16)
    assert (whole.bones[:15], whole.bone_parts[:15], whole.limbs) == (BODY.bones, BODY.bone_parts, BODY.limbs)


def test_joints_are_kept_until_the_weights_change(scene, tmp_path):
    take = open_take(scene.write(tmp_path / "t"))
    first = take_joints(take, scene.engine(), lenses=scene.cameras, step=quiet)
    idle = scene.engine()
    again = take_joints(take, idle, lenses=scene.cameras, step=quiet)
    assert idle.frames == 0
    assert np.array_equal(again["cam1"].px, first["cam1"].px, equal_nan=True)
    other = scene.engine(hash="b" * 64)
    take_joints(take, other, lenses=scene.cameras, step=quiet)
    assert other.frames > 0
    assert read_camera_joints(take.folder, "cam0").weights_hash == "b" * 64


def test_a_second_person_is_counted(tmp_path):
    scene = Scene(seconds=3.0, second=Walker(seed=8, radius_m=0.3, center_m=(1.1, 0.6)))
    take = open_take(scene.write(tmp_path / "t"))
    found = take_joints(take, scene.engine(), lenses=scene.cameras, step=quiet)
    assert max(joints.company for joints in found.values()) > 0.5


def test_a_damaged_file_of_joints_is_named(scene, tmp_path):
    take = open_take(scene.write(tmp_path / "t"))
    joints_path(take.folder, "cam0").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TakeError, match=r"joints_cam0.npz is not readable .* remove it"):
        take_joints(take, scene.engine(), step=quiet)


def test_a_take_without_a_person_is_refused(tmp_path):
    scene = Scene(seconds=0.5)
    take = open_take(scene.write(tmp_path / "t"))
    blind: Engine = scene.engine()
    blind.scene = Scene(seconds=0.5)
    blind.broken = True
    with pytest.raises(TakeError, match="nobody was seen in 15 frames"):
        take_joints(take, blind, step=quiet)
