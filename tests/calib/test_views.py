from dataclasses import replace

import numpy as np
import pytest

from calib.coverage import TILT_BINS, Coverage
from calib.errors import UserError
from calib.views import VIEWS_MAX, SeenBoard, choose_views, coverage_of, describe, turned_over
from tests.calib.made_up_views import BOARD, WEBCAM, detection, hand_held, project
from tests.calib.render import pose


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def tilted(axis_deg: float, tilt_deg: float = 35.0):
    cam_from_board = pose(BOARD, distance_m=0.5, tilt_deg=tilt_deg, tilt_axis_deg=axis_deg)
    return detection(project(WEBCAM, BOARD.points_m(), cam_from_board), np.arange(54), WEBCAM)


def test_a_detection_is_a_seen_board(rng):
    assert isinstance(hand_held(rng, 1)[0], SeenBoard)


@pytest.mark.parametrize("axis_deg", [-90, -45, 0, 45, 90, 135, 180, 225])
def test_a_tilt_is_named_by_the_side_that_is_farther_away(axis_deg):
    # turned about x (axis 0) the lower side (y down) goes away; a quarter turn on, about y, the left side
    expected = {-90: "right", -45: "lower right", 0: "lower", 45: "lower left", 90: "left"}
    expected |= {135: "upper left", 180: "upper", 225: "upper right"}
    tilt_bin = describe(tilted(axis_deg), BOARD).tilt_bin
    assert tilt_bin is not None
    assert TILT_BINS[tilt_bin] == expected[axis_deg]


def test_a_board_held_flat_towards_the_camera_is_not_tilted():
    assert describe(tilted(0.0, tilt_deg=2.0), BOARD).tilt_bin is None


def test_a_tilt_does_not_depend_on_how_the_board_is_rolled():
    bins = set()
    for roll_deg in (-90, 0, 90, 180):
        cam_from_board = pose(BOARD, distance_m=0.5, tilt_deg=35, tilt_axis_deg=90, roll_deg=roll_deg)
        seen = detection(project(WEBCAM, BOARD.points_m(), cam_from_board), np.arange(54), WEBCAM)
        bins.add(describe(seen, BOARD).tilt_bin)
    assert len(bins) == 1


def test_repeated_views_are_left_out_and_said(rng):
    view = hand_held(rng, 1)[0]
    shaken = [replace(view, px=view.px + rng.normal(0, 0.2, view.px.shape)) for _ in range(10)]
    choice = choose_views(shaken, BOARD)
    assert len(choice.used) == 1
    assert all("shows the same as picture" in d.reason for d in choice.dropped)


def test_many_views_are_reduced_to_a_bounded_number_that_keeps_tilts_and_cover(rng):
    views = hand_held(rng, 120)
    choice = choose_views(views, BOARD)
    everything = coverage_of([describe(v, BOARD) for v in views])
    assert len(choice.used) == VIEWS_MAX
    assert len(choice.used) + len(choice.dropped) == len(views)
    assert choice.coverage.tilt_directions == everything.tilt_directions == 8
    assert choice.coverage.picture == everything.picture
    assert choice.coverage.corners == everything.corners


def test_the_order_of_the_pictures_does_not_change_the_choice(rng):
    views = hand_held(rng, 60)
    order = rng.permutation(60)
    shuffled = choose_views([views[k] for k in order], BOARD)
    assert sorted(order[list(shuffled.used)].tolist()) == list(choose_views(views, BOARD).used)


def test_coverage_counts_cells_edges_and_corners():
    cells = np.zeros((5, 5), np.int64)
    cells[0, 0] = cells[0, 1] = cells[2, 2] = 3
    coverage = Coverage(cells, np.zeros(8, np.int64))
    assert coverage.picture == pytest.approx(3 / 25)
    assert coverage.edges == pytest.approx(1 / 12)
    assert coverage.corners == pytest.approx(1 / 4)


def test_advice_asks_for_tilts_first_and_then_for_corners_edges_and_nothing():
    tilts = np.array([2, 0, 0, 0, 0, 0, 0, 0])
    assert "left side is farther" in Coverage(np.ones((5, 5), np.int64), tilts).advice()
    cells = np.ones((5, 5), np.int64)
    cells[4, 4] = cells[0, 2] = 0
    assert "bottom right corner" in Coverage(cells, np.ones(8, np.int64)).advice()
    cells[4, 4] = 1
    assert "top edge" in Coverage(cells, np.ones(8, np.int64)).advice()
    assert Coverage(np.ones((5, 5), np.int64), np.ones(8, np.int64)).advice() == ""


def test_a_mirrored_picture_is_recognised(rng):
    view = hand_held(rng, 1)[0]
    assert not turned_over(view, BOARD)
    assert turned_over(replace(view, px=view.px * (-1, 1) + (1279, 0)), BOARD)


def test_views_with_too_little_to_judge_are_left_out_with_a_reason(rng):
    few, line, good = hand_held(rng, 3)
    few = detection(few.px[:5], few.ids[:5], WEBCAM)
    line = detection(line.px[:9], line.ids[:9], WEBCAM)
    choice = choose_views([few, line, good], BOARD)
    assert choice.used == (2,)
    assert [d.reason for d in choice.dropped] == ["5 corners were seen, 8 are needed", "its corners lie on one line"]


def test_corners_that_form_no_board_are_left_out(rng):
    view = hand_held(rng, 1)[0]
    choice = choose_views([replace(view, px=rng.permutation(view.px))], BOARD)
    assert "do not lie like those of a 9x6 board" in choice.dropped[0].reason


class Damaged:
    """Corners from elsewhere, without the checks of a detection."""

    def __init__(self, px, ids):
        self.px, self.ids, self.size_px, self.mirrored = px, ids, (1280, 720), False


@pytest.mark.parametrize(
    ("px", "ids", "says"),
    [
        (np.full((54, 2), np.nan), np.arange(54), "not numbers"),
        (np.zeros((54, 3)), np.arange(54), "detect them anew"),
        (np.zeros((54, 2)), np.arange(53), "detect them anew"),
        (np.zeros((54, 2)), np.arange(54) + 1, "check --board"),
        (np.zeros((54, 2)), np.zeros(54, np.int64), "check --board"),
    ],
)
def test_damaged_corners_are_refused_in_one_line(px, ids, says):
    with pytest.raises(UserError, match=says) as error:
        choose_views([Damaged(px, ids)], BOARD)
    assert "\n" not in str(error.value)


def test_pictures_of_two_sizes_are_refused(rng):
    a, b = hand_held(rng, 2)
    with pytest.raises(UserError, match=r"different sizes \(1 of 640x480, 1 of 1280x720\)"):
        choose_views([a, replace(b, size_px=(640, 480))], BOARD)


def test_a_mirror_exchanges_left_and_right_of_a_coverage():
    cells = np.zeros((5, 5), np.int64)
    cells[0, 0] = 1
    seen = Coverage(cells, np.array([1, 2, 3, 4, 5, 6, 7, 8])).flipped
    assert seen.cells[0, 4] == 1
    # right, lower right, lower, lower left, left, upper left, upper, upper right
    assert seen.tilts.tolist() == [5, 4, 3, 2, 1, 8, 7, 6]
    assert seen.flipped.cells[0, 0] == 1


def test_enough_is_what_a_lens_asks_for():
    cells, tilts = np.ones((5, 5), np.int64), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert Coverage(cells, tilts).enough
    assert not Coverage(cells, np.array([9, 9, 9, 0, 0, 0, 0, 0])).enough
    cells[0, 0] = cells[0, 4] = cells[4, 0] = 0
    assert not Coverage(cells, tilts).enough
