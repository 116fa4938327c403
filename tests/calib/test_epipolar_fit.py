"""How exact the pose from joints is, and how honest its standard deviation."""

import numpy as np
import pytest

from calib.bone_prior import height_of, with_bones
from calib.epipolar import Relative
from calib.epipolar_fit import clustered, refined
from calib.epipolar_pose import find_pose
from calib.habits import with_habits
from tests.calib.test_epipolar import seen_pairs
from tests.calib.walker import BODY, Noise

HABITS = Noise(2.0, 0.06, 0.015, 0.03)


def whole(pairs):
    pose = find_pose(pairs)
    height = height_of(pose.relative, pairs, pose.fit.width_px, BODY)
    return pose, with_bones(with_habits(pose, BODY, height), BODY)


def all_of(noise):
    """Plain pose, whole pose and the truth of clips of 100 frames."""
    clips = [seen_pairs(100, noise=noise, seed=seed, seconds=30.0) for seed in range(8)]
    return [(*whole(pairs), true) for _, pairs, true in clips]


@pytest.fixture(scope="module")
def noisy():
    return all_of(Noise(3.0, 0.10))


@pytest.fixture(scope="module")
def habitual():
    return all_of(HABITS)


def test_without_noise_the_pose_is_exact():
    _, pairs, true = seen_pairs(20)
    assert max(find_pose(pairs).relative.apart_deg(true)) < 1e-4


def test_a_hundred_frames_with_noise_and_outliers_give_a_fifth_of_a_degree(noisy):
    errors = [pose.relative.apart_deg(true) for _, pose, true in noisy]
    assert np.median(errors, axis=0).max() < 0.2


def test_a_detectors_habits_of_15_mm_cost_little(habitual):
    plain = np.median([pose.relative.apart_deg(true) for pose, _, true in habitual], axis=0)
    errors = np.median([pose.relative.apart_deg(true) for _, pose, true in habitual], axis=0)
    assert errors.max() < 0.35
    assert (errors < 0.75 * plain).all()


def test_the_sigma_is_that_of_the_error_with_habits_and_without(noisy, habitual):
    for poses in (noisy, habitual):
        ratios = np.array([np.divide(pose.relative.apart_deg(true), pose.sigmas_deg) for _, pose, true in poses])
        assert 0.2 < np.median(ratios) < 1.2
        assert (ratios < 3.5).all()


def test_resampling_frames_would_be_far_too_sure_of_habits():
    _, pairs, true = seen_pairs(600, noise=HABITS, seed=3, seconds=60.0)
    fit = refined(pairs, true)
    pull = fit.linear.slopes * (pairs.weight * fit.linear.residuals_px)[:, None]
    of_frames, of_joints = clustered(pull, pairs.frame), clustered(pull, pairs.joint)
    assert np.trace(of_joints) > 10 * np.trace(of_frames)


def test_more_frames_make_it_better():
    errors = {}
    for frames in (10, 100, 600):
        found = []
        for seed in range(3):
            _, pairs, true = seen_pairs(frames, noise=Noise(3.0), seed=seed, seconds=30.0)
            found.append(max(refined(pairs, true).relative.apart_deg(true)))
        errors[frames] = np.median(found)
    assert errors[600] < errors[100] < errors[10]


def test_two_centimetres_of_baseline_do_not_turn_the_translation_round():
    for seed in range(3):
        _, pairs, true = seen_pairs(300, noise=Noise(3.0), baseline_m=0.02, seed=seed, seconds=30.0)
        assert find_pose(pairs).relative.apart_deg(true)[1] < 60


def test_a_bone_prior_helps_a_short_clip():
    plain, helped = [], []
    for seed in range(6):
        _, pairs, true = seen_pairs(10, noise=Noise(3.0), seed=seed, seconds=5.0)
        pose = find_pose(pairs)
        plain.append(max(pose.relative.apart_deg(true)))
        helped.append(max(with_bones(pose, BODY).relative.apart_deg(true)))
    assert np.mean(helped) < np.mean(plain)


def test_the_refinement_ends_where_it_began_when_it_began_at_the_best():
    _, pairs, _ = seen_pairs(100, noise=Noise(3.0), seconds=30.0)
    once = refined(pairs, find_pose(pairs).relative)
    again = refined(pairs, Relative(once.relative.R, once.relative.t))
    assert max(once.relative.apart_deg(again.relative)) < 0.01
