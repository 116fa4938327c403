"""Clocks from motion: offset, drift, drops, jitter, and when nothing can be told."""

import numpy as np
import pytest

from calib.epipolar import Relative
from calib.rig import Clock
from calib.sync import camera_time_s, fit_clock, rig_time_s
from tests.calib.walker import Clip, Noise, Walker, make_pair, true_relative


def recorded(seed, clock, *, seconds=30.0, walker=None, drops=0.02, jitter_s=0.003, noise=None):
    """Two free-running cameras at 30 fps: each with its own phase, drops, jitter; the second with its own clock."""
    rng = np.random.default_rng(seed)
    cameras = make_pair()
    clip = Clip(walker or Walker(seed), cameras, np.zeros(1), noise or Noise(), seed)
    tracks = {}
    for i, (name, camera) in enumerate(cameras.items()):
        rig_s = np.arange(0, seconds, 1 / 30) + rng.uniform(0, 1 / 30)
        rig_s = rig_s[rng.random(len(rig_s)) > drops]
        stamps = (camera_time_s(rig_s, clock) if i else rig_s) + np.clip(
            rng.normal(0, jitter_s, len(rig_s)), -0.014, 0.014
        )
        tracks[name] = clip.track(i, camera, rig_s, np.sort(stamps))
    return cameras, tracks


@pytest.mark.parametrize(("seed", "offset_s", "drift_ppm"), [(0, -0.05, 80.0), (1, 0.05, -80.0), (2, 0.013, 80.0)])
def test_offset_and_drift_are_found_to_two_milliseconds(seed, offset_s, drift_ppm):
    true = Clock(offset_s, drift_ppm)
    cameras, tracks = recorded(seed, true)
    found = fit_clock(tracks["left"], tracks["right"], list(cameras.values()))
    assert found.known
    moments_s = np.array([0.0, 15.0, 30.0])
    errors_s = rig_time_s(moments_s, found.clock) - rig_time_s(moments_s, true)
    assert np.abs(errors_s).max() < 0.002
    assert abs(errors_s[1]) < 4 * found.sigma_s
    assert max(found.relative.apart_deg(Relative.of(true_relative(cameras)))) < 0.5


def test_200_ms_are_found_and_are_not_normal():
    cameras, tracks = recorded(1, Clock(0.2), seconds=15.0)
    found = fit_clock(tracks["left"], tracks["right"], list(cameras.values()))
    assert found.clock.offset_s == pytest.approx(0.2, abs=0.003)
    assert [reason.light for reason in found.reasons] == ["yellow"]


@pytest.mark.parametrize("gestures", [0.0, 0.03])
def test_a_person_who_stands_still_tells_nothing(gestures):
    still = Walker(1, radius_m=0.0, gestures=gestures, legs=0.0, facing_deg=20.0)
    cameras, tracks = recorded(1, Clock(0.02), walker=still, seconds=20.0)
    found = fit_clock(tracks["left"], tracks["right"], list(cameras.values()))
    assert not found.known
    assert found.clock == Clock()
    assert "cannot be told" in found.reasons[0].text


def test_a_known_pose_is_used():
    true = Clock(-0.03)
    cameras, tracks = recorded(4, true, seconds=15.0)
    pose = Relative.of(true_relative(cameras))
    found = fit_clock(tracks["left"], tracks["right"], list(cameras.values()), known=pose)
    assert found.clock.offset_s == pytest.approx(-0.03, abs=0.002)
    assert max(found.relative.apart_deg(pose)) < 1e-3


def test_recordings_of_different_times_are_said():
    cameras, tracks = recorded(4, Clock(100.0), seconds=5.0)
    found = fit_clock(tracks["left"], tracks["right"], list(cameras.values()))
    assert not found.known
    assert "at the same time" in found.reasons[0].text


def test_both_directions_of_a_clock_are_each_others_inverse():
    clock, moments_s = Clock(0.3, 120.0), np.array([0.0, 1.0, 3600.0])
    assert camera_time_s(rig_time_s(moments_s, clock), clock) == pytest.approx(moments_s, abs=1e-9)
