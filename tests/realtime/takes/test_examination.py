"""What `take` says about a take, and what it finds wrong."""

import json

import numpy as np
import pytest

from calib.rig import Clock
from realtime.takes import CameraAbout, Row, Sync, create_take, open_take, write_sync
from realtime.takes.examination import examine, lines
from realtime.takes.playing import moments
from tests.realtime.takes.made_takes import SIZE_PX, made_take, number_of, numbered, times_us


def test_a_sound_take_is_described_and_has_no_problem(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(60), "cam1": times_us(58, start_us=5000)})
    take = open_take(folder)
    found = examine(take)
    assert found.problems == ()
    assert [c.decoded for c in found.cameras] == [60, 58]
    assert found.pairs == {"cam1": 58}
    assert found.phase_ms["cam1"] == pytest.approx(5.0)
    text = "\n".join(lines(take, found))
    assert "2 cameras, 1.9 s in common" in text
    assert "30.00 a second" in text
    assert "cam0 and cam1: 58 frames belong together, +5.0 ms apart" in text
    assert "synced by the stamps alone" in text
    json.dumps(found.summary())


def test_dropped_frames_are_counted_by_the_stamps(tmp_path):
    times = times_us(90)
    del times[40:43], times[60]
    found = examine(open_take(made_take(tmp_path / "t", {"cam0": times})))
    assert found.cameras[0].dropped == 4


def test_frames_that_the_source_counted_are_missing_whatever_the_stamps_say(tmp_path):
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.integers(9_000, 90_000, 60)).tolist()
    with create_take(tmp_path / "t", {"cam0": CameraAbout("camera 0", *SIZE_PX)}, made_by="record") as writer:
        for n, time_us in enumerate(times):
            writer["cam0"].write_image(numbered(n), Row(time_us, sequence=n + 2 * (n > 20), segment=int(n > 40)))
    take = open_take(tmp_path / "t")
    found = examine(take)
    assert not found.cameras[0].regular
    assert found.cameras[0].dropped == 2
    assert "without an even cadence" in "\n".join(lines(take, found))


def test_a_sync_that_was_found_is_said(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(30), "cam1": times_us(30)})
    write_sync(folder, Sync("epipolar", {"cam1": Clock(0.002, 0.0)}, {}))
    take = open_take(folder)
    assert "synced by epipolar" in "\n".join(lines(take, examine(take)))


def test_damaged_pictures_and_a_foreign_table_are_problems(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(30)})
    data = bytearray((folder / "cam0.mp4").read_bytes())
    at = data.index(b"\xff\xd8\xff", len(data) // 2)
    data[at : at + 2] = b"\x00\x00"
    (folder / "cam0.mp4").write_bytes(data)
    assert "1 of 30 pictures are damaged" in examine(open_take(folder)).problems[0]
    path = folder / "cam0.frames.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    assert "the table has 28 rows, the video 30 pictures" in examine(open_take(folder), decode=False).problems[0]
    rows = path.read_text().splitlines(keepends=True)
    rows[5] = rows[5].replace("133333", "137777")
    path.write_text("".join(rows))
    (folder / "cam0.mp4").write_bytes((made_take(tmp_path / "u", {"cam0": times_us(28)}) / "cam0.mp4").read_bytes())
    assert "stamps of table and video lie up to 4.44 ms apart" in examine(open_take(folder)).problems[0]


def test_a_camera_without_a_frame_is_a_problem_and_no_crash(tmp_path):
    take = open_take(made_take(tmp_path / "t", {"cam0": times_us(10), "cam1": []}))
    found = examine(take)
    assert found.problems == ("cam1: has no frame; record again",)
    list(lines(take, found))


def test_cameras_are_played_in_time(tmp_path):
    times = {"cam0": times_us(30), "cam1": times_us(15, period_us=2e6 / 30)}
    take = open_take(made_take(tmp_path / "t", times))
    played = list(moments(take))
    assert [at_s for at_s, _ in played] == [us / 1e6 for us in times["cam0"]]
    width = played[0][1].shape[1] // 2
    scale = (played[0][1].shape[0] - 32) / SIZE_PX[1]
    for n, (_, image) in enumerate(played):
        tiles = image[32:, :width], image[32:, width:]
        numbers = [number_of(np.ascontiguousarray(tile[:: round(scale), :: round(scale)])) for tile in tiles]
        assert numbers[0] == n
        assert abs(2 * numbers[1] - n) <= 1


def test_segments_and_height_are_told(tmp_path):
    about = {"cam0": CameraAbout("camera 0", *SIZE_PX, device="Logi", asked="a", obtained="b")}
    with create_take(tmp_path / "t", about, made_by="record", subject_height_m=1.8, notes="kick") as writer:
        for n in range(30):
            writer["cam0"].write_image(numbered(n), Row(33_333 * n + 5_000_000 * (n > 14), segment=int(n > 14)))
    take = open_take(tmp_path / "t")
    text = "\n".join(lines(take, examine(take)))
    for said in ("person of 1.8 m", "notes: kick", "camera 0 (Logi)", "2 segments", "b, asked a", "0 frames dropped"):
        assert said in text
