"""An engine that gives way to a better one during a run: no frame waits, none is lost, and what fails costs a line."""

import threading
import time

import numpy as np
import pytest

from calib.camera import Camera
from engine.backends import EngineError
from engine.backends.upgrading import UpgradingEngine
from realtime.bench.camera import StampedCamera
from realtime.capture import Capture
from realtime.loop import Loop
from realtime.pipeline import Pipeline
from tests.realtime.fake_engine import FakeEngine, standing, view

PERIOD_S = 1 / 50
BUSY_S = 0.004  # of an engine; a camera's period has room for several


class Slow(FakeEngine):
    """Takes its time, and knows whether it was closed."""

    closed = False

    def submit(self, image_bgr, boxes, K):
        assert not self.closed
        time.sleep(BUSY_S)
        return super().submit(image_bgr, boxes, K)

    def close(self):
        self.closed = True


class Later:
    """A better engine that is there after some seconds."""

    def __init__(self, engine, after_s=0.0, error=None):
        self.engine, self.after_s, self.error = engine, after_s, error
        self.warmed = None
        self.cancelled = threading.Event()

    def open(self, say):
        say(1, 4, "building for 1 crop")
        self.cancelled.wait(self.after_s)
        if self.cancelled.is_set():
            raise EngineError("building was ended")
        if self.error is not None:
            raise self.error
        return self.engine

    def warm_up(self, engine, frame_shape):
        self.warmed = frame_shape

    def cancel(self):
        self.cancelled.set()


def engines():
    return (Slow(people=[standing((0, 0, 4))], name=name, description=name) for name in ("first", "better"))


@pytest.mark.parametrize("under_way", [1, 2])
def test_a_camera_loses_no_frame_when_engines_change(under_way):
    first, better = engines()
    later = Later(better, after_s=0.6)
    image, _ = view(320, 240)
    seen = []
    with (
        UpgradingEngine(first, later) as engine,
        Capture(StampedCamera([image.copy() for _ in range(12)], PERIOD_S)) as capture,
    ):
        pipeline = Pipeline(engine, Camera.from_fov(320, 240, 60.0), live=True)
        for _, result in Loop(capture, lambda size_px: pipeline, live=True, under_way=under_way):
            seen.append((result.index, result.engine, capture.dropped))
            if len(seen) == 90:
                break
    swap = [name for _, name, _ in seen].index("better")
    assert 5 < swap < 85
    assert [name for _, name, _ in seen] == ["first"] * swap + ["better"] * (90 - swap)
    around = [index for index, _, _ in seen[swap - 3 : swap + 4]]
    assert np.diff(around).tolist() == [1] * 6
    assert later.warmed == (240, 320)
    assert first.closed
    assert better.closed


def test_progress_is_seen_until_the_better_engine_runs():
    first, better = engines()
    image, K = view(320, 240)
    with UpgradingEngine(first, Later(better, after_s=0.2)) as engine:
        while engine.description == "first":
            pass
        assert engine.description == "first (TensorRT: building for 1 crop, 1 of 4)"
        while engine.name == "first":
            engine.infer(image, [], K)
        assert engine.description == "better"


@pytest.mark.parametrize(
    ("error", "says"),
    [(EngineError("it disagrees"), "it disagrees; first runs on"), (OSError("full"), "OSError: full")],
)
def test_what_is_not_to_be_had_costs_a_line(caplog, error, says):
    first, better = engines()
    image, K = view(320, 240)
    with UpgradingEngine(first, Later(better, error=error)) as engine:
        engine._thread.join(5)
        engine.infer(image, [], K)
        assert (engine.name, engine.description) == ("first", "first")
    assert says in caplog.text


def test_closing_does_not_wait_for_the_better_engine(caplog):
    first, better = engines()
    engine = UpgradingEngine(first, Later(better, after_s=60.0))
    begin = time.monotonic()
    engine.close()
    engine.close()
    assert time.monotonic() - begin < 5
    assert first.closed
    assert not engine._thread.is_alive()
    assert not caplog.text


def test_a_better_engine_that_nobody_came_to_use_is_closed():
    first, better = engines()
    engine = UpgradingEngine(first, Later(better))
    time.sleep(0.1)
    engine.close()
    assert first.closed
    assert better.closed
