"""Who is where, from frame to frame, with an engine that knows the truth."""

from __future__ import annotations

import numpy as np
import pytest

from engine.crop import Box, box_around
from realtime.frame import Frame
from realtime.search import Search, pyramid
from realtime.sight import Sight, iou
from realtime.tracker import MISSES_ALLOWED, REMEMBER_S, SEARCH_BUDGET, SPARE_BUDGET, Tracker
from tests.realtime.fake_engine import FakeEngine, projected, standing, view

FPS = 30


class Scene:
    """A fake engine, a tracker and a clock."""

    def __init__(self, *, width=1280, height=720, noise=0.0, **options):
        self.image, self.K = view(width, height)
        self.engine = FakeEngine(noise=noise)
        self.tracker = Tracker(self.engine, self.K, **options)
        self.index = 0

    def show(self, *people):
        """One frame with these people; what the tracker says."""
        self.engine.people = list(people)
        self.engine.calls.clear()
        self.index += 1
        return self.tracker(Frame(self.index, self.index / FPS, self.image))

    def looked(self):
        """How many boxes the last frame cost."""
        return sum(len(boxes) for boxes in self.engine.calls)

    def error_px(self, joints, person):
        return float(np.linalg.norm(joints.px - projected(person, self.K), axis=1).mean())


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1080, 1920), (640, 480), (720, 720), (1921, 641)])
def test_the_pyramid_covers_the_frame_and_stays_in_it(width, height):
    boxes = pyramid(width, height)
    sides = sorted({box.side_px for box in boxes})
    assert sides == sorted({float(max(width, height)), float(min(width, height)), min(width, height) / 2})
    for side in sides[:-1]:
        level = [box for box in boxes if box.side_px == side]
        edges = np.array([[box.center_px - side / 2, box.center_px + side / 2] for box in level])
        np.testing.assert_allclose(edges.min(axis=(0, 1)), (-0.5, -0.5))
        np.testing.assert_allclose(edges.max(axis=(0, 1)), (width - 0.5, height - 0.5))
        xs = np.unique(edges[:, 0, 0])
        assert (np.diff(xs) <= side / 2 + 1e-9).all()
    assert len(boxes) < 40


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1080, 1920)])
@pytest.mark.parametrize("seed", range(12))
def test_a_person_of_any_size_is_found_anywhere(width, height, seed):
    rng = np.random.default_rng(seed)
    scene = Scene(width=width, height=height)
    z_m = 1.75 / (rng.uniform(0.2, 0.9) * min(width, height)) * scene.K[0, 0]
    half_m = np.array([width, height]) / 2 / scene.K[0, 0] * z_m
    x, y = rng.uniform(-1, 1, 2) * np.maximum(half_m - (0.5, 1.0), 0)
    person = standing((x, y, z_m))
    [(id, joints)] = scene.show(person)
    assert id == 0
    assert scene.error_px(joints, person) < 0.03 * joints.box.side_px
    assert iou(joints.box, box_around(projected(person, scene.K))) > 0.7


def test_an_empty_room_holds_nobody():
    scene = Scene()
    assert all(scene.show() == [] for _ in range(20))


def test_a_person_who_walks_through_the_picture_keeps_the_id_and_costs_about_one_box_a_frame():
    scene, costs = Scene(noise=0.005), []
    for x in np.linspace(-1.5, 1.5, 90):
        person = standing((x, 0, 4), arms=1.3 + 1.3 * np.sin(8 * x))
        [(id, joints)] = scene.show(person)
        assert id == 0
        assert scene.error_px(joints, person) < 0.04 * joints.box.side_px
        assert scene.index == 1 or len(scene.engine.calls) == 1
        costs.append(scene.looked())
    assert max(costs[1:]) == 2
    assert np.mean(costs[1:]) < 1.1


def test_a_person_who_comes_near_and_goes_away_is_followed():
    scene = Scene(noise=0.005)
    for z in np.concatenate([np.linspace(6, 2.2, 60), np.linspace(2.2, 6, 60)]):
        person = standing((0.2, 0, z))
        [(id, joints)] = scene.show(person)
        assert id == 0
        assert 0.6 < joints.box.side_px / box_around(projected(person, scene.K)).side_px < 1.6


def test_the_box_of_a_still_person_is_steady_and_arms_that_go_up_stay_inside():
    scene = Scene(noise=0.01)
    boxes = [scene.show(standing((0, 0, 4)))[0][1].box for _ in range(60)][10:]
    side_px = np.mean([box.side_px for box in boxes])
    assert np.std([box.side_px for box in boxes]) < 0.02 * side_px
    assert np.std([box.center_px for box in boxes], axis=0).max() < 0.01 * side_px
    for angle in np.linspace(0, 3, 9):  # both arms from down to up in 0.3 s
        person = standing((0, 0, 4), arms=angle)
        [(_, joints)] = scene.show(person)
        assert scene.error_px(joints, person) < 0.05 * joints.box.side_px


def test_a_box_that_lost_the_feet_finds_them_again():
    scene = Scene()
    person = standing((0, 0, 4))
    scene.show(person)
    upper = box_around(projected(person, scene.K)[6:])
    scene.tracker._tracks[0].box = upper
    for _ in range(30):
        [(_, joints)] = scene.show(person)
    assert joints.box.side_px > 1.3 * upper.side_px
    assert scene.error_px(joints, person) < 0.02 * joints.box.side_px


def test_one_bad_answer_neither_loses_nor_moves_a_person():
    scene = Scene(live=True)
    person = standing((0, 0, 4))
    while not scene.show(person):
        pass
    assert scene.show() == []
    [(id, joints)] = scene.show(person)
    assert id == 0
    assert scene.error_px(joints, person) < 0.02 * joints.box.side_px


def test_a_person_who_leaves_is_let_go_and_a_newcomer_gets_a_new_id():
    scene = Scene()
    [(first, _)] = scene.show(standing((-1, 0, 4)))
    for _ in range(int(FPS * (REMEMBER_S + 0.5))):
        assert scene.show() == []
    [(second, joints)] = scene.show(standing((-1, 0, 4)))
    assert (first, second) == (0, 1)
    assert scene.error_px(joints, standing((-1, 0, 4))) < 0.03 * joints.box.side_px


def test_a_person_back_near_the_lost_place_within_a_second_has_the_same_id():
    scene = Scene()
    scene.show(standing((-1, 0, 4)))
    for _ in range(MISSES_ALLOWED + 10):
        scene.show()
    assert [id for id, _ in scene.show(standing((-0.8, 0, 4)))] == [0]


def test_somebody_elsewhere_right_after_a_loss_is_somebody_else():
    scene = Scene()
    scene.show(standing((-1.8, 0, 4)))
    for _ in range(MISSES_ALLOWED + 10):
        scene.show()
    assert [id for id, _ in scene.show(standing((1.5, 0, 4)))] == [1]


def test_after_a_cut_in_a_file_the_person_is_found_within_a_few_frames():
    scene = Scene()
    scene.show(standing((-1.8, 0, 4)))
    person = standing((1.5, 0, 4))
    seen = [scene.show(person) for _ in range(4)]
    [(id, joints)] = seen[-1]
    assert id == 1
    assert scene.error_px(joints, person) < 0.03 * joints.box.side_px


def test_a_live_search_is_spread_over_frames_and_ends():
    scene = Scene(live=True)
    costs = []
    for _ in range(30):
        scene.show()
        costs.append(scene.looked())
    assert max(costs) <= SEARCH_BUDGET
    person = standing((1.3, 0.4, 6))
    frames = next(n for n in range(1, 20) if scene.show(person))
    assert frames <= np.ceil(len(pyramid(1280, 720)) / SEARCH_BUDGET)


def test_of_several_people_the_near_one_is_followed():
    scene = Scene()
    near, far = standing((1, 0, 3.5)), standing((-1.5, -0.3, 8))
    [(_, joints)] = scene.show(far, near)
    assert scene.error_px(joints, near) < 0.03 * joints.box.side_px


def test_two_people_are_followed_each_with_one_id():
    scene = Scene(people=2, noise=0.005)
    start = {}
    for step in range(60):
        left, right = standing((-1.2 + step * 0.01, 0, 4)), standing((1.2, 0, 5 - step * 0.01))
        people = dict(scene.show(left, right))
        assert len(people) == 2
        start = start or {id: joints.px[6, 0] for id, joints in people.items()}
        for id, joints in people.items():
            person = left if start[id] < 640 else right
            assert scene.error_px(joints, person) < 0.04 * joints.box.side_px


def test_the_second_person_who_comes_in_later_is_found_and_one_who_is_not_wanted_is_not():
    for people in (1, 2):
        scene = Scene(people=people)
        first, second = standing((-1, 0, 4)), standing((1, 0, 4))
        for _ in range(10):
            assert len(scene.show(first)) == 1
        seen = [scene.show(first, second) for _ in range(40)][-1]
        assert len(seen) == people
        assert scene.error_px(dict(seen)[0], first) < 0.03 * 500


def test_a_live_search_for_a_second_person_costs_few_boxes_a_frame():
    scene = Scene(people=2, live=True)
    first, second = standing((-1, 0, 4)), standing((1, 0, 4))
    while not scene.show(first):
        pass
    for _ in range(20):
        scene.show(first)
        assert len(scene.engine.calls[0]) <= 2
        assert len(scene.engine.calls[1]) == SPARE_BUDGET
    assert any(len(scene.show(first, second)) == 2 for _ in range(20))


def test_two_tracks_that_fall_on_one_person_become_one():
    scene = Scene(people=2)
    for x in np.linspace(1.0, 0.0, 40):
        scene.show(standing((-x, 0, 4)), standing((x, 0, 4.0)))
    for _ in range(MISSES_ALLOWED + 2):
        seen = scene.show(standing((0, 0, 4)))
        assert len(seen) == 1


def test_without_tracking_every_frame_is_searched_anew():
    scene = Scene(track=False)
    person = standing((0, 0, 4))
    for _ in range(3):
        [(id, joints)] = scene.show(person)
        assert id == 0
        assert scene.looked() > len(pyramid(1280, 720))
        assert scene.error_px(joints, person) < 0.03 * joints.box.side_px


def test_numbers_that_are_not_finite_count_as_nobody_and_are_counted(caplog):
    scene = Scene()
    person = standing((0, 0, 4))
    scene.show(person)
    scene.engine.broken = True
    for _ in range(10):
        assert scene.show(person) == []
    assert scene.tracker.broken_outputs >= 10
    assert [record.message for record in caplog.records] == [
        "the engine fake gave numbers that are not finite; counted as nobody"
    ]
    scene.engine.broken = False
    assert [id for id, _ in scene.show(person)] == [0]


def test_a_clock_that_jumps_back_does_not_keep_the_lost_for_ever():
    scene = Scene()
    scene.show(standing((-1, 0, 4)))
    for _ in range(MISSES_ALLOWED + 2):
        scene.show()
    scene.index = -1000
    assert [id for id, _ in scene.show(standing((-1, 0, 4)))] == [1]


def test_stages_are_timed_apart():
    scene = Scene()
    scene.show(standing((0, 0, 4)))
    assert set(scene.tracker.stage_ms) == {"search", "track", "engine"}
    assert all(ms >= 0 for ms in scene.tracker.stage_ms.values())


def test_a_hint_is_looked_at_first_and_calls_are_bounded():
    image, K = view()
    engine = FakeEngine(people=[standing((0, 0, 4))])
    hint = Box(np.array([640.0, 360.0]), 500.0)
    found = Search(Sight(engine, K))(image, wanted=1, hints=[hint], budget=0)
    assert len(found) == 1
    assert [box.side_px for box in engine.calls[0]] == [500.0]
    Search(Sight(engine, K))(image, wanted=1)
    assert max(len(boxes) for boxes in engine.calls) <= 8


def test_nobody_wanted_is_refused():
    with pytest.raises(ValueError, match="people = 0"):
        Scene(people=0)
