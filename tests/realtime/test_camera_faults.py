"""Cameras that hang, break, vanish, come back or stay away: the reader learns which, and no thread is left."""

import itertools
import logging
import threading
import time

import cv2
import pytest

from realtime.capture import Capture
from realtime.sources import SourceError
from realtime.sources.camera import Repeats
from realtime.sources.comeback import Patience
from tests.realtime.fake_camera import (
    FakeDevice,
    camera,
    frames_of,
    grey,
    jpeg,
    jpegs,
    level,
    one_camera,
    threads_of_capture,
)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads_of_capture() == []


@pytest.fixture(autouse=True)
def one_camera_is_listed(monkeypatch):
    one_camera(monkeypatch)


def test_an_unplugged_camera_is_awaited_and_goes_on(caplog):
    first, second = FakeDevice(jpegs(8)), FakeDevice(jpegs(30, start=100))
    with Capture(camera(first, None, None, second, patience=Patience(0.01, 5.0))) as capture:
        frames = []
        for frame in capture.frames():
            frames.append(frame)
            if level(frame) > 110:
                break
    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert lines[:2] == ["camera 0 is gone; waiting for it to come back", "camera 0 is back"]
    assert all(b.index > a.index and b.time_s > a.time_s for a, b in itertools.pairwise(frames))
    assert first.released
    assert second.released


def test_the_index_has_a_gap_where_the_camera_was_away():
    source = camera(FakeDevice(jpegs(8)), None, FakeDevice(jpegs(30, start=100)), patience=Patience(0.01, 5.0))
    assert [f.index for f in frames_of(source, 6)] == [0, 1, 2, 4, 5, 6]
    source.close()


def test_a_read_that_raises_is_a_camera_that_is_gone(caplog):
    broken = FakeDevice([*jpegs(8), cv2.error("ioctl")])
    source = camera(broken, FakeDevice(jpegs(9, start=100)), patience=Patience(0.01, 5.0))
    frames = frames_of(source, 5)
    assert level(frames[-1].decoded()) > 99
    assert "camera 0 is back" in caplog.text
    source.close()


def test_a_camera_that_stays_away_is_an_error_after_its_last_picture():
    seen = []
    with (
        Capture(camera(FakeDevice(jpegs(8)))) as capture,
        pytest.raises(SourceError, match=r"camera 0 is gone and did not come back in 0\.1 s; plug it in"),
    ):
        for frame in capture.frames():
            seen.append(frame)
    assert seen[-1].index == 2


def test_a_camera_that_comes_back_without_a_picture_is_not_back(caplog):
    with (
        Capture(camera(FakeDevice(jpegs(8)), *[FakeDevice(jpegs(1)) for _ in range(100)])) as capture,
        pytest.raises(SourceError, match="did not come back"),
    ):
        list(capture.frames())
    assert "is back" not in caplog.text


def test_the_reader_waits_longer_than_its_own_limit_for_a_camera_that_may_come_back(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.05)
    away = [None] * 20
    source = camera(FakeDevice(jpegs(8)), *away, FakeDevice(jpegs(30, start=100)), patience=Patience(0.01, 5.0))
    with Capture(source) as capture:
        assert any(level(frame) > 99 for frame in capture.frames())


def test_closing_while_the_camera_is_awaited_ends_at_once(caplog):
    source = camera(FakeDevice(jpegs(8)), patience=Patience(30.0, 60.0))
    with Capture(source):
        while "waiting for it" not in caplog.text:
            time.sleep(0.002)
        begin_s = time.monotonic()
    assert time.monotonic() - begin_s < 0.5


def test_a_read_that_never_returns_is_an_error_and_does_not_hold_the_end(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("realtime.capture.JOIN_S", 0.1)
    wake = threading.Event()
    device = FakeDevice([*jpegs(8), lambda: wake.wait(5.0) and None])
    begin_s = time.monotonic()
    with Capture(camera(device)) as capture, pytest.raises(SourceError, match="gave no frame in"):
        list(capture.frames())
    assert time.monotonic() - begin_s < 1.0
    assert not device.released  # it would crash under the read
    wake.set()
    assert threads_of_capture() == []
    assert device.released


def test_a_camera_that_repeats_a_picture_for_seconds_is_warned_of_once(caplog):
    repeats = Repeats("camera 0")
    for k in range(100):
        repeats.check(jpeg(0), 0.1 * k)
    assert caplog.text.count("camera 0 repeats the same picture") == 1
    changing = Repeats("camera 1")
    for k in range(100):
        changing.check(grey(k), 0.1 * k)
    assert "camera 1" not in caplog.text


def test_a_stuck_camera_goes_on(monkeypatch, caplog):
    monkeypatch.setattr("realtime.sources.camera.STUCK_S", 0.01)
    source = camera(FakeDevice(itertools.repeat(jpeg(3))))
    assert len(frames_of(source, 40)) == 40
    assert caplog.text.count("repeats the same picture") == 1
    source.close()
