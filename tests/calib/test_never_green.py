"""Rigs that must not be green, though most of them fit to a fraction of a pixel."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board import Board
from calib.errors import UserError
from calib.stereo import calibrate_rig
from tests.calib.made_rig import A3, CHARUCO, Room, make_room
from tests.calib.test_stereo import FLOOR, FOUR, apart, calibrated, said


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room()


@pytest.mark.parametrize("order", ["shuffled", "early"])
def test_views_of_one_camera_in_another_order_are_red(order):
    room = make_room(12)
    detections = room.detections(noise_px=0.15)
    row = detections["right"][:-1]
    row = row[2:] + row[:2] if order == "early" else [row[i] for i in np.random.default_rng(0).permutation(len(row))]
    result = calibrate_rig({**detections, "right": [*row, detections["right"][-1]]}, A3, room.lenses, floor=FLOOR)
    assert result.verdict.light == "red"
    assert said(result, "early" if order == "early" else "own name")


def test_a_few_views_in_the_wrong_order_are_left_out_and_said(room):
    detections = room.detections(noise_px=0.15)
    row = list(detections["right"])
    row[3], row[9], row[12] = row[9], row[12], row[3]
    result = calibrate_rig({**detections, "right": row}, A3, room.lenses, floor=FLOOR)
    assert result.dropped == (3, 9, 12)
    assert result.verdict.light == "yellow"
    assert apart(result.rig.b_from_a("left", "right"), room.b_from_a("left", "right"))[0] < 0.1


def test_two_cameras_with_each_others_pictures_are_red(room):
    detections = room.detections(noise_px=0.15)
    exchanged = {"left": detections["right"], "right": detections["left"]}
    result = calibrate_rig(exchanged, A3, room.lenses, floor=FLOOR)
    assert result.verdict.light == "red"
    assert said(result, "exchanged")


def test_one_cameras_pictures_under_both_names_are_red(room):
    detections = room.detections(noise_px=0.15)
    result = calibrate_rig({**detections, "right": detections["left"]}, A3, room.lenses, floor=FLOOR)
    assert result.verdict.light == "red"
    assert said(result, "same pictures")


def mirrored(row, board, lens, *, markers):
    """A mirrored video: the detector numbers a chessboard's mirror image as it would any chessboard."""
    grid = np.arange(board.columns * board.rows).reshape(board.rows, board.columns)
    ids = grid.ravel() if markers else grid[::-1].ravel()
    flipped = []
    for one in row:
        px = one.px * (-1, 1) + (lens.width - 1, 0)
        flipped.append(replace(one, px=np.ascontiguousarray(px[ids]), mirrored=markers))
    return flipped


@pytest.mark.parametrize("board", [A3, CHARUCO], ids=["chessboard", "charuco"])
def test_a_mirrored_video_is_red(board):
    room = make_room(15, board=board)
    detections = room.detections(noise_px=0.15)
    flipped = mirrored(detections["right"], board, room.lenses["right"], markers=board.kind == "charuco")
    result = calibrate_rig({**detections, "right": flipped}, board, room.lenses, floor=FLOOR)
    assert result.verdict.light == "red"
    assert said(result, "mirrored")


def test_a_rig_whose_videos_are_all_mirrored_is_red():
    room = make_room(12, board=CHARUCO)
    lenses = room.lenses
    flipped = {n: mirrored(row, CHARUCO, lenses[n], markers=True) for n, row in room.detections(noise_px=0.15).items()}
    result = calibrate_rig(flipped, CHARUCO, lenses, floor=FLOOR)
    assert result.verdict.light == "red"
    assert said(result, "every picture")


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (7, 7)], ids=str)
def test_a_symmetric_board_that_flips_is_resolved_and_said(size):
    board = Board("chessboard", *size, (0.038, 0.038))
    room = make_room(15, board=board)
    detections = room.detections(noise_px=0.15)
    rng = np.random.default_rng(0)
    half_turned = [replace(one, px=np.ascontiguousarray(one.px[::-1])) for one in detections["right"]]
    row = [pair[rng.integers(2)] for pair in zip(detections["right"], half_turned, strict=True)]
    result = calibrate_rig({**detections, "right": row}, board, room.lenses, floor=FLOOR)
    assert result.verdict.light == "yellow"
    assert said(result, "half a turn")
    assert apart(result.rig.b_from_a("left", "right"), room.b_from_a("left", "right"))[0] < 0.1


def test_pictures_of_two_sizes_are_refused(room):
    detections = room.detections()
    row = [*detections["right"][:5], *(replace(one, size_px=(640, 360)) for one in detections["right"][5:])]
    with pytest.raises(UserError, match="right has pictures of 640x360 and 1280x720"):
        calibrate_rig({**detections, "right": row}, A3, room.lenses)


def test_pictures_of_another_size_than_the_lens_calibration_are_refused(room):
    lenses = {**room.lenses, "left": replace(room.lenses["left"], width=1920, height=1080)}
    with pytest.raises(UserError, match="left has 1280x720 pictures, its lens was calibrated at 1920x1080"):
        calibrate_rig(room.detections(), A3, lenses)


def test_two_shared_views_are_refused_and_five_are_a_warning(room):
    detections = room.detections(noise_px=0.15)

    def first(n):
        return {**detections, "right": [*detections["right"][:n], *[None] * (26 - n)]}

    with pytest.raises(UserError, match="fewer than 3 views show the board to right"):
        calibrate_rig(first(2), A3, room.lenses)
    result = calibrate_rig(first(5), A3, room.lenses, floor=FLOOR)
    assert result.verdict.light != "green"
    assert said(result, "only 5 views")


def test_a_board_that_stood_still_is_red(room):
    still = Room(room.cameras, A3, [room.world_from_board[0]] * 25)
    result = calibrate_rig(still.detections(noise_px=0.15), A3, room.lenses)
    assert result.verdict.light == "red"
    assert said(result, "different places")


def test_a_board_that_was_only_turned_at_one_place_is_not_green():
    room = make_room(25, reach_m=0.05, floor=False)
    result = calibrate_rig(room.detections(noise_px=0.15), A3, room.lenses)
    assert said(result, "at one place")


@pytest.mark.parametrize("bow_mm", [3.0, 8.0])
def test_a_bent_board_is_not_green(room, bow_mm):
    result = calibrated(room, noise_px=0.15, bow_m=bow_mm / 1000)
    assert result.verdict.light != "green"
    assert said(result, "bent")
    assert result.figures.bow_mm.value == pytest.approx(bow_mm, rel=0.25)


@pytest.mark.parametrize("part", [0.05, -0.05])
def test_a_lens_that_is_off_by_five_percent_is_not_green(room, part):
    lens = room.lenses["right"]
    off = replace(lens, K=np.diag([1 + part, 1 + part, 1]) @ lens.K)
    off.K[:2, 2] = lens.K[:2, 2]
    result = calibrate_rig(room.detections(noise_px=0.15), A3, {**room.lenses, "right": off}, floor=FLOOR)
    assert result.verdict.light != "green"
    assert said(result, "focal") or said(result, "px")


def test_a_small_board_far_away_whose_poses_flip_is_still_the_true_answer():
    board = Board("chessboard", 9, 6, (0.027, 0.027))
    room = make_room(20, board=board, tilt_deg=25, f_px=700.0)
    result = calibrate_rig(room.detections(noise_px=0.4), board, room.lenses, floor=FLOOR)
    assert apart(result.rig.b_from_a("left", "right"), room.b_from_a("left", "right"))[0] < 0.5
    assert result.figures.margin > 1.25


def test_two_answers_that_fit_alike_are_never_green():
    """Boards of a few pixels show no perspective: each view flips, and so may all together."""
    board = Board("chessboard", 9, 6, (0.004, 0.004))
    room = make_room(12, board=board, floor=False)
    try:
        result = calibrate_rig(room.detections(noise_px=0.3), board, room.lenses)
    except UserError:
        return
    assert result.verdict.light != "green"


def test_a_camera_that_shares_no_view_is_named():
    room = make_room(12, centers_m=FOUR)
    detections = {**room.detections(two_sided=True), "side": [None] * 13}
    with pytest.raises(UserError, match="to side"):
        calibrate_rig(detections, A3, room.lenses)


def test_an_unknown_lens_unequal_views_and_foreign_corners_are_refused(room):
    detections = room.detections()
    with pytest.raises(UserError, match="lens of right is not known"):
        calibrate_rig(detections, A3, {"left": room.lenses["left"]})
    with pytest.raises(UserError, match="as many views"):
        calibrate_rig({**detections, "left": detections["left"][:-1]}, A3, room.lenses)
    with pytest.raises(UserError, match="check --board"):
        calibrate_rig(detections, Board("chessboard", 5, 4, (0.038, 0.038)), room.lenses)
    with pytest.raises(UserError, match="two cameras"):
        calibrate_rig({"left": detections["left"]}, A3, room.lenses)


def test_an_assumed_lens_is_not_green(room):
    lenses = {n: replace(c, assumed=True) for n, c in room.lenses.items()}
    result = calibrate_rig(room.detections(noise_px=0.15), A3, lenses, floor=FLOOR)
    assert said(result, "assumed")
