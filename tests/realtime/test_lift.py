"""Metres from crop units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crop import Box, box_around, crop_camera, crop_labels
from engine.joints import Joints
from engine.skeleton import BONE_OVER_HEIGHT, ROOT
from realtime.lift import Lifter, root_distance, unit_pose
from tests.realtime.fake_engine import projected, standing, view


def joints_of(joints_m, K, *, score=1.0, box=None):
    px = projected(joints_m, K)
    box = box or box_around(px)
    _, depth = crop_labels(crop_camera(box, K, 1), joints_m, root=ROOT)
    return Joints(px, depth, np.full((16, 3), 0.01), np.full(16, float(score)), 1.0, box)


@settings(max_examples=50, deadline=None)
@given(
    x=st.floats(-1.5, 1.5),
    z=st.floats(1.5, 12.0),
    height_m=st.floats(1.0, 2.1),
    arms=st.floats(0, 3),
    shift=st.floats(-0.2, 0.2),
)
def test_a_pose_with_the_expected_bones_lifts_back_to_the_truth(x, z, height_m, arms, shift):
    _, K = view()
    truth_m = standing((x, 0.1, z), height_m=height_m, arms=arms)
    tight = box_around(projected(truth_m, K))
    box = Box(tight.center_px + shift * tight.side_px, tight.side_px * (1 + shift))
    offsets_m, root_m = Lifter(K, height_m)(joints_of(truth_m, K, box=box), 0.0)
    np.testing.assert_allclose(offsets_m + root_m, truth_m, atol=1e-9)
    np.testing.assert_array_equal(offsets_m[ROOT], 0.0)


def test_the_whole_pose_scales_with_the_stated_height():
    _, K = view()
    joints = joints_of(standing((0.2, 0, 3)), K)
    small, small_root = Lifter(K, 1.0)(joints, 0.0)
    large, large_root = Lifter(K, 2.0)(joints, 0.0)
    np.testing.assert_allclose(large, 2 * small, atol=1e-12)
    np.testing.assert_allclose(large_root, 2 * small_root, atol=1e-12)


def test_two_wild_joints_barely_move_the_distance():
    _, K = view()
    joints = joints_of(standing((0, 0, 4)), K)
    joints.px[[10, 0]] += (150, -130)
    _, root_m = Lifter(K)(joints, 0.0)
    assert abs(root_m[2] - 4) < 0.1


def test_bones_of_unsure_joints_count_less():
    _, K = view()
    joints = joints_of(standing((0, 0, 4)), K)
    joints.px[[0, 1, 4, 5]] = projected(standing((0, 0, 4), height_m=2.2), K)[[0, 1, 4, 5]]
    joints.score[[0, 1, 4, 5]] = 0.02
    _, root_m = Lifter(K)(joints, 0.0)
    assert abs(root_m[2] - 4) < 0.03


def test_an_unsure_collapsed_or_backward_pose_gives_finite_metres_in_front_of_the_camera():
    _, K = view()
    joints = joints_of(standing((0, 0, 4)), K, score=0.0)
    joints.px[:] = joints.px[ROOT]
    joints.depth[:] = np.linspace(-9, 0, 16)
    joints.depth[ROOT] = 0
    assert unit_pose(joints, K)[:, 2].min() > 0.04
    offsets_m, root_m = Lifter(K)(joints, 0.0)
    assert np.isfinite(offsets_m).all()
    assert np.isfinite(root_m).all()


def test_the_distance_of_a_standing_person_is_steady_and_a_walker_is_followed():
    _, K = view()
    rng = np.random.default_rng(1)
    lifter, still, walking = Lifter(K), [], []
    for index in range(300):
        time_s = index / 30
        z = 5.0 if time_s < 6 else 5.0 - 1.4 * min(time_s - 6, 2.0)
        joints = joints_of(standing((0, 0, z)), K)
        joints.px[:] += rng.normal(0, 0.01 * joints.box.side_px, (16, 2))
        joints.depth[:] += rng.normal(0, 0.02, 16)
        _, root_m = lifter(joints, time_s)
        (still if 2 < time_s < 6 else walking).append(root_m[2] - z)
    assert np.std(still) < 0.06  # the estimate of one frame scatters by more than twice that
    assert np.max(np.abs(walking[60:])) < 0.75
    assert abs(walking[-1]) < 0.35


def test_without_smoothing_each_frame_stands_for_itself():
    _, K = view()
    lifter = Lifter(K, smooth=False)
    for z in (5.0, 2.0, 8.0):
        _, root_m = lifter(joints_of(standing((0, 0, z)), K), 0.0)
        assert root_m[2] == pytest.approx(z, abs=1e-9)


def test_the_distance_solves_the_weighted_least_squares_where_bones_agree():
    pose = standing((0.0, 0.0, 1.0), height_m=0.5)
    bones_m = np.array(list(BONE_OVER_HEIGHT.values())) * 1.5
    assert root_distance(pose, np.ones(16), bones_m) == pytest.approx(3.0, abs=1e-12)


def test_a_height_in_centimetres_is_refused():
    with pytest.raises(ValueError, match=r"height_m = 170"):
        Lifter(view()[1], 170.0)
