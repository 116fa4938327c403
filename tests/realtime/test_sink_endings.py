"""What is left of each file when the disk is full or the program is killed, and that it can be read."""

import csv
import io
import signal
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.sinks import SUFFIXES, SinkError, jsonl, open_sink
from realtime.sinks import csv as table
from realtime.sinks.growing_zip import GrowingZip, whole_pieces
from realtime.sinks.jsonl import JsonLines
from realtime.sinks.npz import Arrays
from realtime.sinks.poses import PosesError, read_poses
from tests.realtime.skeletons import EITHER

REPOSITORY = Path(__file__).resolve().parents[2]
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and signals of Linux")
RATE = 30
# at most so many frames are lost when a run is killed: what one frame's hand-over takes, and for .npz a second more
LOST = {".jsonl": 3, ".csv": 3, ".mp4": 6, ".npz": RATE + 8}

CHILD = f"""
import sys, time
from fractions import Fraction
from pathlib import Path
import numpy as np
from engine.crop import Box
from engine.joints import Joints
from engine.skeleton import MPII16
from realtime.frame import Frame
from realtime.result import Header, Person, Result
from realtime.sinks import SUFFIXES, open_sink

header = Header("t.mp4", "fake", "lite", "0" * 64, (320, 180), Fraction({RATE}), {{}}, MPII16)
sinks = [open_sink(Path(sys.argv[1]) / f"x{{suffix}}", header, live=True) for suffix in SUFFIXES]
rng = np.random.default_rng(0)
begin_s = time.monotonic()
for index in range(100_000):
    px = rng.uniform(0, 180, (16, 2))
    joints = Joints(px, np.zeros(16), np.ones((16, 3)), np.ones(16), 0.5, Box(np.ones(2), 9.0))
    person = Person(0, joints, rng.normal(size=(16, 3)), np.array([0.0, 0.0, 3.0]))
    frame = Frame(index, index / {RATE}, np.full((180, 320, 3), index % 256, np.uint8))
    for sink in sinks:
        sink.write(frame, Result(index, index / {RATE}, [person], {{}}, "fake"))
    print(index, sinks[1].dropped, flush=True)
    time.sleep(max(begin_s + (index + 1) / {RATE} - time.monotonic(), 0))
"""


@contextmanager
def no_file_longer_than(size):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def whole_lines(path):
    """A system that writes a line in one call still shows its head alone for a moment, at the border of its pages."""
    return path.read_text().rpartition("\n")[0].split("\n")


def frames_in(path):
    """The numbers of the frames that are in a file, by each format's own reader."""
    if path.suffix == ".csv":
        rows = list(csv.DictReader(whole_lines(path)))
        assert all(row["schema"] == "poses-csv/1" for row in rows)  # the last column: no row is torn
        return [int(row["frame"]) for row in rows]
    if path.suffix != ".mp4":
        return read_poses(path).frames_seen.tolist()
    with av.open(str(path)) as container:
        times = [round(frame.time * RATE) for frame in container.decode(video=0)]
    capture = cv2.VideoCapture(str(path))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == len(times)
    capture.release()
    return times


@LINUX
def test_a_killed_run_leaves_four_files_that_can_be_read_up_to_the_last_moment(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with child:
        for line in child.stdout:
            last, dropped = map(int, line.split())
            if last == 75:
                break
        child.kill()
        rest = child.stdout.read().split("\n")
    assert child.returncode == -signal.SIGKILL
    last += len([line for line in rest if line])
    for suffix, lost in LOST.items():
        frames = frames_in(tmp_path / f"x{suffix}")
        print(f"{suffix}: {last + 1 - len(frames)} of {last + 1} frames lost, {dropped} left out of the video")
        assert last - lost - dropped * (suffix == ".mp4") <= frames[-1]
        if suffix != ".mp4" or not dropped:
            assert frames == list(range(len(frames)))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as arrays:  # by others too, in pieces
        assert "read_poses" in str(arrays["unfinished"])
        assert len(arrays["rows_000000"]) > 0
    assert len(read_poses(tmp_path / "x.npz").joints_px) >= last - LOST[".npz"]


@LINUX
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_ends_with_one_line_and_a_file_that_can_be_read(tmp_path, scene, header, suffix):
    path = tmp_path / f"x{suffix}"
    with no_file_longer_than(60_123):
        sink = open_sink(path, header)
        with pytest.raises(SinkError, match="File too large") as caught:
            for index in range(10_000):
                sink.write(*scene(index))
        with pytest.raises(SinkError, match="File too large"):
            sink.write(*scene(0))
        sink.close()
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    frames = frames_in(path)
    assert len(frames) > 5 or suffix == ".npz"  # a second of numbers may be longer than the limit
    assert frames == list(range(len(frames)))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@LINUX
def test_a_disk_that_is_full_when_a_video_is_completed_leaves_all_but_its_last_frame(tmp_path, scene, header):
    whole, path = tmp_path / "whole.mp4", tmp_path / "x.mp4"
    sink = open_sink(whole, header)
    for index in range(20):
        sink.write(*scene(index))
    sink.close()
    with no_file_longer_than(whole.stat().st_size - 100):  # the table, at the end, does not fit
        sink = open_sink(path, header)
        for index in range(20):
            sink.write(*scene(index))
        with pytest.raises(SinkError, match="File too large"):
            sink.close()
    assert frames_in(path) in (list(range(19)), list(range(20)))


@LINUX
def test_arrays_that_cannot_be_completed_keep_their_pieces(tmp_path, scene, header):
    path = tmp_path / "x.npz"
    file = Arrays(path, header)
    for index in range(60):
        file.write(*scene(index))
        if index % 10 == 9:
            file.flush()
    with (
        no_file_longer_than(path.stat().st_size - 4000),
        pytest.raises(SinkError, match=r"keeps its unfinished form.*read_poses"),
    ):
        file.close()
    assert read_poses(path).frames_seen.tolist() == list(range(60))
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_a_growing_zip_is_whole_after_each_piece_and_holds_what_came_before_a_torn_one(tmp_path):
    path = tmp_path / "x.zip"
    file = GrowingZip(path)
    pieces = {f"piece{i}": bytes([i]) * (100 * i) for i in range(20)}
    ends = []
    for name, data in pieces.items():
        file.append({name: data})
        ends.append(file._end)
        with zipfile.ZipFile(path) as whole:
            assert whole.testzip() is None
            assert whole.namelist() == list(pieces)[: len(ends)]
    file.close()
    file.close()
    content = path.read_bytes()
    torn = tmp_path / "torn.zip"
    for size in range(0, len(content), 97):
        torn.write_bytes(content[:size])
        with open(torn, "rb") as left:
            found = dict(whole_pieces(left))
        assert found == {name: pieces[name] for name in list(pieces)[: sum(end <= size for end in ends)]}


def test_a_growing_zip_keeps_no_half_of_what_does_not_fit(tmp_path):
    path = tmp_path / "x.zip"
    file = GrowingZip(path)
    file.append({"a": b"a" * 1000})
    size = path.stat().st_size
    with no_file_longer_than(3000), pytest.raises(OSError, match="File too large"):
        file.append({"b": b"b" * 1500, "c": b"c" * 1500})
    assert path.stat().st_size == size
    with zipfile.ZipFile(path) as whole:
        assert whole.testzip() is None
        assert whole.namelist() == ["a"]


def test_a_reader_beside_the_writer_sees_whole_frames_only(tmp_path, scene, header):
    sinks = [open_sink(tmp_path / f"x{suffix}", header) for suffix in (".jsonl", ".csv", ".npz")]
    seen = {sink.path: [] for sink in sinks}
    done = threading.Event()

    def read():
        while not done.is_set():  # what fails here fails the test: nothing else catches it
            for path, counts in seen.items():
                frames = frames_in(path)
                assert frames == list(range(len(frames)))
                counts.append(len(frames))

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(300):
        for sink in sinks:
            sink.write(*scene(index))
    for sink in sinks:
        sink.close()
    done.set()
    reader.join()
    for path, counts in seen.items():
        assert counts == sorted(counts)
        assert len(frames_in(path)) == 300
    assert len(set(seen[tmp_path / "x.jsonl"])) > 3


def test_a_frame_is_handed_to_the_system_in_one_call(tmp_path, scene, header, monkeypatch):
    for suffix, module in ((".jsonl", jsonl), (".csv", table)):
        file = module.open_format(tmp_path / f"x{suffix}", header)
        calls = []

        class Watched(io.FileIO):
            def write(self, data, calls=calls):
                calls.append(bytes(data))
                return super().write(data)

        monkeypatch.setattr(file._file, "_file", Watched(tmp_path / "watched", "w"))
        for index in range(3):
            file.write(*scene(index))
        file.close()
        assert [call.count(b"\n") for call in calls] == [1, 1, 1]
        assert all(call.endswith(b"\n") for call in calls)
        monkeypatch.undo()
        file.close()


@EITHER
def test_jsonl_and_npz_give_the_same_poses_back(tmp_path, scene, header, skeleton):
    for name in ("x.jsonl", "x.npz"):
        sink = open_sink(tmp_path / name, header)
        for index in range(5):
            sink.write(*scene(index))
        sink.close()
    text, arrays = read_poses(tmp_path / "x.jsonl"), read_poses(tmp_path / "x.npz")
    assert text.skeleton is arrays.skeleton is skeleton
    assert {k: v for k, v in text.header.items() if k != "schema"} == {
        k: v for k, v in arrays.header.items() if k != "schema"
    }
    assert text.frame.tolist() == arrays.frame.tolist() == [0, 1, 3, 4]
    assert text.frames_seen.tolist() == arrays.frames_seen.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(text.frames_seen_time_s, arrays.frames_seen_time_s, atol=1e-6)
    np.testing.assert_allclose(text.joints_px, arrays.joints_px, atol=0.0051)
    np.testing.assert_allclose(text.joints_m, arrays.joints_m, atol=5.1e-5)
    np.testing.assert_allclose(text.root_m, arrays.root_m, atol=5.1e-5)
    np.testing.assert_allclose(text.score, arrays.score, atol=5.1e-4)
    np.testing.assert_allclose(text.box_px, arrays.box_px, atol=0.0051)


def test_a_torn_last_line_is_not_read_and_damage_before_it_is_said(tmp_path, scene, header):
    path = tmp_path / "x.jsonl"
    file = JsonLines(path, header)
    for index in range(3):
        file.write(*scene(index))
    file.close()
    path.write_text(path.read_text()[:-30])
    assert read_poses(path).frames_seen.tolist() == [0, 1]
    path.write_text(path.read_text().replace('"frame": 1', '"frame: 1'))
    with pytest.raises(PosesError, match="line 3"):
        read_poses(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".npz"])
@pytest.mark.parametrize("closed", [True, False])
def test_a_file_of_a_newer_program_is_refused(tmp_path, scene, header, suffix, closed, monkeypatch):
    monkeypatch.setattr("realtime.sinks.jsonl.SCHEMA", "poses/2")
    monkeypatch.setattr("realtime.sinks.npz.SCHEMA", "poses-npz/2")
    file = {".jsonl": JsonLines, ".npz": Arrays}[suffix](tmp_path / f"x{suffix}", header)
    if closed:
        file.close()
    monkeypatch.undo()
    with pytest.raises(PosesError, match=r"has schema poses(-npz)?/2, this program reads poses(-npz)?/1"):
        read_poses(tmp_path / f"x{suffix}")
    with suppress(OSError):
        file.close()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npz", b""),
        ("x.npz", b"hello"),
        ("x.jsonl", b""),
        ("x.jsonl", b"hello\n"),
        ("x.jsonl", b"[1]\n"),
        ("x.jsonl", b"\xff\n"),
        ("x.csv", b""),
        ("x.npz", None),
    ],
)
def test_what_holds_no_poses_is_said_in_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PosesError, match=str(tmp_path)) as caught:
        read_poses(tmp_path / name)
    assert "\n" not in str(caught.value)
