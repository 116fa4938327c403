"""What a crash leaves of a take is mended when it is opened, and said."""

import errno
import shutil
import signal
import subprocess
import sys

import av
import pytest

from realtime.takes import Flag, TakeError, open_take
from realtime.takes.table import UNKNOWN
from tests.conftest import REPOSITORY
from tests.realtime.takes.made_takes import made_take, number_of, times_us

# writes frames of two cameras for ever, as fast as they are wanted
WRITES = """
import sys, time
from pathlib import Path
from realtime.takes import CameraAbout, Row, create_take
from tests.realtime.takes.made_takes import SIZE_PX, numbered
folder, codec = Path(sys.argv[1]), sys.argv[2]
about = {name: CameraAbout("made up", *SIZE_PX, codec=codec) for name in ("cam0", "cam1")}
with create_take(folder, about, made_by="synth") as writer:
    for n in range(1000):
        for name in about:
            writer[name].write_image(numbered(n), Row(33_333 * n + 17))
        print(n, flush=True)
        time.sleep(0.002)
"""


def killed_after(folder, codec, frames):
    """A process that writes is killed; gives how many frames it said were written."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(folder), codec], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    count = 0
    for line in process.stdout:
        count = int(line) + 1
        if count >= frames:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return count


def agreeing(take, name):
    """Table, container and pictures of a camera hold the same frames; how many."""
    camera = take.cameras[name]
    frames = list(camera.frames())
    assert [number_of(f.image_bgr) for f in frames] == list(range(len(camera.table)))
    with av.open(str(camera.path)) as container:
        stamps = [p.pts for p in container.demux(video=0) if p.pts is not None]
    assert stamps == (camera.table.time_us - camera.table.time_us[0]).tolist()
    return len(frames)


@pytest.mark.parametrize("codec", ["mjpeg", "h264"])
def test_a_killed_process_loses_the_last_frame_or_two(tmp_path, codec):
    written = killed_after(tmp_path / "t", codec, 40)
    take = open_take(tmp_path / "t")
    assert "cam0: the recording was broken off" in take.repairs[0]
    for name in ("cam0", "cam1"):
        assert written - 2 <= agreeing(take, name) <= written + 5
    again = open_take(tmp_path / "t")
    assert again.repairs == ()
    assert agreeing(again, "cam1") == agreeing(take, "cam1")


def broken_off(folder):
    """As the process left it that wrote the take: a completed one, said to be not."""
    path = folder / "take.toml"
    path.write_text(path.read_text().replace("complete = true", "complete = false"))
    return folder


@pytest.fixture(scope="module", params=["mjpeg", "h264"])
def left_behind(tmp_path_factory, request):
    """What a killed process left of a take of about thirty frames."""
    folder = tmp_path_factory.mktemp("killed") / "t"
    killed_after(folder, request.param, 30)
    return folder


@pytest.mark.parametrize("share", [0.999, 0.9, 0.5, 0.03])
def test_a_video_cut_anywhere_keeps_its_whole_frames(tmp_path, left_behind, share):
    shutil.copytree(left_behind, tmp_path / "t")
    video = tmp_path / "t" / "cam0.mp4"
    data = video.read_bytes()
    video.write_bytes(data[: int(share * len(data))])
    take = open_take(tmp_path / "t")
    count = agreeing(take, "cam0") if len(take.cameras["cam0"].table) else 0
    assert count <= 30 * share + 8
    assert count >= 28 * share - 7  # the first frame of H.264 is larger
    assert any("of the table without a picture cut off" in line for line in take.repairs)


def test_rows_that_were_lost_are_made_anew_from_the_video(tmp_path):
    folder = broken_off(made_take(tmp_path / "t", {"cam0": times_us(20, start_us=900)}))
    path = folder / "cam0.frames.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:15]) + lines[15][:9])  # the fifteenth row is torn
    take = open_take(folder)
    table = take.cameras["cam0"].table
    assert table.time_us.tolist() == times_us(20, start_us=900)
    assert [bool(f & Flag.RECOVERED) for f in table.flags] == [False] * 14 + [True] * 6
    assert table.host_ts_ns[-1] == UNKNOWN
    assert "cam0: 6 rows of the table made anew from the video's stamps" in take.repairs
    assert agreeing(take, "cam0") == 20


def test_a_take_without_a_single_frame_is_still_a_take(tmp_path):
    folder = broken_off(made_take(tmp_path / "t", {"cam0": times_us(3), "cam1": []}))
    (folder / "cam1.mp4").write_bytes(b"")
    take = open_take(folder)
    assert len(take.cameras["cam0"].table) == 3
    assert list(take.cameras["cam1"].frames()) == []
    with pytest.raises(TakeError, match="a camera has no frame at all"):
        take.parts()


def test_a_table_that_is_damaged_in_a_complete_take_is_refused(tmp_path):
    folder = made_take(tmp_path / "t", {"cam0": times_us(9)})
    path = folder / "cam0.frames.csv"
    path.write_text(path.read_text()[:-4])
    with pytest.raises(TakeError, match="lines at its end are torn"):
        open_take(folder)


def test_a_folder_that_may_not_be_written_is_said(tmp_path, monkeypatch):
    folder = broken_off(made_take(tmp_path / "t", {"cam0": times_us(9)}))

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("realtime.takes.repair.os.replace", refuse)
    with pytest.raises(TakeError, match=r"was broken off and cannot be mended .*; copy it to where you may write"):
        open_take(folder)
    assert not list(folder.glob(".cam0*"))


def test_without_room_for_a_new_video_the_old_one_is_read(tmp_path, monkeypatch):
    killed_after(tmp_path / "t", "mjpeg", 20)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("realtime.takes.repair._copied", full)
    take = open_take(tmp_path / "t")
    camera = take.cameras["cam0"]
    assert [number_of(f.image_bgr) for f in camera.frames()] == list(range(len(camera.table)))
    assert len(camera.table) >= 18
    assert open_take(tmp_path / "t").repairs == ()
