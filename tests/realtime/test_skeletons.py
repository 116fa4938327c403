"""A network with nine joints more: who is there, and where, is judged as by one without them; all joints are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera
from engine.crop import box_around
from engine.joints import Joints
from engine.skeleton import BODY25, CORE, EXTREMITIES, HEAD_TOP, MPII16, NOSE, R_TOE
from realtime.figure import FACE, HEAD_RADIUS_M, posed
from realtime.frame import Frame
from realtime.overlay import draw_skeleton
from realtime.pipeline import Pipeline
from realtime.scene import Scene
from realtime.sight import accepted, completeness, fitted_box, plausible, quality, same_person, sure
from realtime.stage import Stage
from realtime.tracker import next_box
from tests.realtime.fake_engine import FakeEngine, projected, standing, view
from tests.realtime.screen import result_of
from tests.realtime.skeletons import EITHER


def seen(score, *, root_m=(0.2, 0.1, 4.0), extremity=None):
    """A person of body25 whose joints of CORE have these scores, and the rest of them another."""
    image, K = view()
    px = projected(standing(root_m, skeleton=BODY25), K)
    scores = np.full(len(BODY25), score if extremity is None else extremity)
    scores[CORE] = score
    box = box_around(px[CORE])
    return image, Joints(px, np.zeros(len(px)), np.full((len(px), 3), 0.02), scores, 0.9, box)


def of_core(joints):
    return replace(
        joints, px=joints.px[CORE], depth=joints.depth[CORE], sigma=joints.sigma[CORE], score=joints.score[CORE]
    )


@pytest.mark.parametrize("score", [0.02, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("extremity", [0.0, 1.0])
def test_a_person_is_judged_and_boxed_by_the_joints_that_both_skeletons_have(score, extremity):
    image, joints = seen(score, extremity=extremity)
    joints.px[list(EXTREMITIES)] += (300.0, -200.0)  # they may be anywhere
    alone = of_core(joints)
    assert quality(joints) == quality(alone)
    assert completeness(joints) == completeness(alone)
    assert (accepted(joints), plausible(joints)) == (accepted(alone), plausible(alone))
    np.testing.assert_array_equal(sure(joints), sure(alone))
    for box, expected in (
        (fitted_box(joints), fitted_box(alone)),
        (next_box(joints.box, joints, image), next_box(joints.box, alone, image)),
    ):
        np.testing.assert_array_equal(box.center_px, expected.center_px)
        assert box.side_px == expected.side_px


def test_extremities_alone_are_nobody():
    _, joints = seen(0.0, extremity=1.0)
    assert sure(joints).sum() == 0
    assert not plausible(joints)
    assert not accepted(joints)


def test_two_poses_are_one_person_whatever_their_extremities_say():
    _, one = seen(0.9)
    other = replace(one, px=one.px.copy())
    other.px[list(EXTREMITIES)] += 400.0
    assert same_person(one, other)
    assert not same_person(one, seen(0.9, root_m=(1.6, 0.1, 4.0))[1])


def test_the_pipeline_gives_all_joints_in_metres_and_follows_as_before():
    truth_m = standing((0.4, 0.1, 4.0), arms=1.0, skeleton=BODY25)
    image, _ = view()
    results = {}
    for skeleton in (MPII16, BODY25):
        engine = FakeEngine(skeleton=skeleton)
        pipeline = Pipeline(engine, Camera.from_fov(1280, 720, 60.0))
        engine.people = [truth_m[: len(skeleton)]]
        results[skeleton.name] = [pipeline(Frame(i, i / 30, image)) for i in range(10)]
    for few, many in zip(results["mpii16"], results["body25"], strict=True):
        [short], [person] = few.people, many.people
        assert (len(short.offsets_m), len(person.offsets_m)) == (16, 25)
        np.testing.assert_allclose(person.offsets_m + person.root_m, truth_m, atol=0.03)
        np.testing.assert_allclose(person.offsets_m[CORE], short.offsets_m, atol=0.02)
        np.testing.assert_allclose(person.root_m, short.root_m, rtol=0.01)


def test_a_wrong_toe_moves_neither_the_distance_nor_the_eye():
    image, _ = view()
    engine = FakeEngine(skeleton=BODY25)
    results = []
    for way_m in (0.0, 1.5):
        person_m = standing((0.0, 0.1, 4.0), skeleton=BODY25)
        person_m[R_TOE] += (way_m, 0, 0)
        engine.people = [person_m]
        pipeline = Pipeline(engine, Camera.from_fov(1280, 720, 60.0), smooth=False)
        results.append(pipeline(Frame(0, 0.0, image)))
    [[right], [wrong]] = (result.people for result in results)
    np.testing.assert_allclose(wrong.root_m, right.root_m, rtol=2e-3)
    stages = Stage(), Stage()
    for stage, person in zip(stages, (right, wrong), strict=True):
        stage.follow([person.offsets_m + person.root_m])
    np.testing.assert_allclose(stages[1].target_m, stages[0].target_m, rtol=0.01, atol=0.01)


@EITHER
def test_every_joint_is_drawn_on_the_picture(skeleton):
    image, K = view()
    px = projected(standing((0.3, 0.1, 4.0), arms=0.8, skeleton=skeleton), K)
    draw_skeleton(image, px, np.full(len(px), 0.9), box_side_px=500.0)
    at = np.round(px).astype(int)
    assert (image[at[:, 1], at[:, 0]].max(axis=-1) > 150).all()
    by_score = np.zeros_like(image)
    draw_skeleton(by_score, px, np.ones(len(px)), box_side_px=500.0, by_score=True)
    assert (by_score[at[:, 1], at[:, 0]].argmax(axis=-1) == 1).mean() > 0.8  # green


def test_an_unsure_nose_is_drawn_small():
    _, K = view()
    px = projected(standing((0.0, 0.1, 4.0), skeleton=BODY25), K)
    px[NOSE] = (100, 100)
    areas = []
    for score in (0.9, 0.1):
        image, scores = view()[0], np.full(len(px), 0.9)
        scores[NOSE] = score
        draw_skeleton(image, px, scores, box_side_px=700.0)
        areas.append(int((image[80:120, 80:120].max(axis=-1) > 150).sum()))
    assert 0 < areas[1] < areas[0]


def test_the_view_of_space_shows_feet_and_a_face():
    pictures = []
    for skeleton in (MPII16, BODY25):
        scene = Scene((400, 400))
        for _ in range(40):
            image = scene.render(result_of(standing((0.0, 0.1, 4.0), skeleton=skeleton)))
        pictures.append(image.astype(int))
    rows = np.flatnonzero(np.abs(pictures[1] - pictures[0]).max(axis=(1, 2)) > 60)
    middle = (rows.min() + rows.max()) / 2
    assert (rows < middle).any()
    assert (rows > middle).any()
    assert rows.max() - rows.min() > 150  # from the ears to the toes


def test_nose_and_ears_lie_on_the_head_and_not_within():
    person = standing((0.5, 0.2, 4), skeleton=BODY25)
    face = list(FACE)
    person[face] = person[HEAD_TOP] + (0.0, 0.09, 0.01)
    drawn = posed(person)
    assert np.linalg.norm(drawn[face] - drawn[HEAD_TOP], axis=1) == pytest.approx(HEAD_RADIUS_M)
    rest = np.delete(np.arange(len(person)), [HEAD_TOP, *face])
    np.testing.assert_array_equal(drawn[rest], person[rest])
