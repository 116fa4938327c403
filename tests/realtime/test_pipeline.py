"""Frames in, people in metres out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera
from realtime.frame import Frame
from realtime.pipeline import Pipeline
from tests.realtime.fake_engine import FakeEngine, standing, view

FPS = 30


def watch(engine, scenes, **options):
    """The results of a pipeline that sees one scene (a list of people) a frame."""
    image, _ = view()
    pipeline = Pipeline(engine, Camera.from_fov(1280, 720, 60.0), **options)
    results = []
    for index, people in enumerate(scenes):
        engine.people = people
        results.append(pipeline(Frame(index, index / FPS, image)))
    return pipeline, results


def test_a_still_person_is_where_they_stand_in_metres():
    truth_m = standing((0.4, 0.1, 4.0), arms=1.0)
    _, results = watch(FakeEngine(), [[truth_m]] * 10)
    for result in results:
        [person] = result.people
        assert (person.id, result.engine) == (0, "fake")
        np.testing.assert_allclose(person.offsets_m + person.root_m, truth_m, atol=0.02)
        np.testing.assert_array_equal(person.offsets_m[6], 0.0)


def test_two_noisy_people_are_steadier_smoothed_than_not():
    scene = [[standing((-1.2, 0, 4)), standing((1.2, 0, 4))]] * 90
    jitter = {}
    for smooth in (True, False):
        _, results = watch(FakeEngine(noise=0.005), scene, people=2, smooth=smooth)
        assert all([p.id for p in result.people] == [0, 1] for result in results)
        offsets_m = np.array([[p.offsets_m for p in result.people] for result in results[30:]])
        jitter[smooth] = np.diff(offsets_m, axis=0).std()
    assert jitter[True] < jitter[False] / 3


def test_a_person_walking_towards_the_camera_comes_nearer_in_metres():
    zs = np.linspace(6, 3, 75)
    _, results = watch(FakeEngine(noise=0.005), [[standing((0.2, 0, z))] for z in zs])
    errors = np.array([r.people[0].root_m[2] - z for r, z in zip(results, zs, strict=True)])
    assert np.abs(errors).max() < 0.6


def test_without_tracking_every_photo_stands_for_itself():
    scenes = [[standing((x, 0, z))] for x, z in ((-1, 3.5), (1, 6), (0, 4))]
    _, results = watch(FakeEngine(), scenes, track=False)
    for result, [truth_m] in zip(results, scenes, strict=True):
        [person] = result.people
        np.testing.assert_allclose(person.offsets_m + person.root_m, truth_m, atol=0.1)


def test_nobody_broken_numbers_and_equal_times_go_through():
    engine = FakeEngine(people=[standing((0, 0, 4))])
    image, _ = view()
    pipeline = Pipeline(engine, Camera.from_fov(1280, 720, 60.0))
    for index in range(3):
        [person] = pipeline(Frame(index, 1.0, image)).people
        assert np.isfinite(person.offsets_m).all()
    assert pipeline.broken_outputs == 0
    engine.broken = True
    assert pipeline(Frame(3, 1.1, image)).people == []
    assert pipeline.broken_outputs > 0
    engine.broken, engine.people = False, []
    assert pipeline(Frame(4, 1.2, image)).people == []


def test_a_body_height_scales_the_result():
    truth_m = standing((0, 0, 4), height_m=1.2)
    _, results = watch(FakeEngine(), [[truth_m]], height_m=1.2)
    assert results[0].people[0].root_m[2] == pytest.approx(4.0, abs=0.05)


def test_every_stage_has_its_time():
    _, results = watch(FakeEngine(), [[standing((0, 0, 4))]] * 2)
    for result in results:
        assert list(result.stage_ms) == ["search", "track", "engine", "smooth", "lift"]
        assert all(ms >= 0 for ms in result.stage_ms.values())


def test_a_frame_of_another_size_than_the_camera_is_refused():
    pipeline = Pipeline(FakeEngine(), Camera.from_fov(640, 480, 60.0))
    with pytest.raises(ValueError, match="frame 0 is 1280x720, the camera is for 640x480"):
        pipeline(Frame(0, 0.0, view()[0]))


def test_a_bent_lens_is_straightened_before_metres():
    flat = Camera.from_fov(1280, 720, 60.0)
    bent = Camera(1280, 720, flat.K, np.array([-0.25, 0.08, 0.0, 0.0, 0.0]))
    truth_m = standing((1.6, 0.1, 4.0))
    engine = FakeEngine(people=[truth_m])
    [person] = Pipeline(engine, flat)(Frame(0, 0.0, view()[0])).people
    seen = replace(person.joints, px=bent.project(truth_m))
    pipelines = {}
    for name, camera in (("flat", flat), ("bent", bent)):
        pipelines[name] = Pipeline(engine, camera, smooth=False)
        pipelines[name](Frame(0, 0.0, view()[0]))
    errors_m = {
        name: np.abs((p := pipeline._lifted(0, seen, 0.1)).offsets_m + p.root_m - truth_m).max()
        for name, pipeline in pipelines.items()
    }
    assert errors_m["bent"] < 0.05
    assert errors_m["flat"] > 2 * errors_m["bent"]
