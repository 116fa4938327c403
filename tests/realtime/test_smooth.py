"""Steady when still, not late when fast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.crop import Box
from engine.joints import Joints
from realtime.smooth import GAP_S, JointSmoother, OneEuro
from tests.realtime.fake_engine import view

_, K = view()
SIDE_PX = 400.0


def joints_at(offset_px: Any = 0.0, *, depth=0.1, side_px=SIDE_PX, score=1.0):
    px = np.linspace((500, 200), (700, 560), 16) + offset_px
    box = Box(np.array([600.0, 380.0]), side_px)
    return Joints(px, np.full(16, depth), np.full((16, 3), 0.02), np.full(16, score), 1.0, box)


def swing_px(time_s, hz=1.0):
    return 0.3 * SIDE_PX * np.sin(2 * np.pi * hz * time_s)


def test_a_still_pose_jitters_a_quarter_as_much():
    rng = np.random.default_rng(0)
    smoother = JointSmoother(K)
    raw, smooth, smooth_depth = [], [], []
    for index in range(300):
        noisy = joints_at(rng.normal(0, 0.005 * SIDE_PX, (16, 2)))
        noisy.depth[:] += rng.normal(0, 0.005, 16)
        raw.append(noisy.px)
        joints = smoother(noisy, index / 30)
        smooth.append(joints.px)
        smooth_depth.append(joints.depth)
    jitter, before = np.diff(smooth[60:], axis=0).std(), np.diff(raw[60:], axis=0).std()
    assert before / jitter > 4
    assert np.std(raw[60:] - raw[0]) / np.std(smooth[60:] - np.mean(smooth[60:], axis=0)) > 2
    assert np.diff(smooth_depth[60:], axis=0).std() < 0.005 * np.sqrt(2) / 4


@pytest.mark.parametrize(("fps", "late_ms"), [(30, 12), (60, 12), (15, 20)])
def test_a_waving_wrist_is_hardly_late(fps, late_ms):
    smoother = JointSmoother(K)
    times_s = np.arange(0, 8, 1 / fps)
    answers = [smoother(joints_at(swing_px(t)), t).px[0, 0] - 500 for t in times_s]
    shifts_s = np.arange(0, 0.1, 0.001)
    errors = [
        np.abs(np.interp(times_s[fps:-fps], times_s - s, answers) - swing_px(times_s[fps:-fps])).mean()
        for s in shifts_s
    ]
    assert shifts_s[np.argmin(errors)] * 1e3 < late_ms


def test_one_setting_serves_every_resolution():
    times_s = np.arange(60) / 30
    large, small = JointSmoother(K), JointSmoother(np.diag([0.25, 0.25, 1.0]) @ K)
    for time_s in times_s:
        joints = joints_at(swing_px(time_s))
        quarter = replace(joints, px=joints.px / 4, box=Box(joints.box.center_px / 4, SIDE_PX / 4))
        np.testing.assert_allclose(small(quarter, time_s).px * 4, large(joints, time_s).px, atol=1e-9)


def test_a_box_that_changes_its_size_does_not_move_the_depth():
    smoother = JointSmoother(K)
    for index, side_px in enumerate((400.0, 500.0, 300.0, 900.0)):
        # the same (Z - Z_root) / Z_root in another box: crop units go with 1 / side
        joints = smoother(joints_at(depth=0.1 * 400.0 / side_px, side_px=side_px), index / 30)
        assert joints.depth == pytest.approx(0.1 * 400.0 / side_px, abs=1e-12)


def test_an_unsure_joint_is_smoothed_more():
    sure, unsure = JointSmoother(K), JointSmoother(K)
    for index in range(10):
        step = 50.0 * (index > 4)
        early = sure(joints_at(step), index / 30).px
        late = unsure(joints_at(step, score=0.0), index / 30).px
        assert np.all(late[:, 0] < early[:, 0]) == (index > 4)


def test_the_same_time_twice_gives_the_same_answer_and_divides_by_nothing():
    smoother = JointSmoother(K)
    smoother(joints_at(0.0), 0.0)
    first = smoother(joints_at(10.0), 0.1)
    again = smoother(joints_at(90.0), 0.1)
    np.testing.assert_array_equal(first.px, again.px)
    assert np.isfinite(smoother(joints_at(10.0), 0.2).px).all()


@pytest.mark.parametrize("later_s", [-1.0, -1e-9, GAP_S + 0.1])
def test_time_that_runs_back_or_leaves_a_gap_starts_afresh(later_s):
    smoother = JointSmoother(K)
    smoother(joints_at(0.0), 5.0)
    np.testing.assert_array_equal(smoother(joints_at(80.0), 5.0 + later_s).px, joints_at(80.0).px)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0, 0.4)), min_size=2, max_size=30),
    st.floats(0.01, 10),
    st.floats(0, 50),
)
def test_the_answer_never_leaves_the_range_of_what_came_in(steps, min_cutoff_hz, beta):
    smoother, time_s, seen = OneEuro(min_cutoff_hz, beta), 0.0, []
    for value, dt in steps:
        time_s += dt
        seen.append(value)
        answer = smoother(np.array([value]), time_s)[0]
        assert min(seen) - 1e-9 <= answer <= max(seen) + 1e-9


def test_what_comes_in_and_what_went_out_are_left_alone():
    smoother = OneEuro(1.0, 0.0)
    value = np.array([1.0])
    answer = smoother(value, 0.0)
    answer[:] = 7.0
    value[:] = 9.0
    np.testing.assert_array_equal(smoother(np.array([1.0]), 0.1), [1.0])


def test_a_cutoff_of_zero_is_refused():
    with pytest.raises(ValueError, match="cut-offs must be positive"):
        OneEuro(0.0, 1.0)
