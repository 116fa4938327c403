"""Joints between frames."""

import numpy as np
import pytest

from calib.joint_track import Track
from calib.moments import at_times, local_parabola, motion_of


def track_of(time_s, path, score=0.9):
    px = np.stack([path(time_s), 2 * path(time_s)], axis=-1)[:, None]
    return Track(time_s, px, np.full((len(time_s), 1), score))


def wave(time_s):
    return 600 + 80 * np.sin(2 * np.pi * 0.8 * time_s)


def test_joints_between_frames_follow_a_wave_much_better_than_the_nearest_frame_does():
    time_s = np.arange(0, 3, 1 / 30)
    between_s = time_s[2:-3] + 1 / 60
    got = at_times(track_of(time_s, wave), between_s).px[:, 0, 0]
    assert np.abs(got - wave(between_s)).max() < 0.15
    assert np.abs(wave(time_s[2:-3]) - wave(between_s)).max() > 5


def test_a_missing_frame_or_two_are_bridged_and_three_are_not():
    time_s = np.arange(0, 2, 1 / 30)
    for missing, bridged in ((1, True), (2, True), (3, False)):
        kept = np.ones(len(time_s), bool)
        kept[30 : 30 + missing] = False
        got = at_times(track_of(time_s, wave).picked(kept), time_s[30:31])
        assert bool(got.seen[0, 0]) == bridged
        if bridged:
            assert got.px[0, 0, 0] == pytest.approx(wave(time_s[30]), abs=4.0)


def test_nothing_is_made_up_outside_of_the_track():
    time_s = np.arange(0, 1, 1 / 30)
    got = at_times(track_of(time_s, wave), np.array([-0.1, 0.5, 1.5]))
    assert got.seen[:, 0].tolist() == [False, True, False]
    assert got.score[:, 0].tolist() == [0.0, 0.9, 0.0]


def test_a_wrong_joint_bends_only_its_neighbours():
    time_s = np.arange(0, 2, 1 / 30)
    track = track_of(time_s, wave)
    wrong = track.px.copy()
    wrong[30] += 200
    between_s = time_s[5:55] + 1 / 60
    away = np.abs(at_times(Track(time_s, wrong, track.score), between_s).px - at_times(track, between_s).px)[:, 0, 0]
    assert set(np.flatnonzero(away > 1e-6) + 5) == {28, 29, 30, 31}


def test_smoothing_takes_stamps_with_jitter_and_drops_as_they_are():
    rng = np.random.default_rng(0)
    time_s = np.sort(np.arange(0, 4, 1 / 30) + rng.normal(0, 0.003, 120))[rng.random(120) > 0.05]
    values = np.stack([wave(time_s), 3 * time_s], axis=-1)[:, None]
    smooth, slopes = local_parabola(time_s, values, np.ones((len(time_s), 1)), 0.03)
    inner = slice(5, -5)
    assert np.abs(smooth - values)[inner, 0, 0].max() < 1.0
    assert slopes[:, 0, 1] == pytest.approx(np.full(len(time_s), 3.0))
    expected = 80 * 2 * np.pi * 0.8 * np.cos(2 * np.pi * 0.8 * time_s)
    assert np.abs(slopes[inner, 0, 0] - expected[inner]).max() < 0.05 * np.abs(expected).max()


def test_smoothing_halves_noise_and_does_not_lag():
    rng = np.random.default_rng(1)
    time_s = np.arange(0, 20, 1 / 30)
    noisy = (wave(time_s) + rng.normal(0, 3, len(time_s)))[:, None, None]
    smooth, _ = local_parabola(time_s, noisy, np.ones((len(time_s), 1)), 0.05)
    left = smooth[5:-5, 0, 0] - wave(time_s)[5:-5]
    assert left.std() < 0.6 * 3
    slope = np.gradient(wave(time_s), time_s)[5:-5]
    assert abs((left * slope).sum() / (slope**2).sum()) < 0.001  # seconds of lag


def test_a_jump_is_left_out_of_the_motion():
    time_s = np.arange(0, 2, 1 / 30)
    rays = np.stack([wave(time_s), wave(time_s)], axis=-1)[:, None] / 950
    track = track_of(time_s, wave)
    jumped = rays.copy()
    jumped[30] += 0.2
    clean = motion_of(track, rays, 950.0).rays
    assert np.abs(motion_of(track, jumped, 950.0).rays - clean)[1:-1].max() < 0.005


def test_an_unknown_stretch_stays_unknown():
    time_s = np.arange(0, 2, 1 / 30)
    values = wave(time_s)[:, None, None].copy()
    values[20:40] = np.nan
    smooth, _ = local_parabola(time_s, values, np.ones((len(time_s), 1)), 0.03)
    assert np.isnan(smooth[27:33]).all()
    assert np.isfinite(smooth[:15]).all()


def test_between_the_frames_of_a_single_frame_there_is_nothing():
    track = track_of(np.array([0.5]), wave)
    rays, velocity = motion_of(track, track.px, 500.0).at(np.array([0.4, 0.5]))
    assert np.isnan(rays).all()
    assert np.isnan(velocity).all()
