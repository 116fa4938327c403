"""A live run that records, and its replay: the same pixels, the same moments, the same poses."""

import json

import numpy as np
import pytest

from engine.backends import open_engine
from realtime.capture import Capture
from realtime.recorder.cameras import RecordError
from realtime.recorder.recorded_source import RecordedSource
from realtime.session import Session, Settings, open_session
from realtime.sources import SourceError, open_source
from realtime.takes import TakeError, open_take
from tests.realtime.fake_camera import one_camera
from tests.realtime.fake_engine import FakeEngine
from tests.realtime.recorder_sources import ScriptedSource, camera_like, driver, gone, recorder_threads
from tests.realtime.takes.made_takes import made_take, number_of, times_us

SAME_PX = 0.5


def lines(path):
    return {line["frame"]: line for line in map(json.loads, path.read_text().splitlines()[1:])}


def test_the_replay_gives_the_live_poses(tmp_path, demo_clip, monkeypatch):
    graph = f"lavfi:movie={demo_clip}:loop=0,setpts=N/25/TB,realtime"
    engine = open_engine()
    monkeypatch.setattr(type(engine), "close", lambda self: None)  # opened once for both runs
    source = RecordedSource(open_source(video=graph), tmp_path / "t")
    with Session(source, engine, Settings(max_frames=25), saves=[tmp_path / "live.jsonl"]) as session:
        list(session.results())
    assert f"recorded {tmp_path / 't'}: " in "".join(session.summary())
    with Session(
        open_source(video=str(tmp_path / "t")), engine, Settings(), saves=[tmp_path / "replay.jsonl"]
    ) as again:
        list(again.results())
    monkeypatch.undo()
    engine.close()
    live, replay = lines(tmp_path / "live.jsonl"), lines(tmp_path / "replay.jsonl")
    assert len(live) == 25
    assert set(live) <= set(replay)
    assert len(replay) <= 26  # one was taken when the run ended
    apart_s = [live[k]["time_s"] - replay[k]["time_s"] for k in live]
    assert np.ptp(apart_s) < 3e-6
    seen = 0
    for k in live:
        assert len(live[k]["people"]) == len(replay[k]["people"])
        for a, b in zip(live[k]["people"], replay[k]["people"], strict=True):
            assert np.abs(np.array(a["joints_px"]) - b["joints_px"]).max() < SAME_PX
            seen += 1
    assert seen > 15


def taken(source, wanted):
    """The frames that a run takes whose engine is slower than the camera."""
    frames = []
    for k, item in enumerate(source.frames()):
        if k % 3 == wanted:
            frames.append(item.decoded())
        if len(frames) == 20:
            return frames
    raise AssertionError("the source ended")


def test_the_table_says_which_frames_were_looked_at(tmp_path):
    source = RecordedSource(ScriptedSource(), tmp_path / "t")
    frames = taken(source, wanted=1)
    source.close()
    camera = open_take(tmp_path / "t").cameras["cam0"]
    looked_at = camera.table.processed > 0
    assert camera.table.sequence[looked_at].tolist() == [f.index for f in frames]
    assert len(camera.table) == frames[-1].index - camera.table.sequence[0] + 1
    replay = open_source(video=str(tmp_path / "t"))
    again = list(replay.frames())
    assert len(again) == replay.frame_count == 20
    for a, b in zip(frames, again, strict=True):
        assert np.array_equal(a.image_bgr, b.image_bgr)
    gaps = np.diff([f.time_s for f in frames]) - np.diff([f.time_s for f in again])
    assert np.abs(gaps).max() < 2e-6


def test_frames_that_nobody_looks_at_are_recorded_all_the_same(tmp_path):
    source = RecordedSource(ScriptedSource(count=80), tmp_path / "t")
    assert len(list(source.frames())) == 80
    source.close()
    source.close()
    table = open_take(tmp_path / "t").cameras["cam0"].table
    assert len(table) >= 79  # the first may be older than the take
    assert table.processed.sum() == 0
    assert recorder_threads() == []


def test_a_run_on_uncompressed_pictures_sees_what_the_take_holds(tmp_path):
    from dataclasses import replace

    class Plain(ScriptedSource):
        def frames(self):
            for item in super().frames():
                yield replace(item, arrival=replace(item.arrival, jpeg=None))

    source = RecordedSource(Plain(count=30), tmp_path / "t")
    frames = [item.decoded() for item in source.frames()]
    source.close()
    again = list(open_source(video=str(tmp_path / "t")).frames())
    for a, b in zip(frames[-len(again) :], again, strict=True):
        assert np.array_equal(a.image_bgr, b.image_bgr)


def test_an_absence_is_handed_on_and_begins_a_segment(tmp_path):
    source = RecordedSource(ScriptedSource(count=60, before=lambda k: gone(k, 30, 33)), tmp_path / "t")
    with Capture(source) as capture:
        frames = list(capture.frames())
    assert frames
    source.close()
    assert set(open_take(tmp_path / "t").cameras["cam0"].table.segment) == {0, 1}


def test_a_full_disk_ends_the_run_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.recorder.recorded_source.room_bytes", lambda folder: 0)
    source = RecordedSource(ScriptedSource(), tmp_path / "t")
    with pytest.raises(RecordError, match="the disk is full"), Session(source, FakeEngine(), Settings()) as session:
        list(session.results())
    open_take(tmp_path / "t")


def test_what_cannot_be_recorded_is_refused_before_anything_opens(tmp_path, demo_clip):
    with pytest.raises(RecordError, match="--record is for cameras and streams"):
        open_session(Settings(), video=str(demo_clip), record=tmp_path / "t", window=False)
    folder = made_take(tmp_path / "u", {"cam0": times_us(3)})
    with pytest.raises(TakeError, match="holds a take already"):
        open_session(Settings(), video="lavfi:testsrc2", record=folder, window=False)


def test_any_camera_of_a_take_is_a_source(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(5), "cam1": times_us(9)})
    source = open_source(video=f"{folder}:cam1")
    assert (source.frame_count, source.size_px, source.live) == (9, (160, 96), False)
    assert [number_of(f.image_bgr) for f in source.frames()] == list(range(9))
    assert open_source(video=str(folder)).frame_count == 5
    with pytest.raises(SourceError, match="has no camera cam7; it has cam0, cam1"):
        open_source(video=f"{folder}:cam7")
    with pytest.raises(SourceError, match="leave --rotate out"):
        open_source(video=str(folder), rotate_deg=90)


def test_a_take_runs_through_a_session(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(6)})
    with Session(open_source(video=str(folder)), FakeEngine(), Settings()) as session:
        assert [r.time_s for r in session.results()] == [us / 1e6 for us in times_us(6)]


def test_a_camera_that_was_turned_is_recorded_as_it_is_and_replayed_turned(tmp_path, monkeypatch):
    one_camera(monkeypatch)
    source = RecordedSource(camera_like(driver(80), rotate_deg=90), tmp_path / "t")
    frames = [item.decoded() for _, item in zip(range(30), source.frames(), strict=False)]
    source.close()
    camera = open_take(tmp_path / "t").cameras["cam0"]
    assert (camera.about.width, camera.about.height, camera.about.rotate_deg) == (160, 96, 90)
    assert source.size_px == camera.size_px == (96, 160)
    again = {frame.time_s: frame for frame in open_source(video=str(tmp_path / "t")).frames()}
    assert len(again) == 30
    for a, b in zip(frames, again.values(), strict=True):
        assert np.array_equal(a.image_bgr, b.image_bgr)
