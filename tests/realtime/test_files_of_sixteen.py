"""Files that the version before wrote, with the sixteen joints it knew, open as they did."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from engine.skeleton import BODY25, MPII16
from realtime.sinks.csv import columns_of
from realtime.sinks.poses import PosesError, read_poses
from realtime.take_joints import BODY, read_camera_joints, write_joints
from realtime.takes import TakeError
from tests.realtime.fake_engine import standing
from tests.realtime.takes.walked_take import Scene, Walker
from train.own_rig.labels import read_labels

FILES = Path(__file__).parent / "mpii16_files"


@pytest.mark.parametrize("name", ["poses.jsonl", "poses.npz", "killed.npz"])
def test_poses_are_read(name):
    poses = read_poses(FILES / name)
    assert poses.skeleton is MPII16
    assert poses.header["skeleton"] == "mpii16"
    assert poses.frame.tolist() == [0, 1, 1, 3]
    assert poses.frames_seen.tolist() == [0, 1, 2, 3]
    assert poses.joints_px.shape == (4, 16, 2)
    first_m = standing((0.3, 0.1, 4.0), arms=0.8)
    np.testing.assert_allclose(poses.joints_m[0], first_m - first_m[6], atol=6e-5)
    assert np.isnan(poses.root_m[2]).all()


def test_a_table_has_the_columns_that_it_had():
    with open(FILES / "poses.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == columns_of(MPII16)
    assert [len(row) for row in rows] == [len(header)] * 5


def test_joints_and_labels_of_takes_are_read():
    scene = Scene(seconds=0.4)
    for i in range(2):
        joints = read_camera_joints(FILES, f"cam{i}")
        assert joints is not None
        assert joints.skeleton is MPII16
        np.testing.assert_allclose(joints.px, scene.joints(i).px)
        assert joints.core_track().px.shape == joints.track().px.shape == (12, len(BODY.names), 2)
    labels = read_labels(FILES)
    assert labels.joints_cam_m.shape == (6, 16, 3)
    np.testing.assert_allclose(labels.joints_cam_m[0], scene.people_m(0)[0, 0])


def test_joints_of_a_take_come_back_with_their_skeleton(tmp_path):
    scene = Scene(seconds=0.4, walker=Walker(seed=3, radius_m=0.6, skeleton=BODY25))
    write_joints(tmp_path, "cam0", scene.joints(0))
    joints = read_camera_joints(tmp_path, "cam0")
    assert joints is not None
    assert joints.skeleton is BODY25
    assert joints.track().px.shape == (12, 25, 2)
    np.testing.assert_array_equal(joints.core_track().px, joints.track().px[:, :16])


def test_a_take_with_joints_of_no_known_skeleton_says_so_in_one_line(tmp_path):
    with np.load(FILES / "joints_cam0.npz") as file:
        held = dict(file)
    for name in ("px", "sigma_px", "score"):
        held[name] = held[name][:, :7]
    np.savez(tmp_path / "joints_cam0.npz", **held)
    with pytest.raises(TakeError, match=r"does not fit \(no skeleton has 7 joints.*remove it") as caught:
        read_camera_joints(tmp_path, "cam0")
    assert "\n" not in str(caught.value)


def test_poses_of_a_skeleton_that_nobody_knows_are_refused(tmp_path):
    first, rest = (FILES / "poses.jsonl").read_text().split("\n", 1)
    header = json.loads(first) | {"skeleton": "hand3", "joints": ["wrist", "thumb", "index"]}
    (tmp_path / "x.jsonl").write_text(json.dumps(header) + "\n" + rest)
    with pytest.raises(PosesError, match=r"3 joints \(wrist, thumb, index \.\.\.\) of no known skeleton.*update"):
        read_poses(tmp_path / "x.jsonl")
