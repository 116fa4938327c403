"""The cadence behind stamps, and one clock against another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.clock import cadence_of, clock_between
from calib.rig import Clock

PERIOD_S = 1 / 30


def readouts(seconds, *, phase_s=0.0, drift_ppm=0.0):
    """When a free-running sensor is read out, on the host's clock."""
    return phase_s + np.arange(int(seconds / PERIOD_S)) * PERIOD_S * (1 + drift_ppm * 1e-6)


def without(times_s, share, seed):
    """Some are dropped, sometimes several in a row; the first stays."""
    rng = np.random.default_rng(seed)
    kept = rng.random(len(times_s)) > share
    gap = len(times_s) // 2
    kept[gap : gap + 4] = False
    kept[0] = True
    return kept


@pytest.mark.parametrize("jitter_s", [0.0, 0.002, 0.008])
def test_steady_moments_are_the_readouts_also_across_drops(jitter_s):
    rng = np.random.default_rng(1)
    true_s = readouts(60, phase_s=0.4, drift_ppm=80)
    kept = without(true_s, 0.03, 2)
    stamp_s = np.sort(true_s + rng.uniform(-jitter_s, jitter_s, len(true_s)))[kept]
    cadence = cadence_of(stamp_s)
    assert cadence.regular
    assert np.abs(cadence.steady_s - true_s[kept]).max() < 0.0001 + 0.25 * jitter_s
    assert cadence.number.tolist() == np.flatnonzero(kept).tolist()
    assert cadence.dropped == (~kept[: np.flatnonzero(kept)[-1]]).sum()
    assert cadence.period_s == pytest.approx(PERIOD_S * (1 + 80e-6), rel=2e-3)


def test_late_arrivals_move_nothing():
    rng = np.random.default_rng(3)
    true_s = readouts(30)
    late_s = np.where(rng.random(len(true_s)) < 0.05, rng.uniform(0.005, 0.025, len(true_s)), 0.0005)
    cadence = cadence_of(true_s + late_s)
    assert np.abs(cadence.steady_s - true_s - 0.0005).max() < 0.0005
    assert cadence.dropped == 0


def test_a_camera_that_halves_its_rate_drops_nothing_but_is_followed():
    fast_s = readouts(10)
    slow_s = fast_s[-1] + 2 * PERIOD_S * np.arange(1, 150)
    stamp_s = np.concatenate([fast_s, slow_s])
    cadence = cadence_of(stamp_s)
    assert cadence.dropped == 0
    assert np.abs(cadence.steady_s - stamp_s).max() < 0.001


def test_segments_are_fitted_each_on_its_own():
    first_s, second_s = readouts(10), 17.123456 + readouts(10)
    stamp_s = np.concatenate([first_s, second_s])
    segment = np.repeat([0, 1], [len(first_s), len(second_s)])
    cadence = cadence_of(stamp_s, segment)
    assert np.abs(cadence.steady_s - stamp_s).max() < 1e-6
    assert cadence.dropped == 0


@pytest.mark.parametrize(("seed", "count"), [(5, 400), (6, 60), (7, 40), (8, 40), (9, 40)])
def test_a_rate_that_varies_at_random_is_left_as_it_is(seed, count):
    stamp_s = np.cumsum(np.random.default_rng(seed).uniform(0.01, 0.09, count))
    cadence = cadence_of(stamp_s)
    assert not cadence.regular
    assert np.array_equal(cadence.steady_s, stamp_s)
    assert cadence.dropped == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1e-4, 10.0), min_size=0, max_size=60))
def test_no_stamps_whatever_break_it(steps):
    stamp_s = np.cumsum(np.array(steps, np.float64))
    cadence = cadence_of(stamp_s)
    assert len(cadence.steady_s) == len(stamp_s)
    assert np.isfinite(cadence.steady_s).all()
    assert (np.diff(cadence.steady_s) > 0).all()
    assert (cadence.dropped_after >= 0).all()


def walking(time_s):
    """Exact joints: channels of a motion that never repeats within a minute."""
    phases = np.linspace(0, 5, 6)
    return np.stack([np.sin(1.7 * time_s + p) + 0.4 * np.sin(0.31 * np.pi * time_s * (1 + 0.1 * p)) for p in phases], 1)


@pytest.mark.parametrize("offset_s", [0.0, 0.0113, -0.045])
def test_exact_joints_at_the_stamps_give_offset_and_drift_within_two_milliseconds(offset_s):
    rng = np.random.default_rng(7)
    a_s = readouts(60)
    b_true_s = readouts(60, phase_s=0.0071)
    kept_a, kept_b = without(a_s, 0.02, 11), without(b_true_s, 0.02, 12)
    clock = Clock(offset_s, 80.0)
    b_clock_s = (b_true_s - clock.offset_s) / (1 + clock.drift_ppm * 1e-6)  # what b's clock says
    stamps_a = (a_s + rng.uniform(-0.008, 0.008, len(a_s)))[kept_a]
    stamps_b = (b_clock_s + rng.uniform(-0.008, 0.008, len(a_s)))[kept_b]
    cadence_a, cadence_b = cadence_of(np.sort(stamps_a)), cadence_of(np.sort(stamps_b))
    found = clock_between(cadence_a.steady_s, walking(a_s[kept_a]), cadence_b.steady_s, walking(b_true_s[kept_b]))
    at_s = np.array([0.0, 30.0, 60.0])
    error_s = (found.offset_s - offset_s) + (found.drift_ppm - 80.0) * 1e-6 * at_s
    assert np.abs(error_s).max() < 0.002
    assert abs(found.drift_ppm - 80.0) * 1e-6 * 60 < 0.002
    raw = clock_between(np.sort(stamps_a), walking(a_s[kept_a]), np.sort(stamps_b), walking(b_true_s[kept_b]))
    assert abs(raw.offset_s - offset_s) < 0.01  # the stamps themselves, for comparison


def test_clocks_without_common_time_are_refused():
    a_s, b_s = readouts(2), 100 + readouts(2)
    with pytest.raises(ValueError, match="share 0 frames"):
        clock_between(a_s, walking(a_s), b_s, walking(b_s))
