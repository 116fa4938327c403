import cv2
import numpy as np
import pytest

from calib import charuco
from calib.board import Board, parse_board
from calib.camera import Camera
from calib.detect import Detection, NotFound, detect, gray_of, recognise
from calib.errors import UserError
from tests.calib.render import pose, render_board

CHESS = parse_board("9x6", square_mm=23)
CHARUCO = parse_board("charuco:7x5", square_mm=38, marker_mm=28)
CAMERA = Camera(640, 480, np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.array([-0.2, 0.05, 1e-3, 0, 0]))


def picture(board: Board, *, distance_m=0.8, tilt_deg=20.0, tilt_axis_deg=40.0, roll_deg=5.0, off=(0.0, 0.0), **look):
    where = pose(
        board,
        distance_m=distance_m,
        tilt_deg=tilt_deg,
        tilt_axis_deg=tilt_axis_deg,
        roll_deg=roll_deg,
        off_axis_m=off,
    )
    return render_board(board, CAMERA, where, **{"blur_px": 0.7, "noise": 3.0, **look})


def found(image, board, **options) -> Detection:
    seen = detect(image, board, **options)
    assert isinstance(seen, Detection), seen
    return seen


def missed(image, board) -> NotFound:
    seen = detect(image, board)
    assert isinstance(seen, NotFound)
    assert "\n" not in seen.text
    return seen


@pytest.mark.parametrize(
    ("board", "mean_px"), [(CHESS, 0.08), (parse_board("4x7", square_mm=25), 0.08), (CHARUCO, 0.25)], ids=str
)
@pytest.mark.parametrize("roll_deg", [0.0, 110.0, 250.0])
def test_corners_are_found_under_their_own_numbers(board, mean_px, roll_deg):
    image, truth = picture(board, roll_deg=roll_deg)
    seen = found(image, board)
    np.testing.assert_array_equal(seen.ids, np.arange(len(truth)))
    assert np.linalg.norm(seen.px - truth, axis=1).mean() < mean_px
    assert (seen.mirrored, seen.inverted, seen.legacy) == (False, False, False)
    assert seen.size_px == (640, 480)


@pytest.mark.parametrize("board", [CHESS, CHARUCO], ids=str)
@pytest.mark.parametrize("effort", ["full", "preview"])
def test_a_picture_turned_by_half_a_turn_keeps_its_ids(board, effort):
    image, _ = picture(board)
    upright = found(image, board, effort=effort)
    turned = found(np.ascontiguousarray(image[::-1, ::-1]), board, effort=effort)
    np.testing.assert_array_equal(turned.ids, upright.ids)
    back = np.array([639, 479]) - turned.px
    np.testing.assert_allclose(back, upright.px, atol=0.5)


def test_a_symmetric_board_is_read_from_its_left_in_every_view():
    board = parse_board("8x6", square_mm=23)
    for roll_deg in (0.0, 170.0):
        image, _ = picture(board, roll_deg=roll_deg)
        grid = found(image, board).px.reshape(6, 8, 2)
        assert grid[0, -1, 0] > grid[0, 0, 0]


def test_a_preview_lies_within_half_a_pixel_of_the_truth():
    image, truth = picture(CHESS)
    assert np.linalg.norm(found(image, CHESS, effort="preview").px - truth, axis=1).max() < 0.5


def test_blur_shows_in_the_sharpness():
    widths = [found(picture(CHESS, blur_px=blur)[0], CHESS).sharpness_px or 0 for blur in (0.5, 1.5, 2.5)]
    assert widths[0] < 3 < widths[2]
    assert sorted(widths) == widths


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("squares", ["7x5", "5x4"])
def test_a_charuco_board_is_read_inverted_and_mirrored(inverted, mirrored, squares):
    board = parse_board(f"charuco:{squares}", square_mm=38, marker_mm=28)
    image, truth = picture(board, inverted=inverted, mirrored=mirrored)
    seen = found(image, board)
    assert (seen.inverted, seen.mirrored) == (inverted, mirrored)
    assert len(seen.ids) > 0.9 * len(truth)
    assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean() < 0.25


@pytest.mark.parametrize("legacy", [False, True])
def test_the_old_layout_of_a_charuco_board_is_told_from_the_new_one(legacy):
    board = parse_board("charuco:7x6", square_mm=34, marker_mm=25)
    image, truth = picture(board, legacy=legacy)
    seen = found(image, board)
    assert seen.legacy is legacy
    assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean() < 0.25


def test_the_back_of_a_two_sided_board_is_mirrored_and_keeps_the_ids_of_the_front():
    where = pose(CHARUCO, distance_m=0.8)
    where[:3, :3] @= np.diag([-1.0, 1.0, -1.0])
    where[0, 3] = -where[0, 3]
    image, truth = render_board(CHARUCO, CAMERA, where)
    seen = found(image, CHARUCO)
    assert seen.mirrored
    assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean() < 0.25


def test_a_charuco_board_half_out_of_the_picture_gives_the_corners_that_are_in_it():
    image, truth = picture(CHARUCO, off=(0.35, 0.0))
    seen = found(image, CHARUCO)
    assert 4 <= len(seen.ids) < len(truth)
    assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean() < 0.25


def test_markers_of_another_dictionary_are_found_and_named():
    printed = parse_board("charuco:7x5:6X6_250", square_mm=38, marker_mm=28)
    image, truth = picture(printed)
    seen = found(image, CHARUCO)
    assert seen.dictionary is not None
    assert seen.dictionary.startswith("6X6")
    assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean() < 0.25


@pytest.mark.parametrize("asked", ["8x6", "10x7", "5x4"])
def test_another_size_is_named(asked):
    image, _ = picture(CHESS)
    seen = missed(image, parse_board(asked, square_mm=23))
    assert seen.reason == "other size"
    assert seen.found_size == (9, 6)
    assert "give --board 9x6" in seen.text


@pytest.mark.parametrize("asked", ["charuco:5x7", "charuco:8x5"])
def test_another_layout_of_markers_is_named(asked):
    image, _ = picture(CHARUCO)
    seen = missed(image, parse_board(asked, square_mm=38, marker_mm=28))
    assert seen.reason == "other size"
    assert seen.found_size == (6, 4)
    assert "give --board charuco:7x5" in seen.text


def test_the_other_kind_of_board_is_named():
    assert "give --board charuco:7x5" in missed(picture(CHARUCO)[0], CHESS).text
    assert "give --board 9x6" in missed(picture(CHESS)[0], CHARUCO).text


def test_a_blurred_board_is_called_blurred():
    assert missed(picture(CHESS, blur_px=8.0, distance_m=0.5)[0], CHESS).reason == "blurred"


@pytest.mark.parametrize(("distance_m", "blur_px"), [(1.5, 2.0), (1.0, 3.0), (0.8, 3.5)])
@pytest.mark.parametrize("effort", ["full", "preview"])
def test_a_board_that_is_too_blurred_for_its_size_is_no_detection(distance_m, blur_px, effort):
    """It is found, but its corners are half a pixel and more off."""
    seen = detect(picture(CHESS, distance_m=distance_m, blur_px=blur_px)[0], CHESS, effort=effort)
    assert isinstance(seen, NotFound)
    assert seen.reason == "blurred"


@pytest.mark.parametrize(("distance_m", "blur_px"), [(1.5, 0.7), (1.0, 1.2), (0.5, 2.0)])
def test_blur_that_squares_bear_costs_no_detection(distance_m, blur_px):
    image, truth = picture(CHESS, distance_m=distance_m, blur_px=blur_px)
    assert np.linalg.norm(found(image, CHESS).px - truth, axis=1).mean() < 0.25


def test_a_board_far_away_is_called_too_far():
    seen = missed(picture(CHESS, distance_m=3.6, tilt_deg=10.0, blur_px=0.4)[0], CHESS)
    assert seen.reason == "too far"
    assert "come nearer" in seen.text


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_picture_that_is_cut_short_is_read_as_far_as_it_goes_or_refused(suffix, share):
    """OpenCV fills the rest of a broken JPEG with grey, and gives nothing for a broken PNG or header."""
    image, truth = picture(CHESS, noise=1.0)
    data = cv2.imencode(suffix, image)[1].ravel()
    broken = cv2.imdecode(data[: int(share * len(data))], cv2.IMREAD_COLOR)
    if broken is None:
        with pytest.raises(UserError, match="could not be read"):
            detect(broken, CHESS)
        return
    seen = detect(broken, CHESS)
    if isinstance(seen, Detection):
        assert np.linalg.norm(seen.px - truth[seen.ids], axis=1).max() < 0.5
    else:
        assert "\n" not in seen.text


def test_a_board_at_the_picture_s_edge_is_called_cut_off():
    assert missed(picture(CHESS, distance_m=0.5, off=(0.2, 0.0))[0], CHESS).reason == "cut off"


def test_a_covered_board_is_called_cut_off():
    image, truth = picture(CHESS, tilt_deg=0.0)
    x, y = truth[9 * 5 + 4].astype(int)
    cv2.circle(image, (int(x), int(y) + 20), 32, 110, -1)
    assert missed(image, CHESS).reason == "cut off"


@pytest.mark.parametrize(("level", "reason"), [(8, "too dark"), (250, "too bright"), (128, "nothing")])
def test_an_empty_picture_is_judged_by_its_exposure(level, reason):
    assert missed(np.full((240, 320), level, np.uint8), CHESS).reason == reason


@pytest.mark.parametrize("board", [CHESS, CHARUCO], ids=str)
def test_noise_is_no_board(board):
    image = np.random.default_rng(1).integers(0, 256, (240, 320), dtype=np.uint8)
    assert missed(image, board).reason == "nothing"


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((0, 0), np.uint8),
        np.zeros((0, 640, 3), np.uint8),
        np.zeros((480, 640), np.float32),
        np.zeros((480, 640, 3), np.uint16),
        np.zeros((480, 640, 2), np.uint8),
        np.zeros(640, np.uint8),
    ],
    ids=lambda image: "none" if image is None else f"{image.dtype}{image.shape}",
)
def test_what_is_no_picture_is_one_line(image):
    with pytest.raises(UserError) as caught:
        gray_of(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (47, 200)])
@pytest.mark.parametrize("board", [CHESS, CHARUCO], ids=str)
def test_a_tiny_picture_shows_nothing(board, size):
    missed(np.full(size, 128, np.uint8), board)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_bgr_and_bgra_are_read_alike(channels):
    image, _ = picture(CHESS)
    many = np.repeat(image[..., None], channels, axis=2)
    np.testing.assert_array_equal(gray_of(many), image)


@pytest.mark.parametrize("text", ["9x6", "5x5", "15x9"])
def test_a_chessboard_is_recognised(text):
    board = parse_board(text, square_mm=20)
    seen = recognise(picture(board)[0])
    assert seen is not None
    assert (seen.kind, seen.size_text) == ("chessboard", text)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("charuco:7x5", {}),
        ("charuco:4x5", {"inverted": True, "mirrored": True}),
        ("charuco:8x11:5X5_50", {"mirrored": True}),
        ("charuco:6x6:APRILTAG_36h11", {"inverted": True}),
    ],
)
def test_a_charuco_board_is_recognised_with_its_dictionary(text, look):
    board = parse_board(text, square_mm=200 / 6, marker_mm=25)
    image, truth = picture(board, **look)
    seen = recognise(image)
    assert seen is not None
    assert (seen.kind, seen.size_text) == ("charuco", text)
    assert seen.inverted == look.get("inverted", False)
    assert seen.mirrored == look.get("mirrored", False)
    assert seen.marker_ratio == pytest.approx(0.75, abs=0.03)
    again = charuco.find(image, seen.board(1.0))
    assert again is not None
    assert np.linalg.norm(again.px - truth[again.ids], axis=1).mean() < 0.25


@pytest.mark.parametrize("stray", [17, 379])
def test_a_marker_that_was_misread_does_not_make_a_board_taller(stray):
    """As 379 in a row of two it would stand in row 189."""
    image, _ = picture(parse_board("charuco:4x5", square_mm=200 / 6, marker_mm=25))
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_1000)
    image[10:60, 10:60] = 255
    image[15:55, 15:55] = cv2.aruco.generateImageMarker(dictionary, stray, 40)
    seen = recognise(image)
    assert seen is not None
    assert seen.size_text == "charuco:4x5"


def test_no_board_is_recognised_where_there_is_none():
    assert recognise(np.random.default_rng(2).integers(0, 256, (240, 320), dtype=np.uint8)) is None
