"""Live streams over HTTP from this machine, and FFmpeg's test pictures as a camera."""

import itertools
import time

import pytest

from realtime.capture import Capture
from realtime.frame import Undecoded
from realtime.sources import Source, SourceError, open_source
from realtime.sources.comeback import Patience
from realtime.sources.stream import open_stream
from tests.realtime.fake_camera import PictureServer, frames_of, threads_of_capture

PATIENT = Patience(retry_s=0.05, give_up_s=10.0)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads_of_capture() == []


def test_a_network_camera_is_live_and_its_pictures_are_converted_only_when_taken():
    with PictureServer() as server:
        source = open_source(video=server.url)
        assert isinstance(source, Source)
        assert (source.live, source.size_px, source.frame_count) == (True, (64, 48), None)
        assert source.description == "64x48 at 25 fps, mjpeg, timed on arrival"
        before_s = time.monotonic()
        frames = frames_of(source, 10)
        assert all(isinstance(f, Undecoded) for f in frames)
        assert frames[0].decoded().image_bgr.shape == (48, 64, 3)
        assert before_s <= frames[0].time_s
        assert all(b.time_s > a.time_s for a, b in itertools.pairwise(frames))
        assert [f.index for f in frames] == list(range(10))
        source.close()


def test_a_stream_that_closes_is_opened_again(caplog):
    with PictureServer(pictures=20) as server:
        source = open_stream(server.url, patience=PATIENT)
        frames = frames_of(source, 45)
        source.close()
        assert server.connections >= 3
    assert all(b.index > a.index and b.time_s > a.time_s for a, b in itertools.pairwise(frames))
    gaps = [b.index - a.index for a, b in itertools.pairwise(frames) if b.index != a.index + 1]
    assert gaps == [2, 2]
    lines = [r.getMessage() for r in caplog.records]
    assert lines[:2] == [f"{server.url} is gone; waiting for it to come back", f"{server.url} is back"]


def test_a_server_that_goes_down_and_comes_up_is_awaited_by_the_reader(monkeypatch, caplog):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.2)
    with PictureServer() as server, Capture(open_stream(server.url, patience=PATIENT)) as capture:
        frames = capture.frames()
        next(frames)
        server.stop()
        while "waiting for it" not in caplog.text or capture.poll():
            time.sleep(0.002)
        time.sleep(0.3)
        server.start()
        assert next(frames).image_bgr.shape == (48, 64, 3)
    assert server.connections >= 2


def test_a_stream_that_stays_away_is_an_error_after_its_last_frame():
    with PictureServer(pictures=20) as server:
        source = open_stream(server.url, patience=Patience(0.02, 0.15))
        server.stop()
        with Capture(source) as capture, pytest.raises(SourceError, match=r"did not come back in 0\.15 s; check the"):
            list(capture.frames())


def test_a_stream_that_falls_silent_counts_as_gone(monkeypatch, caplog):
    monkeypatch.setattr("realtime.sources.container.READ_S", 0.2)
    with PictureServer(pictures=20, silent=True) as server:
        source = open_stream(server.url, patience=PATIENT)
        frames_of(source, 22)
        source.close()
    assert "is gone; waiting for it to come back" in caplog.text


def test_closing_while_a_stream_is_awaited_ends_at_once(caplog):
    with PictureServer(pictures=20) as server:
        source = open_stream(server.url, patience=Patience(30.0, 60.0))
        with Capture(source):
            while "waiting for it" not in caplog.text:
                time.sleep(0.005)
            begin_s = time.monotonic()
        assert time.monotonic() - begin_s < 0.5


def test_closing_does_not_wait_long_for_a_silent_server(monkeypatch):
    monkeypatch.setattr("realtime.capture.JOIN_S", 0.1)
    monkeypatch.setattr("realtime.sources.container.READ_S", 0.5)
    with PictureServer(pictures=20, silent=True) as server:
        capture = Capture(open_stream(server.url, patience=PATIENT))
        time.sleep(0.15)
        begin_s = time.monotonic()
        capture.close()
        assert time.monotonic() - begin_s < 0.4


def test_ffmpegs_test_pictures_are_a_camera():
    source = open_source(video="lavfi:testsrc2=size=160x96:rate=100,realtime")
    assert (source.live, source.size_px, source.rate, source.frame_count) == (True, (160, 96), 100, None)
    assert source.description == "160x96 at 100 fps, test pictures, timed on arrival"
    begin_s = time.monotonic()
    with Capture(source) as capture:
        frames = list(itertools.islice(capture.frames(), 20))
    assert 0.1 < time.monotonic() - begin_s < 2.0
    assert all(b.time_s > a.time_s for a, b in itertools.pairwise(frames))


def test_test_pictures_that_are_over_are_the_end():
    with Capture(open_source(video="lavfi:testsrc2=size=160x96:rate=100:duration=0.1")) as capture:
        assert 1 <= len(list(capture.frames())) <= 9


def test_test_pictures_can_be_turned():
    source = open_source(video="lavfi:testsrc2=size=160x96:rate=100", rotate_deg=90)
    assert source.size_px == (96, 160)
    assert frames_of(source, 1)[0].decoded().image_bgr.shape == (160, 96, 3)
    source.close()


@pytest.mark.parametrize("graph", ["nonsense", "testsrc2=size=oops", "movie=/nowhere.mp4", "sine", "", "nullsrc" * 500])
def test_a_graph_that_is_none_is_refused_in_one_line(graph):
    with pytest.raises(SourceError) as caught:
        open_source(video=f"lavfi:{graph}")
    assert "\n" not in str(caught.value)
