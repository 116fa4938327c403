"""The thread that writes a file: what waits, what is left out, how errors come back, and that it ends."""

import gc
import threading
import time
import weakref
from contextlib import ExitStack
from dataclasses import replace

import av
import pytest

from realtime.sinks import SUFFIXES, Sink, SinkError, open_sink, worker
from realtime.sinks.poses import read_poses
from realtime.sinks.worker import PICTURES_WAITING, RESULTS_WAITING, Worker


class Slow:
    """A file that is written while its gate is open, and breaks at a frame if told to."""

    def __init__(self, tmp_path, *, pictures=False, gate_open=True, breaks_at=None, error=None):
        self.path = tmp_path / "x.slow"
        self.shows_pictures = pictures
        self.gate = threading.Event()
        self.began = threading.Event()
        if gate_open:
            self.gate.set()
        self.breaks_at, self.error = breaks_at, error or OSError(28, "No space left on device")
        self.written, self.sizes, self.flushed, self.closed = [], set(), 0, 0

    def write(self, frame, result):
        self.began.set()
        self.gate.wait()
        if frame.index == self.breaks_at:
            raise self.error
        self.written.append(result.index)
        self.sizes.add(frame.image_bgr.size)

    def flush(self):
        self.flushed += 1

    def close(self):
        self.closed += 1


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(2)
    assert not [thread for thread in left if thread.is_alive()]


def until(condition, timeout_s=5.0):
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def test_every_frame_is_written_once_and_in_order(tmp_path, scene):
    file = Slow(tmp_path)
    sink = Worker(file, live=False)
    assert isinstance(sink, Sink)
    for index in range(200):
        sink.write(*scene(index))
    sink.close()
    sink.close()
    assert file.written == list(range(200))
    assert (file.closed, sink.dropped, sink.notes) == (1, 0, [])


@pytest.mark.parametrize(("pictures", "capacity"), [(True, PICTURES_WAITING), (False, RESULTS_WAITING)])
def test_a_file_is_read_no_faster_than_its_results_are_written(tmp_path, scene, pictures, capacity):
    file = Slow(tmp_path, pictures=pictures, gate_open=False)
    sink = Worker(file, live=False)
    handed_over = []

    def run():
        for index in range(capacity + 20):
            sink.write(*scene(index))
            handed_over.append(index)

    caller = threading.Thread(target=run)
    caller.start()
    until(lambda: len(handed_over) == capacity + 1)  # one is in the thread's hand
    time.sleep(0.1)
    assert len(handed_over) == capacity + 1
    file.gate.set()
    caller.join(10)
    sink.close()
    assert file.written == list(range(capacity + 20))
    assert sink.dropped == 0


def test_live_a_slow_video_leaves_out_frames_counts_them_and_holds_up_nobody(tmp_path, scene):
    file = Slow(tmp_path, pictures=True, gate_open=False)
    sink = Worker(file, live=True)
    shots = [scene(index) for index in range(50)]
    sink.write(*shots[0])
    assert file.began.wait(5)
    begin_s = time.monotonic()
    for shot in shots[1:]:
        sink.write(*shot)
    assert time.monotonic() - begin_s < 0.5
    file.gate.set()
    sink.close()
    assert file.written == list(range(PICTURES_WAITING + 1))
    assert sink.dropped == 50 - len(file.written)
    assert sink.notes == [f"45 frames are not in {file.path}: encoding was slower than the camera"]


def test_live_numbers_are_never_left_out(tmp_path, scene):
    file = Slow(tmp_path, gate_open=False)
    sink = Worker(file, live=True)
    begin_s = time.monotonic()
    for index in range(500):
        sink.write(*scene(index))
    assert time.monotonic() - begin_s < 2
    file.gate.set()
    sink.close()
    assert file.written == list(range(500))
    assert (sink.dropped, sink.notes) == (0, [])


def test_live_a_disk_that_takes_nothing_for_minutes_is_an_error_and_not_a_growing_heap(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(worker, "RESULTS_WAITING_LIVE", 30)
    file = Slow(tmp_path, gate_open=False)
    sink = Worker(file, live=True)
    sink.write(*scene(0))
    assert file.began.wait(5)
    with pytest.raises(SinkError, match="the disk takes nothing; 30 frames wait"):
        for index in range(1, 100):
            sink.write(*scene(index))
    file.gate.set()
    sink.close()
    assert file.written == list(range(31))


def test_pictures_wait_only_for_a_video_and_only_a_few_of_them(tmp_path, scene):
    for pictures, most in ((True, PICTURES_WAITING + 1), (False, 0)):
        file = Slow(tmp_path, pictures=pictures, gate_open=False)
        sink = Worker(file, live=True)
        pictures_made = []
        for index in range(30):
            frame, result = scene(index)
            frame = replace(frame, image_bgr=frame.image_bgr[:])  # a picture object of its own
            pictures_made.append(weakref.ref(frame.image_bgr))
            sink.write(frame, result)
            del frame
        gc.collect()
        assert sum(made() is not None for made in pictures_made) == most
        file.gate.set()
        sink.close()
        assert file.sizes == ({1280 * 720 * 3} if pictures else {0})


def test_an_error_is_raised_by_the_next_write_and_by_every_one_after_it(tmp_path, scene):
    file = Slow(tmp_path, breaks_at=3)
    sink = Worker(file, live=False)
    for index in range(4):
        sink.write(*scene(index))
    until(lambda: file.closed)
    for index in (4, 5):
        with pytest.raises(SinkError, match=r"x\.slow cannot be written on \(No space left on device\)") as caught:
            sink.write(*scene(index))
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is file.error
    sink.close()  # it is told
    assert file.written == [0, 1, 2]
    assert file.closed == 1


def test_an_error_that_no_write_follows_is_raised_by_close_once(tmp_path, scene):
    file = Slow(tmp_path, breaks_at=0, error=RuntimeError("a fault of ours"))
    sink = Worker(file, live=True)
    sink.write(*scene(0))
    with pytest.raises(SinkError, match="a fault of ours"):
        sink.close()
    sink.close()


def test_an_error_while_completing_the_file_is_raised_by_close(tmp_path, scene, monkeypatch):
    file = Slow(tmp_path)

    def refuses():
        raise file.error

    monkeypatch.setattr(file, "close", refuses)
    sink = Worker(file, live=True)
    sink.write(*scene(0))
    with pytest.raises(SinkError, match="No space left"):
        sink.close()


def test_an_error_of_one_sink_leaves_the_files_of_the_others_whole(tmp_path, scene, header):
    others = [open_sink(tmp_path / f"x{suffix}", header) for suffix in SUFFIXES]
    with pytest.raises(SinkError, match=r"x\.slow"), ExitStack() as stack:
        sinks = [others[0], Worker(Slow(tmp_path, breaks_at=5), live=False), *others[1:]]
        for sink in sinks:
            stack.callback(sink.close)
        for index in range(1000):
            for sink in sinks:
                sink.write(*scene(index))
    frames = read_poses(tmp_path / "x.jsonl").frames_seen.tolist()
    assert frames == list(range(len(frames)))
    assert len(frames) > 5
    assert read_poses(tmp_path / "x.npz").frames_seen.tolist() == frames[:-1]
    assert len((tmp_path / "x.csv").read_text().splitlines()) == len(frames)  # and the names
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(frames) - 1


def test_a_caller_who_waits_for_room_hears_of_the_error(tmp_path, scene):
    file = Slow(tmp_path, pictures=True, gate_open=False, breaks_at=0)
    sink = Worker(file, live=False)
    threading.Timer(0.1, file.gate.set).start()
    begin_s = time.monotonic()
    with pytest.raises(SinkError, match="No space left"):
        for index in range(100):
            sink.write(*scene(index))
    assert time.monotonic() - begin_s < 5
    sink.close()


def test_closing_does_not_wait_for_ever_and_says_what_is_missing(tmp_path, scene):
    file = Slow(tmp_path, gate_open=False)
    sink = Worker(file, live=True, close_wait_s=0.2)
    for index in range(10):
        sink.write(*scene(index))
    begin_s = time.monotonic()
    with pytest.raises(SinkError, match=r"the last 10 frames were not written within 0\.2 s"):
        sink.close()
    sink.close()
    assert 0.15 < time.monotonic() - begin_s < 2
    file.gate.set()


def test_after_closing_nothing_can_be_written(tmp_path, scene):
    sink = Worker(Slow(tmp_path), live=True)
    sink.close()
    with pytest.raises(SinkError, match="is closed"):
        sink.write(*scene(0))


def test_what_is_held_back_is_flushed_in_time_also_when_no_frame_comes(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(worker, "FLUSH_S", 0.02)
    file = Slow(tmp_path)
    sink = Worker(file, live=True)
    sink.write(*scene(0))
    until(lambda: file.flushed >= 3)
    sink.close()


def test_an_interrupted_wait_for_room_loses_nothing_that_was_handed_over(tmp_path, scene, monkeypatch):
    file = Slow(tmp_path, pictures=True, gate_open=False)
    sink = Worker(file, live=False)
    taken = []

    def interrupted(timeout_s=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for index in range(20):
            if len(taken) == PICTURES_WAITING + 1:
                monkeypatch.setattr(sink._changed, "wait", interrupted)
            sink.write(*scene(index))
            taken.append(index)
            assert file.began.wait(5)
    monkeypatch.undo()
    file.gate.set()
    sink.close()
    assert file.written == taken == list(range(PICTURES_WAITING + 1))
