"""Errors with unknown joints: what each alignment takes away, and what it must not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engine.skeleton import MPII16
from train.metrics import n_mpjpe_mm, p_mpjpe_mm
from train.pose_errors import bone_figures, mean_mm, pose_errors


@pytest.fixture
def poses():
    return np.random.default_rng(0).normal(0, 0.3, (5, 16, 3))


def everything(poses):
    return np.ones(poses.shape[:2], bool)


def test_the_same_pose_elsewhere_has_no_error(poses):
    errors = pose_errors(poses + np.array([1.0, 2.0, 3.0]), poses, everything(poses))
    assert mean_mm(errors.mpjpe) == pytest.approx(0, abs=1e-9)


def test_scale_and_turn_are_taken_away_by_their_own_metrics(poses):
    larger = pose_errors(1.3 * poses, poses, everything(poses))
    assert mean_mm(larger.mpjpe) > 50
    assert mean_mm(larger.n_mpjpe) == pytest.approx(0, abs=1e-9)
    turned = pose_errors(poses @ Rotation.from_euler("y", 40, degrees=True).as_matrix().T, poses, everything(poses))
    assert mean_mm(turned.n_mpjpe) > 50
    assert mean_mm(turned.p_mpjpe) == pytest.approx(0, abs=1e-6)


def test_with_all_joints_known_they_are_the_fields_metrics(poses):
    noisy = poses + np.random.default_rng(1).normal(0, 0.05, poses.shape)
    errors = pose_errors(noisy, poses, everything(poses))
    # those count the root, whose error is 0, as a joint
    assert mean_mm(errors.n_mpjpe) * 15 / 16 == pytest.approx(n_mpjpe_mm(noisy, poses, root=6))
    assert mean_mm(errors.p_mpjpe) == pytest.approx(p_mpjpe_mm(noisy, poses))


def test_unknown_joints_do_not_count_and_do_not_pull(poses):
    wild = poses.copy()
    wild[:, 3] += 10
    known = everything(poses)
    known[:, 3] = False
    errors = pose_errors(wild, poses, known)
    assert np.isnan(errors.mpjpe[:, 3]).all()
    assert mean_mm(errors.p_mpjpe) == pytest.approx(0, abs=1e-6)


def test_without_the_root_there_is_no_error_from_the_root(poses):
    known = everything(poses)
    known[0, 6] = False
    errors = pose_errors(poses, poses, known)
    assert np.isnan(errors.mpjpe[0]).all()
    assert np.isfinite(errors.p_mpjpe[0]).any()


def test_bones_of_one_symmetric_pose_vary_not_at_all(poses):
    pose = poses[:1]
    even = (pose + pose[:, MPII16.mirror] * (-1, 1, 1)) / 2
    figures = bone_figures(np.concatenate([even, 2 * even]))
    assert figures.spread == pytest.approx(0, abs=1e-9)
    assert figures.asymmetry == pytest.approx(0, abs=1e-9)
    assert bone_figures(poses).spread > 0.1
    assert np.isnan(bone_figures(poses[:0]).spread)
