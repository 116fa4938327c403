"""Takes: what is written is read back, to the microsecond and the pixel."""

from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.rig import Clock
from realtime.takes import (
    UNKNOWN,
    CameraAbout,
    Flag,
    Row,
    Sync,
    TakeError,
    create_take,
    nearest_pairs,
    open_take,
    write_sync,
)
from tests.realtime.takes.made_takes import made_take, number_of, numbered, times_us


@pytest.mark.parametrize("codec", ["mjpeg", "h264"])
def test_frames_come_back_with_their_numbers_and_exact_moments(tmp_path, codec):
    times = times_us(40, start_us=13_457, jitter_us=4000)
    take = open_take(made_take(tmp_path / "t", {"cam0": times}, codec=codec))
    camera = take.cameras["cam0"]
    assert take.repairs == ()
    assert camera.table.time_us.tolist() == times
    frames = list(camera.frames())
    assert [f.index for f in frames] == list(range(40))
    assert [number_of(f.image_bgr) for f in frames] == list(range(40))
    assert [f.time_s for f in frames] == [us / 1e6 for us in times]


@pytest.mark.parametrize("codec", ["mjpeg", "h264"])
def test_the_containers_own_stamps_are_the_tables_from_the_first_frame_on(tmp_path, codec):
    times = times_us(60, start_us=5_000_017, jitter_us=9000)
    folder = made_take(tmp_path / "t", {"cam0": times}, codec=codec)
    with av.open(str(folder / "cam0.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.time_base.denominator == 1_000_000
        stamps = [p.pts for p in container.demux(stream) if p.pts is not None]
    assert stamps == [us - times[0] for us in times]


@pytest.mark.parametrize("codec", ["mjpeg", "h264"])
def test_a_stretch_of_frames_starts_anywhere(tmp_path, codec):
    take = open_take(made_take(tmp_path / "t", {"cam0": times_us(75)}, codec=codec))
    frames = list(take.cameras["cam0"].frames(43, 48))
    assert [(f.index, number_of(f.image_bgr)) for f in frames] == [(n, n) for n in range(43, 48)]
    assert list(take.cameras["cam0"].frames(80)) == []


def test_jpegs_are_kept_byte_for_byte(tmp_path):
    data = [cv2.imencode(".jpg", numbered(n))[1].tobytes() for n in range(5)]
    with create_take(tmp_path / "t", {"cam0": CameraAbout("made up", 160, 96)}, made_by="synth") as writer:
        for n, jpeg in enumerate(data):
            writer["cam0"].write_jpeg(jpeg, Row(33_333 * n))
    with av.open(str(tmp_path / "t" / "cam0.mp4")) as container:
        stored = [bytes(p) for p in container.demux(video=0) if p.pts is not None]
    assert stored == data
    for frame, jpeg in zip(open_take(tmp_path / "t").cameras["cam0"].frames(), data, strict=True):
        assert np.array_equal(frame.image_bgr, cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def test_a_row_keeps_what_it_was_given_and_empty_cells_stay_unknown(tmp_path):
    row = Row(7, driver_ts_us=0, host_ts_ns=1_234_567_890_123_456_789, flags=Flag.HOST_TIME, segment=2, processed=True)
    with create_take(tmp_path / "t", {"cam0": CameraAbout("made up", 160, 96)}, made_by="synth") as writer:
        writer["cam0"].write_image(numbered(0), row)
    table = open_take(tmp_path / "t").cameras["cam0"].table
    assert table.driver_ts_us.tolist() == [0]
    assert table.host_ts_ns.tolist() == [1_234_567_890_123_456_789]
    assert table.sequence.tolist() == [UNKNOWN]
    assert table.flags.tolist() == [int(Flag.KEY | Flag.HOST_TIME)]
    assert (table.segment[0], table.processed[0]) == (2, 1)


def test_pictures_are_turned_when_they_are_read(tmp_path):
    about = CameraAbout("a phone", 160, 96, rotate_deg=90)
    with create_take(tmp_path / "t", {"cam0": about}, made_by="synth") as writer:
        writer["cam0"].write_image(numbered(3), Row(0))
    camera = open_take(tmp_path / "t").cameras["cam0"]
    assert camera.size_px == (96, 160)
    (frame,) = camera.frames()
    assert number_of(cv2.rotate(frame.image_bgr, cv2.ROTATE_90_COUNTERCLOCKWISE)) == 3


def test_moments_have_to_increase_and_pictures_to_fit(tmp_path):
    with create_take(tmp_path / "t", {"cam0": CameraAbout("made up", 160, 96)}, made_by="synth") as writer:
        writer["cam0"].write_image(numbered(0), Row(5))
        with pytest.raises(ValueError, match="moments increase, got time_us = 5 after 5"):
            writer["cam0"].write_image(numbered(1), Row(5))
        with pytest.raises(ValueError, match="has pictures of 160x96, got 96x160"):
            writer["cam0"].write_image(np.zeros((160, 96, 3), np.uint8), Row(6))


def test_what_the_take_says_about_itself_comes_back(tmp_path):
    camera = CameraAbout("camera 0", 160, 96, device='a "cam"', asked="1280x720 MJPG at 30 fps", clock="driver")
    made = create_take(
        tmp_path / "t", {"cam0": camera}, made_by="record", subject_height_m=1.82, notes="zwei\nZeilen é"
    )
    with made as writer:
        writer["cam0"].write_image(numbered(0), Row(0))
        writer.describe("cam0", replace(camera, obtained="640x480"))
    about = open_take(tmp_path / "t").about
    assert about.cameras == {"cam0": replace(camera, obtained="640x480")}
    assert (about.subject_height_m, about.notes, about.made_by, about.complete) == (
        1.82,
        "zwei\nZeilen é",
        "record",
        True,
    )


def test_a_take_is_never_overwritten_without_force(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(5)})
    about = {"cam0": CameraAbout("made up", 160, 96)}
    with pytest.raises(TakeError, match="holds a take already; give another folder"):
        create_take(folder, about, made_by="synth")
    with create_take(folder, about, made_by="synth", force=True) as writer:
        writer["cam0"].write_image(numbered(0), Row(0))
    assert len(open_take(folder).cameras["cam0"].table) == 1


def test_force_never_removes_what_is_no_part_of_a_take(tmp_path):
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(TakeError, match=r"holds thesis\.docx, which is no part of a take"):
        create_take(tmp_path, {"cam0": CameraAbout("made up", 160, 96)}, made_by="synth", force=True)
    assert (tmp_path / "thesis.docx").exists()


def test_a_take_that_is_being_recorded_is_left_alone(tmp_path):
    about = {"cam0": CameraAbout("made up", 160, 96)}
    with create_take(tmp_path / "t", about, made_by="synth") as writer:
        writer["cam0"].write_image(numbered(0), Row(0))
        with pytest.raises(TakeError, match="is being recorded just now"):
            open_take(tmp_path / "t")
        with pytest.raises(TakeError, match="is being recorded just now"):
            create_take(tmp_path / "t", about, made_by="synth", force=True)
    assert len(open_take(tmp_path / "t").cameras["cam0"].table) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 2\n", "has schema 2, this program reads up to 1"),
        ("schema = 1\nmade_by = 'synth'\n", "does not fit"),
        ("schema = 1\nmade_by = 'synth'\ncolour = 1\n[cameras.cam0]\nsource='x'\nwidth=4\nheight=4\n", "colour"),
        ("schema = 1\nmade_by = 'synth'\n[cameras.cam0]\nsource='x'\nwidth=4\nheight=4\nhue=1\n", "hue"),
    ],
)
def test_another_take_toml_is_refused_by_name(tmp_path, text, says):
    (tmp_path / "take.toml").write_text(text)
    with pytest.raises(TakeError, match=says):
        open_take(tmp_path)


def test_a_folder_that_is_no_take_says_so(tmp_path):
    with pytest.raises(TakeError, match=r"is no take: there is no take\.toml in it"):
        open_take(tmp_path)


def test_pairs_follow_the_shared_clock(tmp_path):
    times = {"cam0": times_us(60), "cam1": times_us(60)}
    folder = made_take(tmp_path / "t", times)
    assert open_take(folder).pairs("cam0", "cam1").tolist() == [[n, n] for n in range(60)]
    write_sync(folder, Sync("stamps", {"cam1": Clock(0.1, 0.0)}, {"cam1": 2.0}))
    take = open_take(folder)
    assert take.pairs("cam0", "cam1").tolist() == [[n + 3, n] for n in range(57)]
    assert take.sync.sigma_ms == {"cam1": 2.0}
    assert take.common_s == pytest.approx((0.1, times["cam0"][-1] / 1e6))


def test_a_drift_is_part_of_the_shared_clock(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(5), "cam1": [us + 10_000_000 for us in times_us(5)]})
    write_sync(folder, Sync("stamps", {"cam1": Clock(-10.0, 80.0)}, {}))
    camera = open_take(folder).cameras["cam1"]
    assert camera.take_time_s[0] == pytest.approx(10 * 80e-6)


@given(
    a=st.lists(st.integers(0, 10_000), min_size=0, max_size=30, unique=True),
    b=st.lists(st.integers(0, 10_000), min_size=0, max_size=30, unique=True),
    apart=st.integers(0, 500),
)
def test_pairs_are_mutually_nearest_and_all_such_pairs_are_found(a, b, apart):
    a_s, b_s = np.sort(np.array(a, float)), np.sort(np.array(b, float))
    pairs = nearest_pairs(a_s, b_s, float(apart))
    assert len(set(pairs[:, 0])) == len(pairs) == len(set(pairs[:, 1]))
    distance = np.abs(a_s[:, None] - b_s[None])
    for i, j in pairs:
        assert distance[i, j] <= apart
        assert distance[i, j] == distance[i].min() == distance[:, j].min()
    for i in range(len(a_s)):
        for j in range(len(b_s)):
            alone = (distance[i] <= distance[i, j]).sum() == 1 == (distance[:, j] <= distance[i, j]).sum()
            if alone and distance[i, j] <= apart:
                assert [i, j] in pairs.tolist()


def test_the_last_fifth_is_held_out_after_a_gap(tmp_path):
    take = open_take(made_take(tmp_path / "t", {"cam0": times_us(301), "cam1": times_us(301)}))
    times_s = take.cameras["cam0"].take_time_s
    parts = take.parts()
    train, held = parts.train(times_s), parts.held_out(times_s)
    assert not (train & held).any()
    assert held.sum() == pytest.approx(0.2 * 301, abs=2)
    assert times_s[held].min() - times_s[train].max() == pytest.approx(1.0, abs=0.07)
    assert held[-1]
    assert train[0]
