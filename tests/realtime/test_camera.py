"""Webcams without hardware: what is asked and said, decoding, times, damage."""

import itertools
import threading
import time

import cv2
import numpy as np
import pytest

from realtime import doctor
from realtime.capture import Capture
from realtime.frame import Frame, Undecoded
from realtime.sources import Source, SourceError, open_source
from realtime.sources.comeback import Patience
from realtime.sources.device import camera_name
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


def test_no_camera_is_said_with_what_to_do_instead(monkeypatch):
    monkeypatch.setattr("realtime.sources.device.camera_indices", list)
    with pytest.raises(SourceError, match="no camera is connected; plug one in, or use --video"):
        open_source(camera=0)


def test_another_camera_than_those_connected_is_refused(monkeypatch):
    monkeypatch.setattr("realtime.sources.device.camera_indices", lambda: [0, 2])
    with pytest.raises(SourceError, match="no camera 7; connected: 0, 2"):
        open_source(camera=7)


def test_the_format_is_asked_for_before_the_size_and_the_size_before_the_rate():
    device = FakeDevice(jpegs(3))
    source = camera(device)
    assert isinstance(source, Source)
    assert device.asked == [
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
        cv2.CAP_PROP_CONVERT_RGB,
    ]
    source.close()


def test_what_was_granted_is_said_and_where_it_differs_what_was_asked(monkeypatch):
    source = camera(FakeDevice(jpegs(3)))
    assert source.mode == "64x48 MJPG at 30 fps (asked 1280x720 MJPG at 30 fps)"
    assert source.description == f"{source.mode}, timed by its driver"
    assert (source.size_px, source.rate) == ((64, 48), 30)
    source.close()
    picture = cv2.imencode(".jpg", np.zeros((720, 1280, 3), np.uint8))[1]
    source = camera(FakeDevice([picture]), rotate_deg=90)
    assert source.mode == "1280x720 MJPG at 30 fps"
    assert source.size_px == (720, 1280)
    source.close()


def test_a_picture_is_decoded_only_where_somebody_takes_it(monkeypatch):
    decoded = []
    real = cv2.imdecode
    monkeypatch.setattr("cv2.imdecode", lambda *a: decoded.append(1) or real(*a))
    with Capture(camera(FakeDevice(jpegs(60)), patience=Patience(0.01, 5.0))) as capture:
        while capture.captured < 50:
            time.sleep(0.002)
        decoded.clear()
        frame = next(capture.frames())
        assert len(decoded) == 1
        assert frame.index >= 45
        assert capture.dropped >= frame.index - 1


def test_the_pictures_that_waited_while_the_program_started_are_passed_over():
    source = camera(FakeDevice(jpegs(20)))
    first = frames_of(source, 1)[0]
    assert isinstance(first, Undecoded)
    frame = first.decoded()
    assert level(frame) == 5  # one told the size, four were buffered
    assert frame.index == 0
    source.close()


def test_a_picture_that_had_to_be_waited_for_is_the_last_that_is_passed_over(monkeypatch):
    monkeypatch.setattr("realtime.sources.camera.WAITED_S", 0.005)
    source = camera(FakeDevice(jpegs(20), period_s=0.01))
    assert level(frames_of(source, 1)[0].decoded()) == 2
    source.close()


@pytest.mark.parametrize("pixels", ["YUYV", ""])
def test_a_camera_without_mjpg_gives_decoded_pictures_and_that_is_said(pixels):
    source = camera(FakeDevice([grey(i) for i in range(20)], pixels=pixels))
    assert "every picture decoded on arrival" in source.description
    frames = frames_of(source, 3)
    assert all(isinstance(f, Frame) for f in frames)
    source.close()


def test_a_driver_that_decodes_although_raw_pictures_were_asked_for_is_taken_as_it_is():
    source = camera(FakeDevice([grey(i) for i in range(20)]))
    assert source.mode.startswith("64x48 MJPG")
    assert "every picture decoded on arrival" in source.description
    assert isinstance(frames_of(source, 1)[0], Frame)
    source.close()


def test_a_damaged_picture_is_a_dropped_one_and_is_counted():
    script = [*jpegs(6), jpeg(100)[:, :300], np.zeros((1, 0), np.uint8), jpeg(7)]
    released = threading.Semaphore(0)

    def step(picture):
        return lambda: released.acquire(timeout=2.0) and picture

    source = camera(FakeDevice([*script[:5], *map(step, script[5:])]))
    with Capture(source) as capture:
        frames = capture.frames()
        released.release()
        assert next(frames).index == 0
        for damaged in (1, 2):
            released.release()
            while capture.captured < 1 + damaged:
                time.sleep(0.001)
            assert capture.poll() is None
            assert (capture.dropped, capture.captured) == (damaged, 1 + damaged)
        released.release()
        assert next(frames).index == 3


def test_pictures_that_are_all_damaged_are_an_error_not_silence(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.1)
    source = camera(FakeDevice(itertools.chain(jpegs(1), itertools.repeat(jpeg(1)[:, :300]))))
    with Capture(source) as capture, pytest.raises(SourceError, match=r"camera 0 gave no frame in 0\.1 s"):
        list(capture.frames())


def test_a_first_picture_that_is_cut_short_is_passed_over():
    source = camera(FakeDevice([jpeg(0)[:, :300], *jpegs(10)]))
    assert source.size_px == (64, 48)
    source.close()


def test_a_camera_that_gives_no_picture_is_said_and_released():
    device = FakeDevice([])
    with pytest.raises(SourceError, match="opens but gives no picture"):
        camera(device)
    assert device.released


def test_a_camera_that_cannot_be_opened_is_said():
    with pytest.raises(SourceError, match="cannot be opened; is another program using it"):
        camera(None)


def test_a_camera_that_hangs_while_it_is_opened_is_said_and_let_go_when_it_wakes(monkeypatch):
    monkeypatch.setattr("realtime.sources.camera.OPEN_S", 0.05)
    wake = threading.Event()
    device = FakeDevice([lambda: wake.wait(5.0) and jpeg(0)])
    with pytest.raises(SourceError, match=r"camera 0 gave no picture in 0\.05 s; unplug it"):
        camera(device)
    wake.set()
    assert threads_of_capture() == []
    assert device.released


def test_the_drivers_times_are_used_where_they_are_on_our_clock():
    begin_s = time.monotonic()
    stamps = [begin_s - 0.2 + 0.01 * i for i in range(20)]
    source = camera(FakeDevice(jpegs(20), stamps=stamps))
    times_s = [f.time_s for f in frames_of(source, 5)]
    np.testing.assert_allclose(times_s, stamps[5:10], atol=1e-9)
    assert source.description.endswith("timed by its driver")
    source.close()


@pytest.mark.parametrize("stamps", [[0.0], [5.0 + i for i in range(30)], [1e9 + i for i in range(30)]])
def test_times_that_are_on_another_clock_are_replaced_by_the_moment_of_arrival(stamps):
    source = camera(FakeDevice(jpegs(30), stamps=stamps))
    assert source.description.endswith("timed on arrival")
    before_s = time.monotonic()
    times_s = [f.time_s for f in frames_of(source, 10)]
    assert before_s <= times_s[0] < times_s[-1] <= time.monotonic()
    assert all(b > a for a, b in itertools.pairwise(times_s))
    source.close()


@pytest.mark.parametrize("fault", ["zero", "repeated", "backward", "future"])
def test_times_of_the_driver_that_go_wrong_on_the_way_never_go_back(fault, caplog):
    sane = [time.monotonic() - 0.5 + 0.01 * i for i in range(8)]
    wrong = {"zero": 0.0, "repeated": sane[-1], "backward": sane[-1] - 0.1, "future": sane[-1] + 100.0}[fault]
    source = camera(FakeDevice(jpegs(30), stamps=[*sane, wrong, *(sane[-1] + 0.001 * i for i in range(1, 30))]))
    frames = frames_of(source, 20)
    times_s = [f.time_s for f in frames]
    assert times_s[:3] == pytest.approx(sane[5:8])
    assert all(b > a for a, b in itertools.pairwise(times_s))
    assert abs(times_s[-1] - time.monotonic()) < 0.2
    assert caplog.text.count("the driver's times jump; using the time of arrival") == 1
    assert source.description.endswith("timed on arrival")
    source.close()


def test_close_releases_the_camera_once_and_may_be_called_twice():
    device = FakeDevice(jpegs(5))
    source = camera(device)
    source.close()
    source.close()
    assert device.released == 1
    assert list(source.frames()) == []


def test_a_camera_tells_its_name(tmp_path):
    (tmp_path / "video3").mkdir()
    (tmp_path / "video3" / "name").write_text("HD Webcam C920\n")
    assert camera_name(3, listed=tmp_path) == "HD Webcam C920"
    assert camera_name(4, listed=tmp_path) == ""


def test_the_doctor_lists_cameras_with_what_they_give(monkeypatch):
    monkeypatch.setattr("realtime.sources.device.camera_name", lambda index: f"Webcam {index}")
    monkeypatch.setattr("realtime.sources.camera.camera_name", lambda index: f"Webcam {index}")
    monkeypatch.setattr("realtime.sources.device.camera_indices", lambda: [0, 1])
    plugs = iter([FakeDevice(jpegs(3)), FakeDevice([])])
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: next(plugs))
    good, bad = doctor._cameras()
    assert (good.state, bad.state) == ("ok", "note")
    assert good.says.startswith("0 Webcam 0: 64x48 MJPG at 30 fps (asked")
    assert bad.says.startswith("Webcam 1: camera 1 opens but gives no picture")
    assert doctor.advice([good, bad]) == "all set: `python run.py --camera 0`"
