"""Capture: what waits is given without waiting, counts, absences, and an end that comes whatever the source does."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from realtime.capture import Capture
from realtime.frame import Absence, Frame, Undecoded
from realtime.handover import End, FrameQueue, LatestFrame
from realtime.sources import SourceError
from realtime.sources.guard import Guard
from tests.realtime.fake_camera import threads_of_capture

IMAGE = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads_of_capture() == []


class Script:
    """A source that gives items, runs callables and raises exceptions, in turn."""

    name, size_px, rate, frame_count, description = "script", (4, 4), Fraction(30), None, "a script"

    def __init__(self, *items, live=True):
        self._items, self.live = items, live
        self.closed = threading.Event()

    def frames(self):
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            if callable(item):
                item()
            else:
                yield item

    def close(self):
        self.closed.set()


def frame(index):
    return Frame(index, index / 30, IMAGE)


def polled(capture):
    """What `poll` gives once it gives something."""
    deadline_s = time.monotonic() + 2.0
    while time.monotonic() < deadline_s:
        if (found := capture.poll()) is not None:
            return found
        time.sleep(0.001)
    raise AssertionError("nothing came")


def test_poll_gives_what_is_there_and_waits_for_nothing():
    go = threading.Event()
    with Capture(Script(lambda: go.wait(2.0), frame(0), lambda: go.wait(2.0))) as capture:
        begin_s = time.monotonic()
        assert capture.poll() is None
        assert time.monotonic() - begin_s < 0.1
        go.set()
        assert polled(capture).index == 0


def test_poll_has_the_endings_of_frames():
    with Capture(Script(frame(0), live=False)) as capture:
        assert polled(capture).index == 0
        with pytest.raises(End):
            polled(capture)
        assert list(capture.frames()) == []
    with Capture(Script(frame(0), SourceError("the sensor burns"), live=False)) as capture:
        assert polled(capture).index == 0
        for _ in range(2):
            with pytest.raises(SourceError, match="the sensor burns"):
                polled(capture)


def test_poll_and_frames_share_one_sequence():
    with Capture(Script(*map(frame, range(6)), live=False)) as capture:
        frames = capture.frames()
        seen = [next(frames).index, polled(capture).index, next(frames).index]
        assert [*seen, *(f.index for f in frames)] == list(range(6))


def test_captured_and_dropped_add_up():
    go = threading.Event()
    items = [*map(frame, (0, 1, 2, 5, 6)), go.set]  # 3 and 4 were lost by the source
    with Capture(Script(*items)) as capture:
        assert go.wait(2.0)
        assert [f.index for f in capture.frames()] == [6]
        assert (capture.captured, capture.dropped) == (7, 6)


def test_every_frame_of_a_file_is_captured_and_none_dropped():
    with Capture(Script(*map(frame, range(30)), live=False)) as capture:
        assert len(list(capture.frames())) == 30
        assert (capture.captured, capture.dropped) == (30, 0)


def test_a_packed_frame_is_decoded_by_whoever_takes_it():
    threads = []
    packed = Undecoded(0, 0.5, lambda: threads.append(threading.current_thread()) or IMAGE)
    with Capture(Script(packed)) as capture:
        taken = next(capture.frames())
    assert isinstance(taken, Frame)
    assert (taken.index, taken.time_s) == (0, 0.5)
    assert threads == [threading.main_thread()]


def test_what_decoding_raises_reaches_the_reader():
    def burn():
        raise ValueError("the decoder burns")

    with Capture(Script(Undecoded(0, 0.5, burn))) as capture, pytest.raises(ValueError, match="the decoder burns"):
        next(capture.frames())


def test_an_absence_lengthens_the_wait_and_then_silence_is_an_error(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.05)
    over = threading.Event()
    script = Script(frame(0), Absence(0.4), lambda: time.sleep(0.2), frame(1), lambda: over.wait(2.0))
    with Capture(script) as capture:
        frames = capture.frames()
        assert [next(frames).index, next(frames).index] == [0, 1]
        begin_s = time.monotonic()
        with pytest.raises(SourceError, match=r"script gave no frame in 0\.05 s"):
            next(frames)
        assert time.monotonic() - begin_s < 0.3  # the frame had ended the absence
        over.set()


def test_an_absence_that_is_not_followed_by_word_is_an_error(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.05)
    over = threading.Event()
    with Capture(Script(Absence(0.1), lambda: over.wait(2.0))) as capture:
        with pytest.raises(SourceError, match="gave no frame"):
            next(capture.frames())
        over.set()


def test_closing_wakes_a_source_that_waits():
    source = Script(frame(0))
    source._items = (frame(0), lambda: source.closed.wait(5.0), frame(1))
    begin_s = time.monotonic()
    with Capture(source) as capture:
        next(capture.frames())
    assert time.monotonic() - begin_s < 1.0


def test_closing_does_not_wait_for_a_source_that_is_stuck(monkeypatch):
    monkeypatch.setattr("realtime.capture.JOIN_S", 0.05)
    wake = threading.Event()
    capture = Capture(Script(lambda: wake.wait(5.0)))
    begin_s = time.monotonic()
    capture.close()
    capture.close()
    assert time.monotonic() - begin_s < 0.5
    wake.set()


@pytest.mark.parametrize("kind", [LatestFrame, FrameQueue])
def test_take_with_no_time_does_not_wait(kind):
    slot = kind()
    with pytest.raises(TimeoutError):
        slot.take(0.0)
    slot.put(frame(3))
    assert slot.take(0.0).index == 3
    slot.close()
    with pytest.raises(End):
        slot.take(0.0)


def test_an_excuse_lasts_until_its_time_or_the_next_frame():
    slot = LatestFrame()
    assert not slot.excused
    assert slot.excuse(5.0)
    assert slot.excused
    slot.put(frame(0))
    assert not slot.excused
    slot.excuse(0.0)
    assert not slot.excused
    slot.close()
    assert not slot.excuse(1.0)


def test_what_is_read_is_let_go_only_when_the_reader_comes_out():
    let_go = []
    guard = Guard(lambda: let_go.append(1))
    with guard.inside() as allowed:
        assert allowed
        guard.close()
        assert let_go == []
    assert let_go == [1]
    guard.close()
    with guard.inside() as allowed:
        assert not allowed
    assert let_go == [1]
