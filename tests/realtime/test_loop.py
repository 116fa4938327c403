"""The order of work: what is with the engine while somebody looks at a result, and what an ending leaves."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import pytest

from calib.camera import Camera
from engine.backends import EngineError
from realtime.frame import Frame
from realtime.handover import End
from realtime.loop import LATENCY, THROUGHPUT, Loop
from realtime.pipeline import Pipeline
from realtime.sight import FAILURES_ALLOWED
from tests.realtime.fake_engine import FakeEngine, projected, standing

SIZE_PX = (320, 240)


class Waiting:
    """Frames that are all there at once, like a file that is decoded faster than it is looked at."""

    def __init__(self, count, error=None, size_px=SIZE_PX):
        image = np.zeros((size_px[1], size_px[0], 3), np.uint8)
        self.left = deque(Frame(i, i / 30, image) for i in range(count))
        self.error = error

    def poll(self):
        if self.left:
            return self.left.popleft()
        raise self.error or End

    def frames(self):
        while self.left:
            yield self.left.popleft()
        if self.error:
            raise self.error


class OneByOne(Waiting):
    """Frames that come only when somebody waits, like a camera that is slower than the engine."""

    def poll(self):
        return None


class Diary(FakeEngine):
    """Writes down what is handed in and what is asked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.diary = []

    def submit(self, image_bgr, boxes, K):
        ticket = super().submit(image_bgr, boxes, K)
        number = len(self.diary)
        self.diary.append("submit")
        diary = self.diary

        class Ticket:
            def result(self):
                diary.append(f"result of {number}")
                return ticket.result()

        return Ticket()


def pipelines(engine, **options):
    return lambda size_px: Pipeline(engine, Camera.from_fov(*size_px, 60.0), **options)


def looked_at(capture, engine, **options):
    """Result indices, and the engine's diary with the moments at which somebody looked at a result."""
    indices = []
    for _, result in Loop(capture, pipelines(engine), **options):
        indices.append(result.index)
        engine.diary.append(f"look {result.index}")
    return indices


def test_while_a_result_is_looked_at_the_next_frame_is_with_the_engine():
    engine = Diary(people=[standing((0, 0, 4))])
    assert looked_at(Waiting(6), engine) == list(range(6))
    at = engine.diary.index("look 3")
    assert engine.diary[at - 1] == "submit"  # of frame 4


def test_live_a_result_is_looked_at_before_the_next_frame_is_taken():
    engine, frames = Diary(people=[standing((0, 0, 4))]), Waiting(6)
    left = [len(frames.left) for _ in Loop(frames, pipelines(engine), live=True)]
    assert left == [5, 4, 3, 2, 1, 0]
    engine = Diary(people=[standing((0, 0, 4))])
    assert looked_at(Waiting(6), engine, live=True) == list(range(6))
    assert engine.diary[engine.diary.index("look 3") - 1].startswith("result")


def test_with_two_frames_under_way_the_engine_always_has_one_more():
    engine = Diary(people=[standing((0, 0, 4))])
    assert looked_at(Waiting(8), engine, under_way=THROUGHPUT) == list(range(8))
    before = engine.diary[: engine.diary.index("look 5")]
    asked = sum(word.startswith("result") for word in before)
    assert before.count("submit") - asked == THROUGHPUT  # handed in and not yet asked for


def test_a_slow_camera_is_waited_for_and_its_results_are_not_kept_back():
    engine = Diary(people=[standing((0, 0, 4))])
    assert looked_at(OneByOne(4), engine) == list(range(4))
    at = engine.diary.index("look 2")
    assert engine.diary[at - 1].startswith("result")  # nothing was handed in between: no frame was there


@pytest.mark.parametrize("under_way", [LATENCY, THROUGHPUT])
def test_both_modes_follow_a_person_who_walks(under_way):
    engine = FakeEngine()
    camera = Camera.from_fov(*SIZE_PX, 60.0)
    truth = [standing((x, 0, 4)) for x in np.linspace(-0.8, 0.8, 60)]

    class Walk(Waiting):
        def poll(self):
            return self._posed(super().poll())

        def frames(self):
            return map(self._posed, super().frames())

        def _posed(self, frame):
            engine.people = [truth[frame.index]]  # what the engine sees from now on
            return frame

    errors_px = []
    for _, result in Loop(Walk(60), pipelines(engine, smooth=False), under_way=under_way):
        [person] = result.people
        assert person.id == 0
        errors_px.append(np.abs(person.joints.px - projected(truth[result.index], camera.K)).max())
    assert max(errors_px[5:]) < 3


def test_frames_before_an_error_are_not_lost():
    engine = Diary(people=[standing((0, 0, 4))])
    seen = []
    with pytest.raises(OSError, match="cable"):
        for _, result in Loop(Waiting(5, OSError("the cable")), pipelines(engine), under_way=THROUGHPUT):
            seen.append(result.index)
    assert seen == list(range(5))


def test_a_live_result_says_how_old_it_is_and_a_files_does_not():
    engine = FakeEngine()
    [(_, result)] = Loop(Waiting(1), pipelines(engine))
    assert result.latency_ms is None
    capture = Waiting(1)
    capture.left[0] = Frame(0, time.monotonic() - 0.5, capture.left[0].image_bgr)
    [(_, result)] = Loop(capture, pipelines(engine), live=True)
    assert 500 <= result.latency_ms < 5000


def test_pictures_of_another_size_get_another_pipeline():
    capture = Waiting(2)
    capture.left += Waiting(2, size_px=(200, 300)).left
    loop = Loop(capture, pipelines(FakeEngine()), under_way=THROUGHPUT)
    assert [frame.image_bgr.shape[:2] for frame, _ in loop] == [(240, 320)] * 2 + [(300, 200)] * 2


class Failing(FakeEngine):
    """Raises at some calls, at submit or at result."""

    def __init__(self, fails, *, late=False, **options):
        super().__init__(**options)
        self.fails, self.late, self.count = fails, late, 0

    def submit(self, image_bgr, boxes, K):
        number, self.count = self.count, self.count + 1
        ticket = super().submit(image_bgr, boxes, K)
        if not self.fails(number):
            return ticket
        if not self.late:
            raise RuntimeError("CUDA error: an illegal memory access")

        class Late:
            def result(self):
                raise RuntimeError("CUDA error: an illegal memory access")

        return Late()


@pytest.mark.parametrize("late", [False, True])
def test_an_engine_that_fails_once_costs_one_frame(late, caplog):
    engine = Failing(lambda call: call == 12, late=late, people=[standing((0, 0, 4))])
    results = [result for _, result in Loop(Waiting(30), pipelines(engine))]
    assert len(results) == 30
    assert sum(not result.people for result in results) <= 1
    assert {p.id for result in results for p in result.people} == {0}
    assert sum("illegal memory access" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("late", [False, True])
def test_an_engine_that_always_fails_ends_the_run_in_one_line(late):
    engine = Failing(lambda call: call >= 12, late=late, people=[standing((0, 0, 4))])
    seen = 0
    with pytest.raises(EngineError, match=f"failed {FAILURES_ALLOWED} times in a row .*--engine eager"):
        for _ in Loop(Waiting(30), pipelines(engine)):
            seen += 1
    assert seen > 5
