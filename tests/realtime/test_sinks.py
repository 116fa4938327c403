"""What is written can be read, up to the last frame, by programs that are not ours."""

import itertools
import json
import os
from pathlib import Path

import av
import numpy as np
import pytest

from engine.skeleton import JOINT_NAMES
from realtime.sinks import Sink, SinkError, check_writable, open_sink


def test_jsonl_has_a_header_and_a_line_per_frame_also_where_nobody_is(tmp_path, scene, header, person):
    sink = open_sink(tmp_path / "x.jsonl", header)
    assert isinstance(sink, Sink)
    for index in range(4):
        sink.write(*scene(index))
    sink.close()
    sink.close()
    first, *lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert (first["schema"], first["skeleton"], first["axes"]) == ("poses/1", "mpii16", "opencv-camera")
    assert first["joints"] == list(JOINT_NAMES)
    assert first["assumptions"] == {"height_m": 1.7}
    assert first["rate"] == "30"
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    assert lines[2]["people"] == []
    [somebody] = lines[3]["people"]
    assert set(somebody) == {"id", "presence", "joints_px", "joints_m", "root_m", "score", "box_px"}
    np.testing.assert_allclose(somebody["joints_px"], person.joints.px, atol=0.006)
    np.testing.assert_allclose(somebody["joints_m"], person.offsets_m, atol=6e-5)
    np.testing.assert_allclose(somebody["root_m"], person.root_m, atol=6e-5)


def test_jsonl_is_whole_up_to_the_last_frame_before_it_is_closed(tmp_path, scene, header):
    sink = open_sink(tmp_path / "x.jsonl", header)
    sink.write(*scene(0))
    lines = (tmp_path / "x.jsonl").read_text().splitlines()
    sink.close()
    assert [json.loads(line).get("frame") for line in lines] == [None, 0]


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


def test_a_run_without_frames_leaves_files_that_say_so(tmp_path, header):
    for name in ("x.jsonl", "x.mp4"):
        open_sink(tmp_path / name, header).close()
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 1


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
@pytest.mark.parametrize("name", ["x.jsonl", "x.mp4"])
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
