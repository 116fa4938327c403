"""Synthetic occlusion: how much is covered, and where."""

import numpy as np

from train.occlusion import occluded


def person(low=-0.3, high=0.3):
    target = np.random.default_rng(0).uniform(low, high, (16, 3)).astype(np.float32)
    target[0, :2], target[1, :2] = low, high
    return target, np.ones((16, 3), np.float32)


def test_from_nothing_to_seventy_per_cent_of_the_person_is_covered():
    image = np.full((96, 96, 3), 255, np.uint8)
    target, weight = person()
    shares = []
    for seed in range(60):
        covered = (occluded(image, target, weight, np.random.default_rng(seed)) != 255).any(axis=2)
        shares.append(covered[19:77, 19:77].mean())
    assert max(shares) <= 0.75
    assert max(shares) > 0.4
    assert min(shares) < 0.05
    assert 0.15 < np.mean(shares) < 0.45
    assert (image == 255).all()


def test_the_same_seed_covers_the_same():
    image = np.full((64, 64, 3), 255, np.uint8)
    one, two = (occluded(image, *person(), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, two)


def test_without_joints_nothing_is_covered():
    image = np.full((64, 64, 3), 255, np.uint8)
    target, weight = person()
    assert np.array_equal(occluded(image, target, 0 * weight, np.random.default_rng(0)), image)
