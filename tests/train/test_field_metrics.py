"""The field's numbers against cases computed by hand and against a second implementation, pose by pose."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.transform import Rotation

from engine.skeleton import LIMB_JOINTS
from train.metrics import (
    PCKH_JOINTS,
    auc3d,
    by_action,
    head_px,
    joint_errors_mm,
    pck3d,
    pck_hits,
    pck_of_neck_to_top_hits,
    pckh_auc,
    pckh_hits,
    per_joint,
    share,
)

ROOT = 6


@pytest.fixture
def poses():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 0.4, (40, 17, 3))
    return true + rng.normal(0, 0.1, true.shape), true


def slow_errors_mm(predicted, true, root, alignment):
    """One pose at a time, with SciPy's solvers instead of closed forms."""
    rows = []
    for a, b in zip(predicted, true, strict=True):
        if alignment == "similarity":
            a0, b0 = a - a.mean(0), b - b.mean(0)
            turned = Rotation.align_vectors(b0, a0)[0].apply(a0)
            s = np.linalg.lstsq(turned.reshape(-1, 1), b0.ravel(), rcond=None)[0][0]
            moved, goal = s * turned + b.mean(0), b
        else:
            moved, goal = a - a[root], b - b[root]
            if alignment == "scale":

                def cost(s, moved=moved, goal=goal):
                    return ((s * moved - goal) ** 2).sum()

                moved = minimize_scalar(cost, bracket=(0.5, 1.5), tol=1e-14).x * moved
        rows.append([1000 * np.sqrt(((p - q) ** 2).sum()) for p, q in zip(moved, goal, strict=True)])
    return np.array(rows)


@pytest.mark.parametrize("alignment", ["root", "scale", "similarity"])
@pytest.mark.parametrize("joints", [16, 17])
def test_errors_agree_with_a_second_implementation(poses, alignment, joints):
    predicted, true = poses[0][:, :joints], poses[1][:, :joints]
    fast = joint_errors_mm(predicted, true, root=ROOT, alignment=alignment)
    slow = slow_errors_mm(predicted, true, ROOT, alignment)
    # a least scale is found by a search to the root of the machine's precision
    assert np.allclose(fast, slow, rtol=0, atol=1e-4 if alignment == "scale" else 1e-6)
    if alignment == "scale":
        a, b = predicted - predicted[:, [ROOT]], true - true[:, [ROOT]]
        exact = [np.linalg.lstsq(p.reshape(-1, 1), q.ravel(), rcond=None)[0][0] for p, q in zip(a, b, strict=True)]
        assert np.allclose(fast, 1000 * np.linalg.norm(np.array(exact)[:, None, None] * a - b, axis=-1), atol=1e-6)


def test_pck_and_pckh_agree_with_a_loop_over_joints():
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 100, (30, 16, 2))
    predicted = true + rng.normal(0, 15, true.shape)
    predicted[3] = np.nan
    labelled = rng.random((30, 16)) < 0.8
    box = np.column_stack([rng.uniform(0, 50, (30, 2)), rng.uniform(60, 90, (30, 2))])
    for joints, unit, fast in (
        (LIMB_JOINTS, lambda i: np.hypot(*(true[i, 13] - true[i, 2])), pck_hits(predicted, true, labelled)),
        (
            PCKH_JOINTS,
            lambda i: 0.6 * np.hypot(box[i, 2] - box[i, 0], box[i, 3] - box[i, 1]),
            pckh_hits(predicted, true, labelled, box),
        ),
    ):
        right = counted = 0
        for i in range(30):
            if joints is LIMB_JOINTS and not (labelled[i, 13] and labelled[i, 2]):
                continue
            for j in joints:
                counted += labelled[i, j]
                limit = (0.2 if joints is LIMB_JOINTS else 0.5) * unit(i)
                right += bool(labelled[i, j] and np.hypot(*(predicted[i, j] - true[i, j])) <= limit)
        assert share(*fast) == pytest.approx(right / counted, abs=1e-12)


def test_pckh_by_hand():
    # a head box of 30 x 40: its diagonal is 50, the head 30 px, half of it 15
    box = np.array([[100.0, 100.0, 130.0, 140.0]])
    assert head_px(box) == pytest.approx([30.0])
    true = np.zeros((1, 16, 2))
    predicted = true.copy()
    predicted[0, 0, 0], predicted[0, 1, 0] = 15.0, 15.001
    predicted[0, 6], predicted[0, 7] = 500.0, 500.0  # pelvis and thorax do not count
    hits, counts = pckh_hits(predicted, true, np.ones((1, 16), bool), box)
    assert counts.sum() == 14
    assert share(hits, counts) == pytest.approx(13 / 14)
    assert per_joint(hits, counts)[:2].tolist() == [1.0, 0.0]
    # joint 0 is right from T = 0.5 on, joint 1 never, twelve always: 12 of 14 but for the last half step
    assert pckh_auc(predicted, true, np.ones((1, 16), bool), box) == pytest.approx(12 / 14 + 0.005 / 0.5 / 14)


def test_without_a_head_box_nobody_counts_and_the_fallback_has_its_own_unit():
    true = np.zeros((1, 16, 2))
    true[0, 9, 1] = 40.0  # head top, 40 px from the neck
    predicted = true + np.array([20.0, 0.0])
    labelled = np.ones((1, 16), bool)
    assert np.isnan(share(*pckh_hits(predicted, true, labelled, np.full((1, 4), np.nan))))
    assert share(*pck_of_neck_to_top_hits(predicted, true, labelled)) == 1.0
    assert share(*pck_of_neck_to_top_hits(predicted + np.array([0.1, 0.0]), true, labelled)) == 0.0


def test_three_joints_by_hand():
    true = np.array([[[0.0, 0, 0], [1.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0]]])
    doubled = 2 * true + 5
    # roots together: the joints are 0, 1, 2, 2 m off
    assert joint_errors_mm(doubled, true, root=0, alignment="root")[0].tolist() == [0, 1000, 2000, 2000]
    assert joint_errors_mm(doubled, true, root=0, alignment="scale")[0] == pytest.approx(0, abs=1e-9)
    one = true.copy()
    one[0, 0] += (0.3, 0, 0)  # the root itself is wrong: everything else moves by as much
    assert joint_errors_mm(one, true, root=0, alignment="root")[0] == pytest.approx([0, 300, 300, 300])
    # after the best similarity the root is left where it came to lie
    assert joint_errors_mm(one, true, root=0, alignment="similarity")[0, 0] > 50


def test_nobody_is_an_error_of_nan_and_a_miss():
    true = np.random.default_rng(0).normal(0, 0.4, (2, 16, 3))
    predicted = true.copy()
    predicted[1] = np.nan
    for alignment in ("root", "scale", "similarity"):
        errors = joint_errors_mm(predicted, true, root=ROOT, alignment=alignment)
        assert errors[0] == pytest.approx(0, abs=1e-9)
        assert np.isnan(errors[1]).all()
        assert pck3d(errors) == 0.5


def test_3dpck_and_its_area_by_hand():
    errors = np.array([[0.0, 74.9, 149.9, 150.0]])
    assert pck3d(errors) == 0.75
    # of the 31 thresholds 0, 5 ... 150: 30, 16 and 1 lie above the first three, none above the last
    assert auc3d(errors) == pytest.approx((30 + 16 + 1) / 31 / 4)


def test_actions_are_averaged_by_their_names():
    errors = np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 50.0]])
    assert by_action(errors, ["Eating", "Eating", "Sitting"]) == {"Eating": 25.0, "Sitting": 50.0}
