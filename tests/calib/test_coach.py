"""What a person with a board in their hands is told, and which pictures are kept."""

from dataclasses import replace

import numpy as np
import pytest

from calib.coach import STILL_S, VIEWS_WANTED, Coach
from calib.detection import NotFound
from calib.intrinsics import calibrate_intrinsics
from tests.calib.made_up_views import BOARD, WEBCAM, detection, hand_held, project
from tests.calib.render import pose

FRAME_S = 1 / 15
NOTHING = NotFound("nothing", "no board is seen")


class Hand:
    """Holds boards in front of a coach, frame by frame."""

    def __init__(self, coach: Coach) -> None:
        self.coach, self.time_s = coach, 0.0
        self.states: list[str] = []
        self._rng = np.random.default_rng(0)

    def holds(self, view, *, frames=10, shake_px=0.1, **changes) -> int:
        """How many pictures of it were kept."""
        before = self.coach.kept
        for _ in range(frames):
            self.time_s += FRAME_S
            seen = replace(view, px=view.px + self._rng.normal(0, shake_px, 2), **changes)
            hint = self.coach.look(seen, self.time_s)
            self.states.append(hint.state)
            if hint.take:
                assert self.coach.keep(seen)
        return self.coach.kept - before


def view(tilt_axis_deg=0.0, *, distance_m=0.5, tilt_deg=30.0, off=(0.0, 0.0)):
    cam_from_board = pose(BOARD, distance_m=distance_m, tilt_deg=tilt_deg, tilt_axis_deg=tilt_axis_deg, off_axis_m=off)
    return detection(project(WEBCAM, BOARD.points_m(), cam_from_board), np.arange(54), WEBCAM)


@pytest.fixture
def hand() -> Hand:
    return Hand(Coach(BOARD))


def test_a_still_board_is_kept_once(hand):
    assert hand.holds(view()) == 1
    assert hand.holds(view(), frames=30) == 0
    assert hand.states[0] == "hold it still"
    assert hand.states[-1] == "this view is there already"


def test_a_board_has_to_be_still_for_a_moment(hand):
    frames = int(STILL_S / FRAME_S) + 1
    assert hand.holds(view(), frames=frames - 1) == 0
    assert hand.holds(view(), frames=3) == 1


def test_a_board_that_moves_is_not_kept(hand):
    for k in range(20):
        assert hand.holds(view(off=(0.01 * k, 0.0)), frames=1) == 0
    assert set(hand.states) == {"hold it still"}


def test_after_the_board_was_away_it_has_to_be_still_again(hand):
    hand.holds(view(), frames=3)
    for _ in range(20):
        hand.time_s += FRAME_S
        hint = hand.coach.look(NOTHING, hand.time_s)
    assert (hint.take, hint.state) == (False, "no board is seen")
    assert hand.holds(view(), frames=2) == 0
    assert hand.holds(view(), frames=6) == 1


def test_a_frame_without_a_board_in_between_does_not_matter(hand):
    hand.holds(view(), frames=3)
    hand.time_s += FRAME_S
    hand.coach.look(NOTHING, hand.time_s)
    assert hand.holds(view(), frames=3) == 1


def test_a_blurred_board_is_not_kept_and_said(hand):
    assert hand.holds(view(), sharpness_px=2.0) == 1
    assert hand.holds(view(90), sharpness_px=4.0) == 0
    assert "blurred (edges 4.0 px wide)" in hand.states[-1]
    assert hand.holds(view(90), sharpness_px=2.9) == 1


def test_a_camera_that_is_never_sharper_still_gets_its_pictures(hand):
    assert hand.holds(view(), sharpness_px=4.0) == 1
    assert hand.holds(view(90), sharpness_px=5.0) == 1


def test_the_same_place_with_another_tilt_is_something_new(hand):
    assert [hand.holds(view(axis)) for axis in (0, 90, 180, 270)] == [1, 1, 1, 1]
    assert hand.coach.coverage.tilt_directions == 4
    assert "corner of the picture" in hand.coach.goal


def test_a_corner_of_the_picture_is_something_new_also_after_enough_pictures():
    hand = Hand(Coach(BOARD))
    for k in range(VIEWS_WANTED):
        hand.coach.keep(view(45.0 * k, distance_m=0.8))
    assert not hand.coach.enough
    assert hand.holds(view(45, distance_m=0.8, off=(0.12, 0.0))) == 0
    assert hand.holds(view(45, off=(0.19, 0.09))) == 1


def test_too_few_corners_are_not_kept(hand):
    few = view()
    few = detection(few.px[:6], few.ids[:6], WEBCAM)
    assert hand.holds(few) == 0
    assert hand.states[-1] == "too little of the board is seen"
    assert not hand.coach.keep(few)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_coach_finds_enough_gives_a_green_lens(seed):
    hand, kept = Hand(Coach(BOARD)), []
    for seen in hand_held(np.random.default_rng(seed), 80):
        if hand.holds(seen):
            kept.append(seen)
        if hand.coach.enough:
            break
    assert hand.coach.enough
    assert hand.coach.goal == "" or hand.coach.coverage.wanted_cell() is not None
    lens = calibrate_intrinsics(kept, BOARD)
    assert lens.verdict.light == "green", lens.verdict.texts()
    assert lens.camera.K[0, 0] == pytest.approx(WEBCAM.K[0, 0], rel=0.005)


def test_a_mirrored_preview_gets_mirrored_advice():
    plain, flipped = Coach(BOARD), Coach(BOARD, flipped=True)
    for coach in (plain, flipped):
        for axis in (90, 120, 60):  # the left side is farther away
            coach.keep(view(axis, off=(-0.1, 0.0)))
    assert "right" in plain.goal
    assert "left" in flipped.goal
