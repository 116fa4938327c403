"""`record` and `take` as their user meets them: what is said, exit status, nothing lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import run
from realtime.takes import open_take
from tests.conftest import REPOSITORY
from tests.realtime.takes.made_takes import made_take, times_us

PYTHON = [sys.executable, str(REPOSITORY / "run.py")]
LIMIT_S = 120  # no call may hang; generous, since machines are shared
GRAPH = "lavfi:testsrc2=size=320x240:rate=30"


def said_by(capsys, *arguments):
    status = run.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return status, out, err


def test_two_sources_are_recorded_described_and_said_what_is_next(tmp_path, capsys):
    out = tmp_path / "kick"
    json_file = tmp_path / "x.json"
    options = [
        "--out",
        out,
        "--seconds",
        1,
        "--view",
        "none",
        "--json",
        json_file,
        "--notes",
        "a kick",
        "--height",
        1.8,
    ]
    status, text, err = said_by(capsys, "record", "--source", GRAPH, "--source", GRAPH, *options)
    assert status == 0, err
    assert "cam0: lavfi:testsrc2=size=320x240:rate=30: 320x240 at 30 fps" in text
    assert "cam0: 30 frames, 0 dropped" in text
    assert "cam0 and cam1: 30 frames belong together" in text
    assert f"next: python run.py calibrate {out}" in text
    summary = json.loads(json_file.read_text())
    assert [camera["frames"] for camera in summary["cameras"]] == [30, 30]
    assert open_take(out).about.subject_height_m == 1.8


def test_a_take_is_replaced_only_with_force(tmp_path, capsys):
    out = made_take(tmp_path / "kick", {"cam0": times_us(5)})
    record = ["record", "--source", GRAPH, "--seconds", "0.3", "--view", "none", "--out", out]
    status, _, err = said_by(capsys, *record)
    assert status == 1
    assert err.count("\n") == 1
    assert "holds a take already" in err
    assert len(open_take(out).cameras["cam0"].table) == 5
    assert said_by(capsys, *record, "--force")[0] == 0
    assert len(open_take(out).cameras["cam0"].table) == 9


@pytest.mark.skipif(any(Path("/dev").glob("video*")), reason="this machine has a camera")
def test_without_a_camera_it_is_one_line_and_no_folder(tmp_path, capsys):
    status, _, err = said_by(capsys, "record", "--camera", "0", "--camera", "1", "--out", tmp_path / "t")
    assert (status, err) == (1, err)
    assert re.fullmatch(r"error: no camera is connected; plug one in.*\n", err)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [("nowhere.mp4", "no such file: nowhere.mp4"), ("lavfi:nonsense", "is no graph of FFmpeg")],
)
def test_a_source_that_cannot_be_opened_is_one_line(tmp_path, capsys, source, says):
    status, _, err = said_by(capsys, "record", "--source", GRAPH, "--source", source, "--out", tmp_path / "t")
    assert status == 1
    assert says in err
    assert not (tmp_path / "t").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_is_the_normal_end_and_the_take_is_complete(tmp_path):
    out = tmp_path / "kick"
    process = subprocess.Popen(
        [*PYTHON, "record", "--source", GRAPH, "--source", GRAPH, "--out", str(out), "--view", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    table = out / "cam1.frames.csv"
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and not (table.exists() and table.read_text().count("\n") > 15):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    text, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "2 cameras" in text
    take = open_take(out)
    assert take.repairs == ()
    assert len(take.cameras["cam1"].table) >= 15


def test_take_mends_describes_and_says_what_is_wrong(tmp_path, capsys):
    out = made_take(tmp_path / "kick", {"cam0": times_us(30), "cam1": times_us(30)})
    about = out / "take.toml"
    about.write_text(about.read_text().replace("complete = true", "complete = false"))
    video = out / "cam1.mp4"
    status, text, _ = said_by(capsys, "take", out, "--view", "none")
    assert status == 0
    assert "cam0: the recording was broken off; 30 frames are whole" in text
    assert "2 cameras" in text
    shutil.copy(made_take(tmp_path / "other", {"cam0": times_us(20)}) / "cam0.mp4", video)
    status, text, _ = said_by(capsys, "take", out, "--view", "none", "--quick")
    assert status == 1
    assert "cam1: the table has 30 rows, the video 20 pictures" in text


def test_videos_are_imported(tmp_path, capsys, demo_clip):
    out = tmp_path / "phones"
    status, text, _ = said_by(capsys, "take", "import", demo_clip, demo_clip, "--out", out, "--height", 1.7)
    assert status == 0
    assert "cam1: demo.mp4, 350 frames copied" in text
    assert "not synced: each video has a clock of its own" in text
    status, _, err = said_by(capsys, "take", tmp_path)
    assert status == 1
    assert "is no take" in err
