"""What is written can be read, up to the last frame, by programs that are not ours."""

import csv
import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.sinks import SUFFIXES, Sink, SinkError, check_writable, open_sink
from tests.realtime.skeletons import EITHER


def write(path, header, shots):
    sink = open_sink(path, header)
    for frame, result in shots:
        sink.write(frame, result)
    sink.close()


def with_people(shot, people):
    frame, result = shot
    return frame, replace(result, people=people)


def top_level_boxes(data):
    names = []
    while data:
        size = int.from_bytes(data[:4], "big")
        names.append(data[4:8].decode())
        data = data[size:]
    return names


@EITHER
def test_jsonl_has_a_header_and_a_line_per_frame_also_where_nobody_is(tmp_path, scene, header, person, skeleton):
    sink = open_sink(tmp_path / "x.jsonl", header)
    assert isinstance(sink, Sink)
    for index in range(4):
        sink.write(*scene(index))
    sink.close()
    sink.close()
    first, *lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert (first["schema"], first["skeleton"], first["axes"]) == ("poses/1", skeleton.name, "opencv-camera")
    assert first["joints"] == list(skeleton.names)
    assert first["assumptions"] == {"height_m": 1.7}
    assert first["rate"] == "30"
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    assert lines[2]["people"] == []
    [somebody] = lines[3]["people"]
    assert set(somebody) == {"id", "presence", "joints_px", "joints_m", "root_m", "score", "box_px"}
    np.testing.assert_allclose(somebody["joints_px"], person.joints.px, atol=0.006)
    np.testing.assert_allclose(somebody["joints_m"], person.offsets_m, atol=6e-5)
    np.testing.assert_allclose(somebody["root_m"], person.root_m, atol=6e-5)


@EITHER
def test_csv_has_a_row_per_person_and_frame_and_an_empty_one_where_nobody_is(tmp_path, scene, header, person, skeleton):
    far = replace(person, id=1, root_m=None)
    write(tmp_path / "x.csv", header, [scene(0), scene(2), with_people(scene(3), [person, far])])
    with open(tmp_path / "x.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["id"]) for row in rows] == [("0", "0"), ("2", ""), ("3", "0"), ("3", "1")]
    assert {row["schema"] for row in rows} == {"poses-csv/1"}
    assert all(value == "" for name, value in rows[1].items() if name not in ("frame", "time_s", "schema"))
    assert (float(rows[1]["time_s"]), float(rows[0]["presence"])) == (pytest.approx(2 / 30, abs=1e-6), 0.98)
    for joint, name in enumerate(skeleton.names):
        px = [float(rows[0][f"{name}_{axis}_px"]) for axis in "xy"]
        m = [float(rows[0][f"{name}_{axis}_m"]) for axis in "xyz"]
        np.testing.assert_allclose(px, person.joints.px[joint], atol=0.006)
        np.testing.assert_allclose(m, person.offsets_m[joint], atol=6e-5)
        assert float(rows[0][f"{name}_score"]) == pytest.approx(0.9)
    np.testing.assert_allclose([float(rows[0][f"root_{axis}_m"]) for axis in "xyz"], person.root_m, atol=6e-5)
    assert [rows[3][f"root_{axis}_m"] for axis in "xyz"] == ["", "", ""]
    assert len({len(line.split(",")) for line in (tmp_path / "x.csv").read_text().splitlines()}) == 1


@EITHER
def test_npz_holds_plain_arrays_of_all_people_and_all_frames(tmp_path, scene, header, person, skeleton):
    far = replace(person, id=1, root_m=None)
    write(tmp_path / "x.npz", header, [scene(0), scene(2), with_people(scene(3), [person, far])])
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert str(arrays["schema"]) == "poses-npz/1"
    assert arrays["joints"].tolist() == list(skeleton.names)
    about = json.loads(str(arrays["header"]))
    assert (about["source"], about["weights"], about["rate"]) == ("test.mp4", "lite", "30")
    assert arrays["frame"].tolist() == [0, 3, 3]
    assert arrays["id"].tolist() == [0, 0, 1]
    assert arrays["frames_seen"].tolist() == [0, 2, 3]
    np.testing.assert_array_equal(arrays["frames_seen_time_s"], [0, 2 / 30, 3 / 30])
    np.testing.assert_array_equal(arrays["time_s"], [0, 0.1, 0.1])
    np.testing.assert_array_equal(arrays["joints_px"], [person.joints.px.astype(np.float32)] * 3)
    np.testing.assert_array_equal(arrays["joints_m"], [person.offsets_m.astype(np.float32)] * 3)
    np.testing.assert_array_equal(arrays["score"], np.full((3, len(skeleton)), 0.9, np.float32))
    np.testing.assert_array_equal(arrays["presence"], np.full(3, 0.98, np.float32))
    np.testing.assert_array_equal(np.isnan(arrays["root_m"]).all(axis=1), [False, False, True])
    np.testing.assert_allclose(arrays["root_m"][0], person.root_m, rtol=1e-6)
    assert arrays["box_px"][0].tolist() == [*person.joints.box.center_px.astype(np.float32), 520]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz"]


def test_mp4_keeps_the_frames_times_to_the_microsecond_for_every_player(tmp_path, scene, header):
    times_s = 1234.5 + np.array([0.0, 0.033367, 0.066733, 0.1, 0.4, 0.400001, 1.5, 3.25, 3.2834])
    shots = [(replace(f, time_s=t), replace(r, time_s=t)) for t, (f, r) in zip(times_s, itertools.repeat(scene(0)))]
    write(tmp_path / "x.mp4", header, shots)
    expected_us = np.round((times_s - times_s[0]) * 1e6).astype(int).tolist()
    with av.open(str(tmp_path / "x.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.frames == len(times_s)
        assert float(stream.duration * stream.time_base) == pytest.approx(3.2834 + 0.0334, abs=0.01)
        assert json.loads(container.metadata["comment"])["first_time_s"] == 1234.5
        frames = list(container.decode(video=0))
    assert [round(f.pts * f.time_base * 1_000_000) for f in frames] == expected_us
    assert [round(f.time, 1) for f in frames if f.key_frame] == [0.0, 1.5, 3.2]
    capture = cv2.VideoCapture(str(tmp_path / "x.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(times_s)
    seen_us = [round(1000 * capture.get(cv2.CAP_PROP_POS_MSEC)) for _ in times_s if capture.read()[0]]
    capture.release()
    assert seen_us == expected_us


def test_a_completed_mp4_is_an_ordinary_one(tmp_path, scene, header):
    write(tmp_path / "x.mp4", header, [scene(i) for i in range(3)])
    assert top_level_boxes((tmp_path / "x.mp4").read_bytes()) == ["ftyp", "free", "mdat", "moov"]


def test_mp4_shows_picture_and_space_side_by_side_at_the_frames_own_times(tmp_path, scene, header):
    path = tmp_path / "x.mp4"
    sink = open_sink(path, header)
    assert isinstance(sink, Sink)
    for index in (0, 1, 3, 3, 7):
        sink.write(*scene(index))
    sink.close()
    sink.close()
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [float(f.time) for f in frames]
    np.testing.assert_allclose(times, [0, 1 / 30, 0.1, 0.1, 7 / 30], atol=1e-3)
    assert all(b > a for a, b in itertools.pairwise(times))
    image = frames[0].to_ndarray(format="bgr24")
    assert image.shape == (540, 960 + 540, 3)
    for half in (image[:, :960], image[:, 960:]):  # orange left and blue right, drawn in both
        blue, red = (half[..., 0].astype(int) - half[..., 2]), (half[..., 2].astype(int) - half[..., 0])
        assert (blue > 100).sum() > 300
        assert (red > 100).sum() > 300


def test_mp4_of_photos_of_many_sizes_has_one_size(tmp_path, header, person):
    from realtime.frame import Frame
    from realtime.result import Result

    sink = open_sink(tmp_path / "x.mp4", header)
    for index, size in enumerate([(720, 1280), (400, 300), (31, 57)]):
        image = np.zeros((*size, 3), np.uint8)
        sink.write(Frame(index, index / 30, image), Result(index, index / 30, [person], {}, "fake"))
    sink.close()
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert len({(f.width, f.height) for f in container.decode(video=0)}) == 1


@EITHER
def test_a_run_without_frames_leaves_files_that_say_so(tmp_path, header, skeleton):
    for suffix in SUFFIXES:
        open_sink(tmp_path / f"x{suffix}", header).close()
    for name in ("x.jsonl", "x.csv"):
        assert len((tmp_path / name).read_text().splitlines()) == 1
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        assert arrays["joints_px"].shape == (0, len(skeleton), 2)
        assert len(arrays["frames_seen"]) == 0
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].width == 960 + 540


@pytest.mark.parametrize(
    ("name", "says"), [("x.avi", "known: .jsonl .mp4"), ("x", "known: .jsonl"), ("no/x.mp4", "there is no folder")]
)
def test_what_cannot_be_written_is_refused_before_the_run(tmp_path, name, says):
    with pytest.raises(SinkError, match=says):
        check_writable(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.mp4").mkdir()
    with pytest.raises(SinkError, match="is a folder"):
        check_writable(tmp_path / "x.mp4")


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs a folder where nobody may write")
@pytest.mark.parametrize("name", [f"x{suffix}" for suffix in SUFFIXES])
def test_a_place_where_nobody_may_write_is_refused(header, name):
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink(Path("/proc/self") / name, header)


def test_asking_leaves_no_file_behind_and_spoils_none(tmp_path):
    check_writable(tmp_path / "new.jsonl")
    assert not (tmp_path / "new.jsonl").exists()
    (tmp_path / "old.jsonl").write_text("precious")
    check_writable(tmp_path / "old.jsonl")
    assert (tmp_path / "old.jsonl").read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_ends_with_one_line(tmp_path, scene, header):
    path = tmp_path / "x.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(SinkError, match="No space left"):
        open_sink(path, header)


def test_the_document_names_every_array_and_every_schema(tmp_path, header):
    from realtime.sinks import csv as table
    from realtime.sinks import jsonl, npz

    open_sink(tmp_path / "x.npz", header).close()
    text = (Path(__file__).resolve().parents[2] / "docs" / "conventions.md").read_text()
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:
        names = [f"`{name}`" for name in arrays]
    schemas = (jsonl.SCHEMA, table.SCHEMA, npz.SCHEMA)
    columns = [f"`{name}`" for name in (*table.OF_A_PERSON, *table.OF_A_JOINT)]
    assert [name for name in (*names, *schemas, *columns, *SUFFIXES) if name not in text] == []
