"""Recordings that must never be green: what speaks against them is found and said."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board import Board
from calib.camera import Camera
from calib.detection import Detection
from calib.errors import UserError
from calib.intrinsics import Intrinsics, calibrate_intrinsics
from tests.calib.made_up_views import BOARD, FISHEYE, WEBCAM, hand_held


def doubts(result: Intrinsics) -> str:
    return "\n".join(result.verdict.texts())


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def good_views() -> list[Detection]:
    return hand_held(np.random.default_rng(5), 16)


def test_a_still_board_is_refused(good_views, rng):
    still = [replace(good_views[0], px=good_views[0].px + rng.normal(0, 0.2, (54, 2))) for _ in range(20)]
    with pytest.raises(UserError, match="hardly moved: 20 pictures, different views among them: 1"):
        calibrate_intrinsics(still, BOARD)


def test_a_board_that_is_always_frontal_is_red_though_its_error_is_small(rng):
    result = calibrate_intrinsics(hand_held(rng, 16, tilt_deg=(0, 3)), BOARD)
    assert result.rms_px < 0.25
    assert result.verdict.light == "red"
    assert "frontal in all pictures" in doubts(result)
    assert "focal length is known to" in doubts(result)


def test_few_views_give_a_result_with_a_warning(good_views):
    result = calibrate_intrinsics(good_views[:5], BOARD)
    assert result.verdict.light == "yellow"
    assert "only 5 different views" in doubts(result)


def test_a_board_that_stays_in_the_middle_is_not_green(rng):
    result = calibrate_intrinsics(hand_held(rng, 16, spread=0.05, width=(0.25, 0.35)), BOARD)
    assert result.verdict.light != "green"
    assert "distortion is a guess elsewhere" in doubts(result)


@pytest.mark.parametrize("bow_m", [0.0005, 0.002])
def test_a_bent_board_is_not_green(rng, bow_m):
    points = BOARD.points_m()
    points[:, 2] = bow_m * (1 - ((points[:, 0] - 0.1) / 0.1) ** 2)
    result = calibrate_intrinsics(hand_held(rng, 16, true_points_m=points), BOARD)
    assert result.verdict.light != "green"
    assert f"bent by {bow_m * 1000:.1f} mm" in doubts(result)


def test_squares_that_are_not_square_are_not_green(rng):
    stretched = BOARD.points_m() * (1, 1.01, 1)
    result = calibrate_intrinsics(hand_held(rng, 16, true_points_m=stretched), BOARD)
    assert result.verdict.light != "green"
    assert "1.0% longer down the columns" in doubts(result)


def test_a_stretched_picture_is_not_green(rng):
    anamorphic = replace(WEBCAM, K=np.diag([1.333, 1, 1]) @ WEBCAM.K - [[0, 0, 217.0], [0, 0, 0], [0, 0, 0]])
    result = calibrate_intrinsics(hand_held(rng, 16, camera=anamorphic), BOARD)
    assert result.verdict.light != "green"
    assert "fx and fy differ by 33" in doubts(result)


def test_a_cropped_picture_is_not_green(rng):
    cropped = replace(WEBCAM, K=WEBCAM.K + np.array([[0, 0, 200.0], [0, 0, -150], [0, 0, 0]]))
    result = calibrate_intrinsics(hand_held(rng, 16, camera=cropped), BOARD)
    assert result.verdict.light != "green"
    assert "is the picture cropped" in doubts(result)


def mirrored(view: Detection) -> Detection:
    return replace(view, px=view.px * (-1, 1) + (1279, 0), mirrored=True)


def test_a_mirrored_video_is_not_green(good_views):
    result = calibrate_intrinsics([mirrored(view) for view in good_views], BOARD)
    assert result.verdict.light != "green"
    assert "the pictures are mirrored" in doubts(result)


def test_a_chessboard_s_mirror_image_is_a_chessboard_and_that_is_said(good_views):
    """Flipped, and numbered as a detector numbers it: the same rows from the other side."""
    rows = np.arange(54).reshape(6, 9)[::-1].ravel()
    flipped = [replace(view, px=np.ascontiguousarray((view.px * (-1, 1) + (1279, 0))[rows])) for view in good_views]
    result = calibrate_intrinsics(flipped, BOARD)
    assert result.verdict.light == "green"
    assert any("a ChArUco board tells" in reason.text for reason in result.verdict.reasons)
    assert result.camera.K[0, 2] == pytest.approx(1279 - WEBCAM.K[0, 2], abs=3)  # the mirror's lens


def test_mirrored_pictures_among_plain_ones_are_red(good_views):
    result = calibrate_intrinsics([*map(mirrored, good_views[:4]), *good_views[4:]], BOARD)
    assert result.verdict.light == "red"
    assert "4 of 16 pictures are mirrored" in doubts(result)


def test_pictures_of_two_cameras_are_not_green(good_views):
    other = Camera(1280, 720, np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]))
    result = calibrate_intrinsics([*good_views, *hand_held(np.random.default_rng(6), 16, camera=other)], BOARD)
    assert result.verdict.light != "green"
    assert "do not agree on one lens" in doubts(result)


@pytest.mark.parametrize(("focal", "center_px"), [(0.01, 0.0), (0.0, 6.0)], ids=["focal length", "optical centre"])
@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_two_cameras_that_are_almost_alike_are_not_green(focal, center_px, seed):
    rng = np.random.default_rng(seed)
    K = WEBCAM.K * np.array([[1 + focal, 1, 1], [1, 1 + focal, 1], [1, 1, 1]]) + [[0, 0, center_px], [0] * 3, [0] * 3]
    mixed = [*hand_held(rng, 12), *hand_held(rng, 12, camera=replace(WEBCAM, K=K))]
    result = calibrate_intrinsics(mixed, BOARD)
    assert result.rms_px < 0.25
    assert result.verdict.light == "yellow"
    assert "fall into two groups, 1" in doubts(result)
    assert "are they of two cameras" in doubts(result)


@pytest.mark.parametrize("views", [8, 30])
def test_pictures_of_one_camera_are_not_taken_for_those_of_two(views):
    for seed in range(3):
        result = calibrate_intrinsics(hand_held(np.random.default_rng(seed), views), BOARD)
        assert "two groups" not in doubts(result)


def test_pictures_of_two_sizes_are_refused(good_views):
    with pytest.raises(UserError, match="different sizes"):
        calibrate_intrinsics([replace(good_views[0], size_px=(640, 480)), *good_views[1:]], BOARD)


def test_the_wrong_board_is_refused(good_views):
    with pytest.raises(UserError, match="do not lie like those of a 6x9 board"):
        calibrate_intrinsics(good_views, Board("chessboard", 6, 9, (0.025, 0.025)))


@pytest.mark.parametrize("views", [0, 1, 2])
def test_too_few_pictures_are_refused(good_views, views):
    with pytest.raises(UserError, match=r"no 9x6 board was found|3 are needed"):
        calibrate_intrinsics(good_views[:views], BOARD)


def test_a_symmetric_board_is_fine_for_one_camera_and_it_is_said(rng):
    board = Board("chessboard", 8, 6, (0.025, 0.025))
    result = calibrate_intrinsics(hand_held(rng, 16, board=board), board)
    assert result.verdict.light == "green"
    assert any("half a turn" in reason.text for reason in result.verdict.reasons)


def test_a_fisheye_that_is_fitted_as_a_pinhole_is_not_green(rng):
    result = calibrate_intrinsics(hand_held(rng, 8, camera=FISHEYE), BOARD, model="pinhole")
    assert result.camera.model == "pinhole"
    assert result.verdict.light != "green"
    assert "a fisheye lens fits better" in doubts(result)
