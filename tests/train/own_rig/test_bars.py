"""Bars joint by joint."""

from dataclasses import replace

import cv2
import numpy as np

from train.evaluate_takes import TakeFigures
from train.own_rig.bars import _mean_per_joint, plot_joints


def figures(kind, mm, frames=10):
    joints = tuple(float("nan") if j == 6 else mm for j in range(16))
    return TakeFigures("t", kind, frames, 1.0, mm, mm, mm, joints, 0.1, 0.1, 20.0)


def test_takes_are_averaged_by_their_frames():
    mean = _mean_per_joint([figures("error", 10.0, 30), figures("error", 50.0, 10)], 25)
    assert np.isnan(mean[6])
    assert mean[0] == 20.0
    assert np.isnan(mean[16:]).all()
    more = replace(figures("error", 10.0), per_joint_mm=(10.0,) * 25)
    assert _mean_per_joint([figures("error", 50.0), more], 25)[[0, 24]].tolist() == [30.0, 10.0]


def test_a_network_that_found_nobody_is_drawn_as_nothing(tmp_path):
    nobody = figures("agreement", float("nan"))
    assert plot_joints([nobody], [figures("agreement", 40.0)], tmp_path / "x.png").is_file()


def test_a_picture_with_a_row_for_each_kind(tmp_path):
    both = [figures("agreement", 60.0), figures("error", 80.0)]
    one = plot_joints(both[:1], [figures("agreement", 40.0)], tmp_path / "one.png")
    two = plot_joints(both, both, tmp_path / "two.png")
    assert cv2.imread(str(two)).shape[0] > 1.5 * cv2.imread(str(one)).shape[0]
