"""What cameras, cables and disks do to a recording: it ends or goes on, in seconds, and the take is whole."""

import errno
import itertools
import threading
import time

import cv2
import numpy as np
import pytest

from realtime.frame import Absence
from realtime.recorder import lane as lane_module
from realtime.recorder.cameras import RecordError, Wanted
from realtime.recorder.lane import Lane
from realtime.recorder.recorder import Endurance
from realtime.sources import SourceError
from realtime.sources.device import BandwidthError, Mode, open_feed
from realtime.takes import Flag, open_take
from tests.realtime.fake_camera import FakeDevice, one_camera
from tests.realtime.recorder_sources import (
    ROWS,
    ScriptedSource,
    camera_like,
    driver,
    gone,
    recorded,
    recorder_threads,
    recording,
)

LIMIT_S = 5.0
HASTY = Endurance(all_lost_s=0.3, one_lost_s=0.6)


@pytest.fixture(autouse=True)
def ends_in_time_and_leaves_no_thread(monkeypatch):
    one_camera(monkeypatch)
    monkeypatch.setattr(lane_module, "SILENT_S", 0.2)
    monkeypatch.setattr(lane_module, "RETRY_S", 0.02)
    monkeypatch.setattr(lane_module, "JOIN_S", 0.2)
    begin_s = time.monotonic()
    yield
    assert time.monotonic() - begin_s < LIMIT_S + 3.0  # the tests' own waits
    assert recorder_threads() == []


def whole(folder):
    """A take of which every row has its picture; its cameras."""
    take = open_take(folder)
    for camera in take.cameras.values():
        assert len(list(camera.frames())) == len(camera.table)
    return take.cameras


def test_a_camera_whose_reads_raise_is_awaited_while_the_other_goes_on(tmp_path):
    noticed = threading.Event()

    def devices():
        yield driver(58)
        while not noticed.is_set():
            yield None
        yield driver(first=500)

    with recording(tmp_path / "t", camera_like(devices()), ScriptedSource(), seconds=None) as recorder:
        for status in recorder.run():
            first, second = status.lanes
            if first.state == "gone":
                noticed.set()
            if first.segments == 2 and first.state == "fine" and second.written > 100:
                break
    cameras = whole(tmp_path / "t")
    assert noticed.is_set()
    assert set(cameras["cam0"].table.segment) == {0, 1}
    assert np.diff(cameras["cam0"].table.time_us).min() > 0
    assert len(cameras["cam1"].table) > 100
    assert set(cameras["cam1"].table.segment) == {0}


def test_a_camera_that_blocks_is_opened_anew_as_a_new_segment(tmp_path, monkeypatch):
    wake = threading.Event()
    stuck = FakeDevice([*ROWS[:60], lambda: wake.wait(20.0) and None], period_s=0.01)
    replugged = camera_like(driver(first=100))
    source = camera_like(stuck)
    recorder = recording(tmp_path / "t", source, ScriptedSource(), seconds=1.5)
    recorder.lanes[0] = Lane("cam0", source, again=lambda: replugged, silent_s=0.2)
    recorder._stack.callback(recorder.lanes[0].close)
    states = recorded(recorder)
    cameras = whole(tmp_path / "t")
    assert set(cameras["cam0"].table.segment) == {0, 1}
    assert "gone" in {state.lanes[0].state for state in states}
    assert len(cameras["cam1"].table) > 100
    assert not stuck.released  # it would crash under the read
    wake.set()


def test_all_cameras_gone_end_the_recording_and_it_is_whole(tmp_path):
    sources = [ScriptedSource(before=lambda k: gone(k, 60, 10_000)) for _ in range(2)]
    begin_s = time.monotonic()
    with pytest.raises(RecordError, match="no camera gives a picture any more"):
        recorded(recording(tmp_path / "t", *sources, seconds=None, endurance=HASTY))
    assert time.monotonic() - begin_s < LIMIT_S
    assert all(3 <= len(c.table) <= 61 for c in whole(tmp_path / "t").values())


def test_one_camera_that_stays_away_ends_it_too(tmp_path):
    sources = [ScriptedSource(before=lambda k: gone(k, 60, 10_000)), ScriptedSource()]
    with pytest.raises(RecordError, match=r"cam0 did not come back in 0\.6 s"):
        recorded(recording(tmp_path / "t", *sources, seconds=None, endurance=HASTY))
    assert len(whole(tmp_path / "t")["cam1"].table) > 60


def test_all_cameras_that_block_end_the_recording(tmp_path):
    wake = threading.Event()
    stuck = [FakeDevice([*ROWS[:60], lambda: wake.wait(20.0) and None], period_s=0.01) for _ in range(2)]
    begin_s = time.monotonic()
    with pytest.raises(RecordError, match="no camera gives a picture any more"):
        recorded(recording(tmp_path / "t", *map(camera_like, stuck), seconds=None, endurance=HASTY))
    assert time.monotonic() - begin_s < LIMIT_S
    whole(tmp_path / "t")
    wake.set()


def test_an_exception_of_a_driver_ends_its_lane_and_the_recording(tmp_path):
    def burn(k):
        if k == 60:
            raise SourceError("camera 0 melted")

    with pytest.raises(RecordError, match="cam0: camera 0 melted"):
        recorded(recording(tmp_path / "t", ScriptedSource(before=burn), seconds=None, endurance=HASTY))
    assert len(whole(tmp_path / "t")["cam0"].table) <= 60


def test_a_camera_that_repeats_its_picture_is_said_and_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.sources.camera.STUCK_S", 0.2)
    source = camera_like(FakeDevice(itertools.repeat(ROWS[7]), period_s=0.01))
    recorder = recording(tmp_path / "t", source, seconds=0.8)
    states = recorded(recorder)
    assert any("repeats the same picture" in event for event in states[-1].events)
    assert "repeats the same picture" in (tmp_path / "t" / "events.jsonl").read_text()
    whole(tmp_path / "t")


def test_a_rate_that_halves_is_said_and_counts_no_drops(tmp_path):
    zero_s = time.monotonic()

    def dim(k, now_s):
        return zero_s + 0.01 * k + 0.01 * max(k - 100, 0)

    slow = ScriptedSource(before=lambda k: time.sleep(0.012) if k > 100 else None, stamp=dim)
    states = recorded(recording(tmp_path / "t", slow, seconds=4.0))
    said = (tmp_path / "t" / "events.jsonl").read_text()
    assert "cam0 gives only" in said
    assert "more light helps" in said
    assert states[-1].lanes[0].slow
    camera = whole(tmp_path / "t")["cam0"]
    assert len(camera.table) > 50
    assert camera.cadence.dropped == 0


@pytest.mark.parametrize("stamps", ["zero", "half zero", "backward", "standing still"])
def test_stamps_that_are_not_sane_give_way_to_the_hosts_clock_and_are_kept_as_they_were(tmp_path, stamps):
    def wrong():
        for k in itertools.count():
            now_s = time.monotonic()
            if k < 12:
                yield now_s
            else:
                yield {
                    "zero": 0.0,
                    "half zero": now_s if k % 2 else 0.0,
                    "backward": now_s - 5.0,
                    "standing still": 1.0,
                }[stamps]

    states = recorded(recording(tmp_path / "t", camera_like(driver(stamps=wrong())), seconds=0.8))
    camera = whole(tmp_path / "t")["cam0"]
    assert np.diff(camera.table.time_us).min() > 0
    by_host = (camera.table.flags & int(Flag.HOST_TIME)) > 0
    assert by_host[20:].all()
    zero_ns = open_take(tmp_path / "t").about.clock.start_monotonic_ns
    host_us = (camera.table.host_ts_ns[by_host] - zero_ns) / 1e3
    assert np.abs(camera.table.time_us[by_host] - host_us).max() < 200
    if stamps == "zero":
        assert set(camera.table.driver_ts_us[20:].tolist()) == {0}
    assert "the driver's times jump" in "".join(states[-1].events)


def test_eight_milliseconds_of_jitter_are_kept_as_they_come_and_smoothed_when_read(tmp_path):
    rng = np.random.default_rng(0)
    zero_s = time.monotonic()

    def jittered(k, now_s):
        return zero_s + k / 30 + rng.uniform(-0.008, 0.008)

    states = recorded(recording(tmp_path / "t", ScriptedSource(period_s=1 / 30, stamp=jittered), seconds=3.0))
    camera = whole(tmp_path / "t")["cam0"]
    assert 4 < states[-1].lanes[0].rhythm.jitter_p95_ms < 16
    assert states[-1].lanes[0].dropped == 0
    take_zero_s = open_take(tmp_path / "t").about.clock.start_monotonic_ns / 1e9
    true_s = camera.table.sequence / 30 + zero_s - take_zero_s
    assert np.abs(camera.time_s - true_s).max() > 0.006
    cadence = camera.cadence
    assert np.abs(cadence.steady_s - true_s).max() < 0.003
    assert cadence.dropped == 0


def test_a_full_disk_ends_it_with_one_line_and_what_came_before_is_whole(tmp_path, monkeypatch):
    recorder = recording(tmp_path / "t", ScriptedSource(), ScriptedSource(), seconds=None)
    begin_s = time.monotonic()
    with pytest.raises(RecordError, match="the disk is full; what was recorded until now is in"), recorder:
        for n, _ in enumerate(recorder.run()):
            if n == 8:
                full_after(recorder, 3)
    assert time.monotonic() - begin_s < LIMIT_S
    cameras = whole(tmp_path / "t")
    assert all(len(c.table) > 10 for c in cameras.values())


def full_after(recorder, writes):
    """The disk of the second camera's video takes so many more writes."""
    file = recorder._take["cam1"]._video._file
    real = file._file

    class Full:
        def __init__(self):
            self.left = writes

        def write(self, data):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real.write(data)

        def __getattr__(self, name):
            return getattr(real, name)

    file._file = Full()


def test_a_disk_that_fills_up_is_noticed_before_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.recorder.recorder.room_bytes", lambda folder: 0)
    with pytest.raises(RecordError, match="the disk is full"):
        recorded(recording(tmp_path / "t", ScriptedSource(), seconds=None))
    whole(tmp_path / "t")


def test_a_camera_without_permission_says_what_to_do(monkeypatch):
    from realtime.sources import ffmpeg_device

    monkeypatch.setattr(ffmpeg_device.os.path, "exists", lambda path: True)
    monkeypatch.setattr(ffmpeg_device.os, "access", lambda *a: False)
    with pytest.raises(SourceError, match=r"camera 0 may not be used; .*usermod -aG video"):
        Wanted(camera=0).opened()


def test_a_camera_that_is_missing_at_the_start_is_one_line():
    begin_s = time.monotonic()
    with pytest.raises(SourceError, match="there is no camera 3; connected: 0"):
        Wanted(camera=3).opened()
    assert time.monotonic() - begin_s < LIMIT_S


class Crowded(FakeDevice):
    """A driver on a bus without room for more than `most` pictures a second of a size."""

    def __init__(self, most: Mode | None) -> None:
        super().__init__(ROWS, period_s=0.001)
        self._most = most

    def set(self, propId, value):
        self.values[propId] = value
        return super().set(propId, value)

    def grab(self):
        width, fps = self.values[cv2.CAP_PROP_FRAME_WIDTH], self.values[cv2.CAP_PROP_FPS]
        if self._most is None or width > self._most.size_px[0] or fps > self._most.fps:
            raise BandwidthError("no USB bandwidth left")
        return super().grab()


@pytest.mark.parametrize(
    ("most", "granted"),
    [
        (Mode((1280, 720), "MJPG", 30.0), (1280, 30.0)),
        (Mode((1280, 720), "MJPG", 15.0), (1280, 15.0)),
        (Mode((640, 480), "MJPG", 30.0), (640, 30.0)),
        (Mode((640, 480), "MJPG", 15.0), (640, 15.0)),
    ],
)
def test_where_the_bus_is_crowded_smaller_and_slower_modes_are_tried(most, granted):
    from realtime.sources.device import LADDER

    devices = []

    def make(index):
        devices.append(Crowded(most))
        return devices[-1]

    feed = open_feed(0, make, modes=LADDER)
    values = feed.device.values
    assert (values[cv2.CAP_PROP_FRAME_WIDTH], values[cv2.CAP_PROP_FPS]) == granted
    assert all(device.released for device in devices[:-1])


def test_a_bus_without_any_room_is_said_to_be_one_and_no_full_disk():
    from realtime.sources.device import LADDER

    with pytest.raises(BandwidthError, match="USB bandwidth"):
        open_feed(0, lambda index: Crowded(None), modes=LADDER)


def test_another_mode_than_the_one_asked_for_is_said_and_written_down(tmp_path):
    source = camera_like(FakeDevice(itertools.cycle(ROWS[:50]), fps=25.0, period_s=0.01))
    assert "asked 1280x720 MJPG at 30 fps" in source.description
    states = recorded(recording(tmp_path / "t", source, seconds=0.4))
    about = open_take(tmp_path / "t").about.cameras["cam0"]
    assert about.asked == "1280x720 MJPG at 30 fps"
    assert about.obtained == "160x96 MJPG at 25 fps"
    assert (about.width, about.height, about.clock) == (160, 96, "driver")
    assert any("cam0 gives 160x96 MJPG at 25 fps, asked were 1280x720" in event for event in states[-1].events)


def test_absences_are_no_drops(tmp_path):
    source = ScriptedSource(before=lambda k: gone(k, 60, 90))
    states = recorded(recording(tmp_path / "t", source, ScriptedSource(), seconds=1.2))
    assert isinstance(gone(60, 60, 90), Absence)
    assert states[-1].lanes[0].rhythm.dropped == 0
    assert states[-1].lanes[0].segments == 2
