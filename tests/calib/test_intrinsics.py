from dataclasses import replace

import cv2
import numpy as np
import pytest

from calib.board import Board
from calib.camera import Camera
from calib.detect import detect
from calib.detection import Detection
from calib.intrinsics import Intrinsics, calibrate_intrinsics
from calib.lens_models import plain_lens, reaches_corners
from tests.calib.made_up_views import BOARD, FISHEYE, WEBCAM, detection, hand_held


def doubts(result: Intrinsics) -> str:
    return "\n".join(result.verdict.texts())


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def good_views() -> list[Detection]:
    return hand_held(np.random.default_rng(5), 16)


@pytest.fixture(scope="module")
def good(good_views) -> Intrinsics:
    return calibrate_intrinsics(good_views, BOARD)


def test_a_good_recording_is_green_and_its_lens_true(good):
    assert good.verdict.light == "green"
    assert good.camera.K[0, 0] == pytest.approx(WEBCAM.K[0, 0], rel=0.002)
    assert good.camera.K[:2, 2] == pytest.approx(WEBCAM.K[:2, 2], abs=3)
    assert good.rms_px == pytest.approx(0.15 * np.sqrt(2), rel=0.05)
    assert good.rms_px <= good.held_out_rms_px < 1.1 * good.rms_px
    assert good.used == tuple(range(16))
    assert len(good.cam_from_board) == len(good.residuals_px) == len(good.corner_ids) == len(good.view_rms_px) == 16


def test_the_fit_is_that_of_opencv(good_views):
    result = calibrate_intrinsics(good_views, BOARD)
    flags = 0 if "k3" in result.lens else cv2.CALIB_FIX_K3
    points = [BOARD.points_m()[ids].astype(np.float32) for ids in result.corner_ids]
    px = [good_views[k].px[ids].astype(np.float32) for k, ids in zip(result.used, result.corner_ids, strict=True)]
    rms, K, dist, *_, deviations, _, _ = cv2.calibrateCameraExtended(points, px, (1280, 720), None, None, flags=flags)
    assert result.rms_px == pytest.approx(rms, rel=1e-4)
    np.testing.assert_allclose(result.camera.K, K, atol=0.1)
    np.testing.assert_allclose(result.camera.dist, dist.ravel(), atol=2e-3)
    # ours are at least those of independent errors
    assert result.sigma.fx_px > 0.9 * deviations[0, 0]


def test_poses_and_residuals_reproduce_the_corners(good, good_views):
    for k, pose, ids, residual in zip(good.used, good.cam_from_board, good.corner_ids, good.residuals_px, strict=True):
        px = good.camera.project(BOARD.points_m()[ids] @ pose[:3, :3].T + pose[:3, 3])
        np.testing.assert_allclose(px + residual, good_views[k].px[ids], atol=1e-6)


def test_the_order_of_the_pictures_changes_nothing(good, good_views, rng):
    order = rng.permutation(len(good_views))
    again = calibrate_intrinsics([good_views[k] for k in order], BOARD)
    np.testing.assert_allclose(again.camera.K, good.camera.K, rtol=1e-6)
    np.testing.assert_allclose(again.camera.dist, good.camera.dist, atol=1e-6)
    np.testing.assert_allclose(again.cam_from_board[np.argsort(order)], good.cam_from_board, atol=1e-6)
    assert again.sigma.fx_px == pytest.approx(good.sigma.fx_px, rel=1e-6)


@pytest.mark.parametrize("scale", [0.5])
def test_scaling_focal_length_and_pixels_together_changes_nothing(good, good_views, scale):
    size_px = (round(1280 * scale), round(720 * scale))
    scaled = [replace(v, px=(v.px + 0.5) * scale - 0.5, size_px=size_px) for v in good_views]
    result = calibrate_intrinsics(scaled, BOARD)
    np.testing.assert_allclose(result.camera.K[[0, 1], [0, 1]], scale * good.camera.K[[0, 1], [0, 1]], rtol=1e-6)
    np.testing.assert_allclose(result.camera.dist, good.camera.dist, atol=1e-5)
    np.testing.assert_allclose(result.cam_from_board, good.cam_from_board, atol=1e-6)


def test_the_size_of_the_squares_changes_only_distances(good, good_views):
    twice = calibrate_intrinsics(good_views, replace(BOARD, square_m=(0.05, 0.05)))
    np.testing.assert_allclose(twice.camera.K, good.camera.K, rtol=1e-6)
    np.testing.assert_allclose(twice.cam_from_board[:, :3, 3], 2 * good.cam_from_board[:, :3, 3], rtol=1e-6)


def inside_two_sigma(trials: int, views: int, noise_px: float) -> tuple[float, float, float]:
    """Share of fx, fy, cx, cy within two of their deviations; median focal error and median deviation, relative."""
    truth = np.array([WEBCAM.K[0, 0], WEBCAM.K[1, 1], WEBCAM.K[0, 2], WEBCAM.K[1, 2]])
    errors, sigmas = [], []
    for seed in range(trials):
        result = calibrate_intrinsics(hand_held(np.random.default_rng(seed), views, noise_px=noise_px), BOARD)
        K, s = result.camera.K, result.sigma
        errors.append(np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]) - truth)
        sigmas.append([s.fx_px, s.fy_px, s.cx_px, s.cy_px])
    errors, sigmas = np.abs(errors), np.array(sigmas)
    focal_px = truth[0]
    return float((errors <= 2 * sigmas).mean()), np.median(errors[:, 0]) / focal_px, np.median(sigmas[:, 0]) / focal_px


def test_errors_lie_inside_the_stated_deviations():
    inside, _, _ = inside_two_sigma(trials=12, views=8, noise_px=0.15)
    assert inside >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("noise_px", [0.1, 0.3])
@pytest.mark.parametrize("views", [6, 10, 20, 40])
def test_table_of_focal_error_against_stated_deviation(views, noise_px):
    inside, error, sigma = inside_two_sigma(trials=50, views=views, noise_px=noise_px)
    print(f"| {views} | {noise_px} | {error:.3%} | {sigma:.3%} | {inside:.1%} |")
    assert inside >= 0.9


# what does not belong is left out


def test_blurred_views_are_dropped_and_said(good_views, rng):
    bad = [replace(view, px=view.px + rng.normal(0, 3, view.px.shape)) for view in good_views[:2]]
    result = calibrate_intrinsics([*bad, *good_views[2:]], BOARD)
    assert result.used == tuple(range(2, 16))
    assert [d.index for d in result.dropped] == [0, 1]
    assert "px from where the other pictures put them" in result.dropped[0].reason


def test_never_more_than_a_fifth_of_the_views_is_dropped(good_views, rng):
    bad = [replace(view, px=view.px + rng.normal(0, 3, view.px.shape)) for view in good_views[:6]]
    result = calibrate_intrinsics([*bad, *good_views[6:]], BOARD)
    assert len(result.used) == 16 - 3
    assert result.verdict.light == "red"
    assert "more pictures deviate" in doubts(result)


def test_a_single_wrong_corner_is_dropped(good_views):
    px = good_views[0].px.copy()
    px[10] += 6
    result = calibrate_intrinsics([replace(good_views[0], px=px), *good_views[1:]], BOARD)
    assert result.corners_dropped >= 1
    assert 10 not in result.corner_ids[0]
    assert result.verdict.light == "green"


def test_part_of_a_board_is_enough(good_views, rng):
    part = [
        detection(v.px[keep], v.ids[keep], WEBCAM) for v in good_views if len(keep := np.sort(rng.permutation(54)[:20]))
    ]
    result = calibrate_intrinsics(part, BOARD)
    assert result.camera.K[0, 0] == pytest.approx(953, abs=3 * result.sigma.fx_px)


# the model


def test_a_fisheye_is_recognised(rng):
    result = calibrate_intrinsics(hand_held(rng, 16, camera=FISHEYE), BOARD)
    assert result.camera.model == "fisheye"
    assert result.camera.K[0, 0] == pytest.approx(420, abs=3 * result.sigma.fx_px)
    np.testing.assert_allclose(result.camera.dist, FISHEYE.dist, atol=0.02)


def test_an_ordinary_lens_stays_a_pinhole_of_few_numbers(rng):
    plain = Camera.from_fov(1280, 720, 65.0)
    result = calibrate_intrinsics(hand_held(rng, 16, camera=plain), BOARD)
    assert result.camera.model == "pinhole"
    assert result.lens == "pinhole, one focal length, k1"


@pytest.mark.parametrize(("k1", "whole"), [(0.1, True), (-0.1, True), (-0.6, False)])
def test_a_distortion_that_turns_back_within_the_picture_is_recognised(k1, whole):
    lens = plain_lens("pinhole", 900.0, (1280, 720))
    lens[4] = k1
    assert reaches_corners("pinhole", lens, (1280, 720)) == whole


# real pictures


def seen(folder, pattern: str, board: Board) -> list[Detection]:
    found = [detect(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), board) for path in sorted(folder.glob(pattern))]
    return [detection for detection in found if isinstance(detection, Detection)]


def test_opencvs_pictures_give_the_well_known_lens(shared_data):
    views = seen(shared_data / "calibration" / "opencv_left", "*.jpg", BOARD)
    result = calibrate_intrinsics(views, BOARD)
    assert result.rms_px <= 0.26
    assert result.camera.K[0, 0] == pytest.approx(536, rel=0.01)
    assert result.verdict.light != "red"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_an_infrared_pair_gives_a_small_error_and_the_published_focal_length(shared_data, side):
    views = seen(shared_data / "calibration" / "barry_stereo", f"{side}*.jpg", BOARD)
    result = calibrate_intrinsics(views, BOARD)
    assert len(views) >= 24
    assert result.rms_px <= 0.18
    assert result.camera.K[0, 0] == pytest.approx(518.05, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("camera", ["cam01", "cam02"])
def test_pose2sims_pictures_give_the_published_focal_length(shared_data, camera):
    board = Board("chessboard", 4, 7, (0.06, 0.06))
    views = seen(shared_data / "calibration" / "pose2sim_intrinsics" / camera, "*.jpg", board)
    result = calibrate_intrinsics(views, board)
    assert result.camera.K[0, 0] == pytest.approx(1676.5, rel=0.01)  # published: 1672 to 1681
    assert result.verdict.light == "yellow"


def test_four_pictures_give_a_result_with_a_warning(shared_data):
    board = Board("chessboard", 7, 4, (0.0319, 0.0319))
    views = seen(shared_data / "calibration" / "temugeb_stereo" / "mono", "camera0_*.jpg", board)
    result = calibrate_intrinsics(views, board)
    assert result.verdict.light == "yellow"
    assert "only 4 different views" in doubts(result)
    assert abs(result.camera.K[0, 0] - 903.25) < 2 * result.sigma.fx_px
