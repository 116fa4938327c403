"""The view of space in the video, and where its eye looks."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.scene import Scene
from realtime.stage import UNKNOWN_ROOT_M, Stage
from tests.realtime.fake_engine import standing
from tests.realtime.screen import result_of

SIZE = (200, 160)


def settled(*people):
    scene = Scene(SIZE)
    for _ in range(40):
        image = scene.render(result_of(*people))
    return image.astype(int)


def test_people_stand_in_the_middle_in_the_colours_of_their_sides():
    image = settled(standing((0.5, 0.1, 4.0)))
    blue, _, red = image.transpose(2, 0, 1)
    left, right = (red > 150) & (blue < 90), (blue > 150) & (red < 120)
    assert min(left.sum(), right.sum()) > 80
    _, columns = np.nonzero(left | right)
    assert columns.mean() == pytest.approx(SIZE[0] / 2, abs=8)


def test_the_eye_steps_back_for_people_who_stand_apart():
    one = settled(standing((0, 0.1, 4.0)))
    two = settled(standing((-1.3, 0.1, 4.0)), standing((1.3, 0.1, 4.0)))
    head = (one.min(axis=-1) > 190).sum()
    assert (two.min(axis=-1) > 190).sum() < 1.8 * head


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.05), (0.0, 0.0, -3.0), (1e5, -1e5, 1e5)])
def test_a_frame_without_people_and_one_with_people_in_strange_places_are_drawn(place):
    scene = Scene(SIZE)
    for people in ([], [standing(place)], []):
        assert scene.render(result_of(*people)).shape == (SIZE[1], SIZE[0], 3)


def test_the_stage_goes_to_the_first_person_at_once_and_rests_within_its_slack():
    stage = Stage(slack_m=0.3)
    assert tuple(stage.target_m) == UNKNOWN_ROOT_M
    stage.follow([standing((1, 0, 5))])
    first_m = stage.target_m
    stage.follow([standing((1.2, 0, 5))])
    np.testing.assert_array_equal(stage.target_m, first_m)
    for _ in range(200):
        stage.follow([standing((3, 0, 5))])
    assert stage.target_m[0] - first_m[0] == pytest.approx(2.0, abs=0.06)


def test_the_stage_keeps_the_nearest_group_or_whom_it_is_told():
    near, far = standing((0, 0, 3)), standing((0, 0, 9))
    group, told = Stage(), Stage()
    group.follow([near, far])
    told.follow([near, far], 1)
    assert group.target_m[2] == pytest.approx(3, abs=0.2)
    assert told.target_m[2] == pytest.approx(9, abs=0.2)
    assert group.reach_m == 0.0
