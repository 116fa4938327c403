import numpy as np
import pytest

from engine.skeleton import MPII16
from train.calibrate_score import auroc, expected_calibration_error, fit_score_map
from train.metrics import mpjpe_mm, n_mpjpe_mm, p_mpjpe_mm, pck, pck_hits, swap_rate


@pytest.fixture
def people():
    return np.random.default_rng(0).uniform(0, 100, (5, 16, 2))


ALL = np.ones((5, 16), bool)


def test_pck_of_the_truth_is_one_and_of_nobody_zero(people):
    assert pck(people, people, ALL) == 1.0
    assert pck(np.full_like(people, np.nan), people, ALL) == 0.0


def test_pck_counts_a_joint_just_inside_and_not_one_just_outside(people):
    torso = np.linalg.norm(people[:, 13] - people[:, 2], axis=-1)
    predicted = people.copy()
    predicted[:, 0, 0] += 0.199 * torso
    predicted[:, 1, 0] += 0.201 * torso
    hits, counts = pck_hits(predicted, people, ALL)
    assert hits[:, 0].all()
    assert not hits[:, 1].any()
    assert counts.all()


def test_people_without_a_labelled_torso_and_unlabelled_joints_do_not_count(people):
    labelled = ALL.copy()
    labelled[0, 13] = False
    labelled[1, 5] = False
    _, counts = pck_hits(people, people, labelled)
    assert not counts[0].any()
    assert counts[1].sum() == 11


def test_exchanging_left_and_right_is_seen_as_a_swap(people):
    assert swap_rate(people[:, MPII16.mirror], people, ALL) > 0.8
    assert swap_rate(people, people, ALL) == 0.0


def test_aligned_errors_ignore_what_they_align():
    rng = np.random.default_rng(1)
    true = rng.normal(0, 0.5, (4, 16, 3))
    angle = 0.7
    R = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    assert mpjpe_mm(true + np.array([1, 2, 3]), true, root=6) == pytest.approx(0, abs=1e-9)
    assert n_mpjpe_mm(true * 1.7, true, root=6) == pytest.approx(0, abs=1e-9)
    assert p_mpjpe_mm(0.6 * true @ R + [1, 2, 3], true) == pytest.approx(0, abs=1e-9)


def test_procrustes_never_mirrors():
    true = np.random.default_rng(2).normal(0, 0.5, (4, 16, 3))
    assert p_mpjpe_mm(true * [-1, 1, 1], true) > 50


def test_mpjpe_is_the_mean_distance_in_millimetres():
    true = np.zeros((1, 16, 3))
    predicted = np.zeros((1, 16, 3))
    predicted[0, 0, 2] = 0.16
    assert mpjpe_mm(predicted, true, root=6) == pytest.approx(10.0)


def test_a_fitted_score_map_is_calibrated_and_ranks_joints():
    rng = np.random.default_rng(3)
    mass, fill = rng.uniform(0.02, 0.98, (20_000, 1)), rng.uniform(0.25, 1.0, 20_000)
    logit = -0.4 + 0.9 * np.log(mass[:, 0] / (1 - mass[:, 0])) + 1.3 * np.log(fill)
    hit = rng.random(20_000) < 1 / (1 + np.exp(-logit))
    fitted = fit_score_map(mass[:, 0], fill, hit)
    assert fitted.intercept == pytest.approx(-0.4, abs=0.1)
    assert fitted.mass == pytest.approx(0.9, abs=0.06)
    assert fitted.fill == pytest.approx(1.3, abs=0.15)
    score = fitted(mass, fill)[:, 0]
    assert expected_calibration_error(score, hit) < 0.02
    assert auroc(score, hit) > 0.75


def test_auroc_of_known_orders():
    positive = np.array([False, False, True, True])
    assert auroc(np.array([0.1, 0.2, 0.3, 0.4]), positive) == 1.0
    assert auroc(np.array([0.4, 0.3, 0.2, 0.1]), positive) == 0.0
    assert auroc(np.full(4, 0.5), positive) == 0.5
    assert np.isnan(auroc(np.full(4, 0.5), np.ones(4, bool)))


@pytest.mark.parametrize(("hit", "score"), [(True, 0.9), (False, 0.1)])
def test_a_score_map_of_one_outcome_alone_says_the_same_of_every_joint(hit, score):
    flat = fit_score_map(np.full(8, 0.5), np.ones(8), np.full(8, hit))
    np.testing.assert_allclose(flat(np.array([[0.1, 0.9]]), np.array([0.5])), score)
