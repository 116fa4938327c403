"""Conventions of epipolar geometry, and the paper's way of it."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.epipolar import Relative, decomposed, homogeneous, in_front, sampson, voted
from calib.epipolar_fit import linearised, moved, steps_of
from calib.epipolar_paper import essential, fundamental, paper_labels, paper_pose
from calib.epipolar_pose import find_pose, pairs_of
from calib.errors import UserError
from tests.calib.walker import PERFECT, Clip, Noise, Walker, make_pair, spread_times, true_relative


def seen_pairs(frames=30, *, noise=PERFECT, baseline_m=2.0, seed=0, seconds=20.0):
    cameras = make_pair(baseline_m)
    clip = Clip(Walker(seed), cameras, spread_times(frames, seconds), noise, seed)
    tracks = clip.tracks()
    pairs = pairs_of(tracks["left"], tracks["right"], list(cameras.values()))
    return cameras, pairs, Relative.of(true_relative(cameras))


def test_the_essential_matrix_has_the_second_view_on_its_left():
    _, pairs, true = seen_pairs()
    away = (homogeneous(pairs.b) * (homogeneous(pairs.a) @ true.E.T)).sum(1)
    assert np.abs(away).max() < 1e-7
    # the paper's Eq. 4, U_i F U_(i+1) = 0, has the first view there: its matrix is the transpose
    of_paper = true.E.T
    assert np.abs((homogeneous(pairs.a) * (homogeneous(pairs.b) @ of_paper.T)).sum(1)).max() < 1e-7
    assert np.abs((homogeneous(pairs.b) * (homogeneous(pairs.a) @ of_paper.T)).sum(1)).max() > 0.1


def test_the_papers_translation_is_where_the_first_camera_lies_against_the_second():
    cameras, _, true = seen_pairs()
    of_paper = true.R.T @ true.t  # its Eq. 6: K [R | R T], t = R T
    center = cameras["right"].center_world_m - cameras["left"].center_world_m
    expected = -cameras["left"].R @ center / np.linalg.norm(center)
    assert of_paper == pytest.approx(expected, abs=1e-9)


def test_our_fundamental_matrix_is_opencvs_and_gives_the_essential_one():
    cameras, pairs, true = seen_pairs()
    K_a, K_b = (camera.K for camera in cameras.values())
    px = [np.ascontiguousarray(rays * np.diag(K)[:2] + K[:2, 2]) for rays, K in ((pairs.a, K_a), (pairs.b, K_b))]
    F = fundamental(*px, "8point")
    assert F is not None
    assert np.abs((homogeneous(px[1]) * (homogeneous(px[0]) @ F.T)).sum(1)).max() < 1e-4
    E = essential(F, K_a, K_b)
    assert np.abs(E / E[np.unravel_index(np.abs(E).argmax(), (3, 3))]).max() == pytest.approx(1)
    away = min(np.abs(E / np.linalg.norm(E) - sign * true.E / np.linalg.norm(true.E)).max() for sign in (1, -1))
    assert away < 1e-4


def test_one_of_the_four_readings_is_true_and_the_vote_finds_it():
    _, pairs, true = seen_pairs()
    readings = decomposed(-3.7 * true.E)
    assert min(max(each.apart_deg(true)) for each in readings) < 1e-5
    assert [each for each in readings if in_front(each, pairs).all()] != []
    vote = voted(true.E, pairs)
    assert max(vote.relative.apart_deg(true)) < 1e-5
    assert vote.share == pytest.approx(1)
    assert vote.next_share < 0.6


def test_opencvs_essential_matrix_is_ours():
    _, pairs, true = seen_pairs()
    E, _ = cv2.findEssentialMat(pairs.a, pairs.b, np.eye(3), cv2.USAC_ACCURATE, 0.999, 1e-3)
    assert max(voted(E, pairs).relative.apart_deg(true)) < 0.05


def test_exchanging_the_cameras_inverts_the_pose():
    _, pairs, _ = seen_pairs(60, noise=Noise(1.0, 0.05))
    swapped = pairs.__class__(pairs.b, pairs.a, pairs.weight, pairs.frame, pairs.joint, pairs.block, pairs.focal_px)
    one, other = find_pose(pairs).relative, find_pose(swapped).relative
    inverse = Relative(one.R.T, -one.R.T @ one.t)
    assert max(other.apart_deg(inverse)) < 0.02
    assert np.linalg.norm(one.t) == pytest.approx(1)


def test_the_sampson_distance_of_a_shifted_point_is_its_shift():
    _, pairs, true = seen_pairs()
    line = homogeneous(pairs.a) @ true.E.T
    normal = line[:, :2] / np.linalg.norm(line[:, :2], axis=1, keepdims=True)
    shift = 1e-4
    away = np.abs(sampson(true.E, pairs.a, pairs.b + shift * normal))
    assert (away < shift).all()
    assert np.median(away) == pytest.approx(shift / np.sqrt(2), rel=0.1)


def test_slopes_of_the_residuals_are_those_of_differences():
    _, pairs, true = seen_pairs(5, noise=Noise(3.0, 0.0))
    linear, step = linearised(true, pairs), 1e-6
    assert len(steps_of(true)) == 5
    for k in range(5):
        ahead, behind = (linearised(moved(true, sign * step * np.eye(5)[k]), pairs).residuals_px for sign in (1, -1))
        assert linear.slopes[:, k] == pytest.approx((ahead - behind) / (2 * step), rel=1e-3, abs=1e-2)


def test_the_angle_between_poses_is_exact_for_small_and_large_turns():
    t = np.array([1.0, 0, 0])
    for degrees in (1e-5, 1.0, 90.0, 179.0):
        turned = Relative(Rotation.from_euler("y", degrees, degrees=True).as_matrix(), t)
        assert turned.apart_deg(Relative(np.eye(3), t)) == pytest.approx((degrees, 0), rel=1e-6)


@pytest.mark.parametrize("method", ["8point", "lmeds", "ransac", "magsac"])
def test_the_papers_way_is_exact_without_noise(method):
    cameras, pairs, true = seen_pairs()
    found = paper_pose(pairs, list(cameras.values()), method=method)
    assert max(found.apart_deg(true)) < 0.1
    baseline_m = np.linalg.norm(true_relative(cameras)[:3, 3])
    points_m = paper_labels(pairs, true) * baseline_m
    truth_m = Clip(Walker(0), cameras, spread_times(30, 20.0)).truth_m()[pairs.frame, pairs.joint]
    left = cameras["left"]
    assert np.abs(points_m - (truth_m @ left.R.T + left.t)).max() < 1e-4


def test_the_papers_way_as_written_fails_on_one_frame_and_pooling_mends_it():
    single, pooled = [], []
    for seed in range(8):
        cameras, pairs, true = seen_pairs(100, noise=Noise(3.0), seed=seed, seconds=30.0)
        one = pairs.picked(pairs.frame == 50)
        single.append(paper_pose(one, list(cameras.values()), method="8point").apart_deg(true))
        pooled.append(paper_pose(pairs, list(cameras.values())).apart_deg(true))
    assert np.median(single, axis=0).min() > 10
    assert np.median(pooled, axis=0).max() < 2


def test_too_few_joints_are_one_line():
    cameras, pairs, _ = seen_pairs()
    few = pairs.picked(np.arange(6))
    with pytest.raises(UserError, match="only 6 joints"):
        find_pose(few)
    with pytest.raises(UserError, match="eight are the least"):
        paper_pose(few, list(cameras.values()))
