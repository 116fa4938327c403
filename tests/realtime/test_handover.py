"""Four endings of `take`: a frame, the end, the capture thread's error, a timeout. And no thread is left behind."""

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from realtime.capture import Capture
from realtime.frame import Frame
from realtime.handover import End, FrameQueue, LatestFrame
from realtime.sources import SourceError

IMAGE = np.zeros((4, 4, 3), np.uint8)


def frame(index):
    return Frame(index, index / 30, IMAGE)


def test_the_newest_frame_wins_and_the_others_count_as_dropped():
    slot = LatestFrame()
    for index in range(5):
        assert slot.put(frame(index))
    assert slot.take(1.0).index == 4
    assert slot.dropped == 4


def test_a_queue_loses_nothing_and_makes_the_writer_wait():
    queue = FrameQueue(capacity=2)
    writer = threading.Thread(target=lambda: [queue.put(frame(i)) for i in range(20)] and queue.close())
    writer.start()
    time.sleep(0.05)
    assert writer.is_alive()
    seen = []
    with pytest.raises(End):
        while True:
            seen.append(queue.take(1.0).index)
    assert seen == list(range(20))
    assert queue.dropped == 0
    writer.join(1.0)
    assert not writer.is_alive()


@pytest.mark.parametrize("kind", [LatestFrame, FrameQueue])
def test_a_frame_before_the_end_still_comes(kind):
    slot = kind()
    slot.put(frame(1))
    slot.close()
    assert slot.take(0.1).index == 1
    with pytest.raises(End):
        slot.take(0.1)


@pytest.mark.parametrize("kind", [LatestFrame, FrameQueue])
def test_an_error_of_the_writer_reaches_the_reader(kind):
    slot = kind()
    slot.close(ValueError("the sensor burns"))
    slot.close()
    for _ in range(2):
        with pytest.raises(ValueError, match="the sensor burns"):
            slot.take(0.1)


@pytest.mark.parametrize("kind", [LatestFrame, FrameQueue])
def test_nothing_within_the_time_is_a_timeout(kind):
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no frame within 0\.05 s"):
        kind().take(0.05)
    assert time.monotonic() - begin < 2.0


def test_a_writer_that_waits_for_room_is_woken_by_close():
    queue = FrameQueue(capacity=1)
    queue.put(frame(0))
    answers = []
    writer = threading.Thread(target=lambda: answers.append(queue.put(frame(1))))
    writer.start()
    time.sleep(0.05)
    queue.close()
    writer.join(1.0)
    assert answers == [False]


class ListSource:
    """Frames from memory."""

    name, size_px, rate, description = "list", (4, 4), Fraction(30), "frames from memory"

    def __init__(self, frames, *, live=False, error=None, stall_s=0.0):
        self.live, self.frame_count = live, len(frames)
        self._frames, self._error, self._stall_s = frames, error, stall_s
        self.closed = 0

    def frames(self):
        yield from self._frames
        time.sleep(self._stall_s)
        if self._error:
            raise self._error

    def close(self):
        self.closed += 1


def capture_threads():
    return [t for t in threading.enumerate() if t.name == "capture"]


def test_capture_gives_every_frame_of_a_file_and_ends():
    source = ListSource([frame(i) for i in range(50)])
    with Capture(source) as capture:
        assert [f.index for f in capture.frames()] == list(range(50))
    assert source.closed
    assert capture_threads() == []


def test_an_error_of_the_capture_thread_reaches_the_reader_after_the_good_frames():
    source = ListSource([frame(0), frame(1)], error=SourceError("unplugged"))
    seen = []
    with Capture(source) as capture, pytest.raises(SourceError, match="unplugged"):
        for item in capture.frames():
            seen.append(item.index)
    assert seen == [0, 1]
    assert capture_threads() == []


def test_leaving_early_ends_the_capture_thread():
    with Capture(ListSource([frame(i) for i in range(10_000)])) as capture:
        assert next(capture.frames()).index == 0
    assert capture_threads() == []


def test_a_source_that_stalls_is_an_error_not_a_hang(monkeypatch):
    monkeypatch.setattr("realtime.capture.LIVE_TIMEOUT_S", 0.1)
    with (
        Capture(ListSource([frame(0)], live=True, stall_s=0.6)) as capture,
        pytest.raises(SourceError, match=r"list gave no frame in 0\.1 s"),
    ):
        list(capture.frames())
