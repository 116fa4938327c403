"""Both focal lengths wrong by the same share: what joints alone cannot tell, rigid bones can, from 8 % on."""

from dataclasses import replace

import numpy as np
import pytest

from calib.epipolar import Relative
from calib.epipolar_fit import Fit, refined
from calib.epipolar_pose import pairs_of
from calib.focal_bones import WORTH_SAYING, focal_by_bones
from calib.focal_test import focal_wish
from tests.calib.walker import BODY, Clip, Noise, Walker, make_pair, spread_times, true_relative

HABITS = Noise(2.0, 0.06, 0.015, 0.03)


def fit_of(factor: float, noise: Noise, seed: int = 0) -> Fit:
    cameras = make_pair()
    tracks = Clip(Walker(seed), cameras, spread_times(300, 60.0), noise, seed).tracks()
    wrong = [replace(camera, K=camera.K @ np.diag([factor, factor, 1.0])) for camera in cameras.values()]
    return refined(pairs_of(tracks["left"], tracks["right"], wrong), Relative.of(true_relative(cameras)))


@pytest.mark.parametrize("noise", [Noise(1.0), Noise(6.0), HABITS])
def test_right_lenses_are_left_alone(noise):
    assert abs(focal_by_bones(fit_of(1.0, noise, seed=1), BODY)) < WORTH_SAYING / 2


@pytest.mark.parametrize("noise", [Noise(3.0), HABITS])
@pytest.mark.parametrize("factor", [0.92, 1.08])
def test_both_lenses_wrong_by_8_percent_are_noticed(noise, factor):
    wish = focal_by_bones(fit_of(factor, noise), BODY)
    assert abs(wish) > WORTH_SAYING
    assert wish == pytest.approx(-np.log(factor), abs=0.06)  # a size, not a measure


def test_freed_focal_lengths_cannot_tell_it():
    wish = focal_wish(fit_of(1.08, Noise(3.0)))
    assert wish.both_sigma > 0.5
