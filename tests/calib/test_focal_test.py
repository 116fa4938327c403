"""The test that frees both focal lengths: it warns of lenses that do not belong together, and changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from calib.epipolar import Relative
from calib.epipolar_fit import refined
from calib.epipolar_pose import pairs_of
from calib.focal_test import focal_wish
from tests.calib.walker import Clip, Noise, Walker, make_pair, spread_times, true_relative


def wish_of(factors, *, noise=None, seed=0, frames=300):
    """With focal lengths that are wrong by these factors."""
    cameras = make_pair()
    clip = Clip(Walker(seed), cameras, spread_times(frames, 60.0), noise or Noise(3.0), seed)
    tracks = clip.tracks()
    wrong = [
        replace(camera, K=camera.K @ np.diag([factor, factor, 1.0]))
        for camera, factor in zip(cameras.values(), factors, strict=True)
    ]
    pairs = pairs_of(tracks["left"], tracks["right"], wrong)
    return focal_wish(refined(pairs, Relative.of(true_relative(cameras))))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_right_lenses_are_left_alone(seed):
    wish = wish_of((1.0, 1.0), seed=seed)
    assert not wish.warns_of_one
    assert abs(wish.apart) < 0.02


def test_a_lens_ten_percent_too_long_against_the_other_is_noticed():
    wish = wish_of((1.05, 1 / 1.05))
    assert wish.warns_of_one
    assert wish.apart == pytest.approx(2 * np.log(1.05), abs=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_detectors_habits_do_not_raise_an_alarm(seed):
    assert not wish_of((1.0, 1.0), noise=Noise(2.0, 0.06, 0.015, 0.03), seed=seed).warns_of_one
