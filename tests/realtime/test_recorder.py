"""Recording: nothing is lost, everything is stamped, and a take comes of whatever cameras do."""

import itertools
import json
import time

import av
import numpy as np
import pytest

from realtime.recorder.cameras import RecordError, Wanted, open_all
from realtime.recorder.compressed import jpeg_size_px
from realtime.recorder.frame_writer import FrameWriter
from realtime.recorder.recorder import Plan, Recorder
from realtime.sources.device import BandwidthError
from realtime.takes import CameraAbout, TakeError, create_take, open_take
from realtime.takes.video import jpeg_of
from tests.realtime.recorder_sources import ScriptedSource, recorded, recorder_threads, recording
from tests.realtime.takes.made_takes import number_of, numbered

LAVFI = "lavfi:testsrc2=size=320x240:rate=30"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert recorder_threads() == []


def test_two_sources_become_a_take_with_every_frame_at_its_moment(tmp_path):
    wanted = [Wanted(source=LAVFI), Wanted(source=LAVFI)]
    states = recorded(Recorder(wanted, Plan(tmp_path / "t", seconds=2.0)))
    take = open_take(tmp_path / "t")
    assert take.repairs == ()
    assert states[-1].phase == "recording"
    for camera in take.cameras.values():
        assert camera.table.time_us.tolist() == [round(n * 1e6 / 30) for n in range(60)]
        assert len(list(camera.frames())) == 60
        host_s = camera.table.host_ts_ns / 1e9 - take.about.clock.start_monotonic_ns / 1e9
        assert (host_s >= camera.time_s - 1e-6).all()
        with av.open(str(camera.path)) as container:
            stamps = [p.pts for p in container.demux(video=0) if p.pts is not None]
        assert stamps == camera.table.time_us.tolist()
    assert len(take.pairs("cam0", "cam1")) == 60


def test_more_than_two_cameras_are_recorded_alike(tmp_path):
    sources = [ScriptedSource() for _ in range(4)]
    recorded(recording(tmp_path / "t", *sources, seconds=0.5))
    take = open_take(tmp_path / "t")
    assert list(take.cameras) == ["cam0", "cam1", "cam2", "cam3"]
    assert all(len(c.table) > 35 for c in take.cameras.values())


def test_pictures_are_written_as_the_camera_sent_them(tmp_path):
    recorded(recording(tmp_path / "t", ScriptedSource(), seconds=0.4))
    with av.open(str(tmp_path / "t" / "cam0.mp4")) as container:
        for packet in container.demux(video=0):
            if packet.size:
                assert bytes(packet) == jpeg_of(numbered(packet_number(bytes(packet))))


def packet_number(jpeg):
    import cv2

    return number_of(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def test_h264_is_written_when_asked(tmp_path):
    recorded(recording(tmp_path / "t", ScriptedSource(), seconds=0.5, stored_as="h264"))
    camera = open_take(tmp_path / "t").cameras["cam0"]
    with av.open(str(camera.path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    numbers = [number_of(f.image_bgr) for f in camera.frames()]
    assert numbers == list(range(numbers[0], numbers[0] + len(camera.table)))


def test_the_countdown_is_not_recorded(tmp_path):
    begin_s = time.monotonic()
    states = recorded(recording(tmp_path / "t", ScriptedSource(), seconds=0.3, countdown_s=0.5))
    assert time.monotonic() - begin_s >= 0.8
    assert states[0].phase == "getting ready"
    assert states[0].elapsed_s < 0
    table = open_take(tmp_path / "t").cameras["cam0"].table
    assert table.time_us[0] >= 0
    assert table.time_us[-1] < 300_000
    assert table.sequence[0] >= 35


def test_a_recording_that_is_ended_in_its_countdown_leaves_nothing(tmp_path):
    recorder = recording(tmp_path / "t", ScriptedSource(), countdown_s=30.0)
    with recorder:
        for _ in itertools.islice(recorder.run(), 2):
            pass
        recorder.end()
    assert not (tmp_path / "t").exists()


def test_what_is_shown_is_what_happens(tmp_path):
    late = ScriptedSource(stamp=lambda k, now_s: now_s + 0.003)
    states = recorded(recording(tmp_path / "t", ScriptedSource(), late, seconds=1.5))
    first, second = states[-1].lanes
    assert first.rhythm.rate_hz == pytest.approx(100, rel=0.1)
    assert first.phase_ms is None
    assert -5.1 <= second.phase_ms <= 5.1
    assert first.look.grey > 20
    assert states[-1].bytes_written > 10_000
    assert states[-1].disk_left_s > 0


def test_an_existing_take_is_refused_before_any_camera_is_opened(tmp_path):
    recorded(recording(tmp_path / "t", ScriptedSource(), seconds=0.2))
    source = ScriptedSource()
    with pytest.raises(TakeError, match="holds a take already"):
        recording(tmp_path / "t", source)
    recorded(recording(tmp_path / "t", ScriptedSource(), seconds=0.2, force=True))


def test_the_same_camera_twice_is_refused():
    with pytest.raises(RecordError, match="camera 0 is named twice"):
        open_all([Wanted(camera=0), Wanted(camera=1), Wanted(camera=0)])


def test_a_camera_that_is_missing_closes_those_that_were_opened(tmp_path, monkeypatch):
    opened = []

    def remember(self, modes):
        if self.source == "good":
            opened.append(ScriptedSource())
            return opened[-1]
        raise RecordError("there is no camera 1")

    monkeypatch.setattr(Wanted, "opened", remember)
    with pytest.raises(RecordError, match="no camera 1"):
        Recorder([Wanted(source="good"), Wanted(source="bad")], Plan(tmp_path / "t"))
    assert opened[0].closed.is_set()
    assert not (tmp_path / "t").exists()


def test_where_the_last_camera_finds_no_room_all_are_opened_in_smaller_modes(monkeypatch):
    room_px, opened = 1280 * 720 * 15, []

    def crowded(self, modes):
        used = sum(w * h * fps for source in opened if not source.closed.is_set() for w, h, fps in [source.mode])
        for mode in modes:
            needed = mode.size_px[0] * mode.size_px[1] * mode.fps
            if used + needed <= room_px:
                source = ScriptedSource()
                source.mode = (*mode.size_px, mode.fps)
                opened.append(source)
                return source
        raise BandwidthError("camera finds no USB bandwidth left")

    monkeypatch.setattr(Wanted, "opened", crowded)
    sources = open_all([Wanted(camera=0), Wanted(camera=1)])
    assert [source.mode for source in sources] == [(640, 480, 30.0), (640, 480, 15.0)]
    assert opened[0].mode == (1280, 720, 15.0)
    assert opened[0].closed.is_set()
    room_px = 1000
    with pytest.raises(BandwidthError, match="no USB bandwidth"):
        open_all([Wanted(camera=0), Wanted(camera=1)])


def test_a_slow_disk_drops_frames_and_counts_them_but_never_holds_up_a_camera(tmp_path, monkeypatch):
    about = {"cam0": CameraAbout("scripted", 160, 96)}
    with create_take(tmp_path / "t", about, made_by="record") as take:
        slow = take["cam0"].write_jpeg
        monkeypatch.setattr(take["cam0"], "write_jpeg", lambda *a: (time.sleep(0.05), slow(*a)), raising=False)
        writer = FrameWriter(take["cam0"], zero_s=time.monotonic(), waiting=5)
        source = ScriptedSource(count=60)
        begin_s = time.monotonic()
        from realtime.recorder.compressed import Compressed

        for item in source.frames():
            writer.put(Compressed(item))
        assert time.monotonic() - begin_s < 1.5
        writer.close()
    assert writer.dropped > 10
    assert writer.written + writer.dropped == 60


def test_what_is_no_whole_picture_is_left_out_and_counted(tmp_path):
    from dataclasses import replace

    from realtime.recorder.compressed import Compressed

    about = {"cam0": CameraAbout("scripted", 160, 96)}
    items = list(ScriptedSource(count=4).frames())
    foreign = np.frombuffer(jpeg_of(np.zeros((48, 64, 3), np.uint8)), np.uint8)
    items[1] = replace(items[1], arrival=replace(items[1].arrival, jpeg=foreign))
    items[2] = replace(items[2], arrival=replace(items[2].arrival, jpeg=np.zeros(0, np.uint8)))
    with create_take(tmp_path / "t", about, made_by="record") as take:
        writer = FrameWriter(take["cam0"], zero_s=items[0].time_s)
        for item in items:
            writer.put(Compressed(item))
        writer.close()
    assert (writer.written, writer.unusable) == (2, 2)
    assert open_take(tmp_path / "t").cameras["cam0"].table.sequence.tolist() == [0, 3]


def test_the_size_is_read_from_a_jpegs_header():
    assert jpeg_size_px(jpeg_of(np.zeros((48, 64, 3), np.uint8))) == (64, 48)
    assert jpeg_size_px(jpeg_of(np.zeros((719, 1281, 3), np.uint8))) == (1281, 719)
    assert jpeg_size_px(b"\xff\xd8") is None
    assert jpeg_size_px(b"no picture at all") is None


def test_what_happened_is_kept_with_the_take(tmp_path):
    import logging

    recorder = recording(tmp_path / "t", ScriptedSource(), seconds=0.4)
    with recorder:
        for n, _ in enumerate(recorder.run()):
            if n == 3:
                logging.getLogger("realtime.anything").warning("the light went out")
    lines = [json.loads(line) for line in (tmp_path / "t" / "events.jsonl").read_text().splitlines()]
    assert any(line["what"] == "the light went out" and 0 <= line["time_s"] < 0.5 for line in lines)
    open_take(tmp_path / "t")
