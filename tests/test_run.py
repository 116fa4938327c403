"""The command line as its user meets it: exit status, one line, nothing lost."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
import torch
from safetensors.torch import save_file

import run
from engine.errors import library_advice
from realtime import doctor
from realtime.takes import open_take
from tests.conftest import REPOSITORY

PYTHON = [sys.executable, str(REPOSITORY / "run.py")]
# no call may hang; generous, since machines are shared
LIMIT_S = 120


def call(*arguments, cwd=REPOSITORY):
    return subprocess.run([*PYTHON, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT_S, cwd=cwd)


def refused(done, says):
    """Exit 1, one line that says what, no traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert re.search(says, lines[0]), lines[0]
    assert "Traceback" not in done.stderr
    assert "should not happen" not in done.stderr


@pytest.fixture
def clip(demo_clip, tmp_path):
    return Path(shutil.copy(demo_clip, tmp_path / "clip.mp4"))


def test_help_loads_nothing_heavy():
    heavy = "{'torch', 'cv2', 'numpy', 'rich.progress'} & set(sys.modules)"
    code = f"import sys, run; run.main(['--help']); print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=LIMIT_S)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("live", "demo", "pretrain", "evaluate", "bench", "doctor"):
        assert re.search(rf"^  {command} ", done.stdout, re.M)


@pytest.mark.parametrize("command", ["live", "demo", "pretrain", "evaluate", "bench", "doctor"])
def test_every_command_has_help(command, capsys):
    assert run.main([command, "--help"]) == 0
    assert f"python run.py {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--vidoe", "x.mp4"],
        ["--stream", "udp://x"],
        ["--rig", "rig.toml"],
        ["--stream", "http://x"],
        ["frobnicate"],
        ["record", "--camera", "0"],
        ["record", "--out", "takes/x"],
        ["take", "import", "x.mp4"],
        ["take"],
        ["calibrate"],
        ["--camera", "0", "--video", "x.mp4"],
        ["--rotate", "45"],
        ["--people", "0"],
        ["--engine", "tensorflow"],
        ["--precision", "int4"],
        ["--view", "web"],
        ["--max-frames", "none"],
        ["evaluate"],
        ["pretrain", "x", "--out", "y", "--preset", "papers"],
    ],
)
def test_what_does_not_exist_is_wrong_usage_never_ignored(arguments, capsys):
    assert run.main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("usage: ")
    assert "\n" not in said


def test_no_such_file():
    refused(call("--video", "nowhere.mp4", "--view", "none"), r"no such file: nowhere\.mp4")


def test_a_truncated_video_keeps_what_came_before(clip, tmp_path):
    data = clip.read_bytes()
    with av.open(str(clip)) as source, av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "faststart"}) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    data = (tmp_path / "f.mp4").read_bytes()
    clip.write_bytes(data[: len(data) // 8])
    done = call("--video", clip, "--view", "none", "--save", tmp_path / "x.jsonl", "--save", tmp_path / "x.mp4")
    refused(done, r"breaks off after \d+ of 350 frames")
    frames = int(re.search(r"after (\d+) of", done.stderr)[1])
    assert frames > 5
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == frames + 1
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames


def test_a_video_without_its_end(clip):
    clip.write_bytes(clip.read_bytes()[:5000])
    refused(call("--video", clip, "--view", "none"), "cut short and its table is missing")


def test_a_text_file_called_mp4(tmp_path):
    (tmp_path / "x.mp4").write_text("hello\n" * 100)
    refused(call("--video", tmp_path / "x.mp4", "--view", "none"), "is no video")


def test_a_zero_frame_video(tmp_path):
    with av.open(str(tmp_path / "x.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.start_encoding()
    refused(call("--video", tmp_path / "x.mp4", "--view", "none"), "holds no (video|frame)")


@pytest.mark.skipif(any(Path("/dev").glob("video*")), reason="this machine has a camera")
def test_no_camera():
    refused(call("--camera", "0", "--view", "none"), "no camera is connected; plug one in")
    refused(call("--view", "none"), "no camera is connected")


@pytest.mark.parametrize(
    ("save", "says"),
    [
        ("no/such/x.jsonl", "there is no folder"),
        ("x.docx", "known: .jsonl .mp4"),
        ("/proc/self/x.mp4", "cannot be written"),
    ],
)
def test_an_unwritable_output_is_found_before_the_run(clip, tmp_path, save, says):
    done = call("--video", clip, "--view", "none", "--save", save, cwd=tmp_path)
    refused(done, says)
    assert done.stdout == ""


def test_weights_that_are_not_safetensors(clip, tmp_path):
    (tmp_path / "w.safetensors").write_text("no weights")
    refused(
        call("--video", clip, "--view", "none", "--weights", tmp_path / "w.safetensors"), "not a readable safetensors"
    )
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    refused(call("--video", clip, "--view", "none", "--weights", tmp_path / "w.pt"), "not a readable safetensors")


def test_weights_of_another_architecture(clip, tmp_path):
    from safetensors import safe_open

    with safe_open(REPOSITORY / "engine" / "bundled" / "lite.safetensors", framework="pt") as file:
        record = json.loads(file.metadata()["pose"])
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    record["architecture"]["backbone"] = 101
    save_file(state, tmp_path / "w.safetensors", metadata={"pose": json.dumps(record)})
    refused(call("--video", clip, "--view", "none", "--weights", tmp_path / "w.safetensors"), "tensors do not fit")


def test_synthetic_people_are_pictures_or_a_take(tmp_path):
    for arguments in (
        [],
        ["--out", tmp_path / "a", "--take", tmp_path / "b"],
        ["--take", tmp_path / "b", "--resolution", "9x9"],
    ):
        done = call("synth", *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("usage: ")
    refused(call("synth", "--take", tmp_path / "b", "--photos", tmp_path), "no pictures in")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter.txt").write_text("dear")
    refused(call("synth", "--take", tmp_path / "b", "--seconds", "1"), "no part of a take")


def test_a_dataset_that_is_none(tmp_path):
    refused(call("evaluate", tmp_path), "holds")
    refused(call("pretrain", tmp_path / "nowhere", "--out", tmp_path / "run"), "no folder")


def test_a_video_gives_a_line_per_frame_and_says_what_ran(clip, tmp_path):
    done = call("--video", clip, "--view", "none", "--max-frames", 12, "--save", tmp_path / "x.jsonl")
    assert done.returncode == 0, done.stderr
    assert re.search(r"640x480, OpenVINO, (bf16|fp32) on .*, weights lite [0-9a-f]{12}", done.stdout)
    assert "assumed: body height 1.7 m; field of view 60 degrees" in done.stdout
    assert "12 frames" in done.stdout
    header, *lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert header["weights"] == "lite"
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["time_s"] for line in lines] == [round(i / 25, 6) for i in range(12)]


def test_every_live_option_works(clip, tmp_path):
    options = "--engine eager --device cpu --precision fp32 --weights lite --people 2 --fov 70 --height 1.8"
    flags = "--mirror --rotate 90 --no-smooth --no-track --max-frames 2 --view none --verbose"
    done = call("live", "--video", clip, *options.split(), *flags.split(), "--save", tmp_path / "x.jsonl")
    assert done.returncode == 0, done.stderr
    assert "480x640, eager PyTorch, fp32 on cpu" in done.stdout
    header = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
    assert (header["assumptions"]["height_m"], header["assumptions"]["fov_deg"]) == (1.8, 70.0)
    assert header["size_px"] == [480, 640]


def test_without_a_screen_the_run_goes_on_headless(clip, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [*PYTHON, "--video", str(clip), "--max-frames", "2"],
        capture_output=True, text=True, timeout=LIMIT_S, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "no screen: running headless" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_closes_every_file_and_is_a_normal_end(clip, tmp_path):
    saves = ["--save", str(tmp_path / "x.jsonl"), "--save", str(tmp_path / "x.mp4")]
    process = subprocess.Popen(
        [*PYTHON, "--video", str(clip), "--view", "none", *saves],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        path = tmp_path / "x.jsonl"
        if path.exists() and path.read_text().count("\n") > 10:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, err
    assert "stopped" in out
    assert "Traceback" not in err
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= len(lines) - 2
    assert 10 < len(lines) <= 351


def test_a_made_up_camera_runs_live(tmp_path):
    graph = "lavfi:testsrc2=size=320x240:rate=30,realtime"
    saves = ["--save", tmp_path / "x.csv", "--record", tmp_path / "t"]
    done = call("--video", graph, "--max-frames", "5", "--view", "none", *saves)
    assert done.returncode == 0, done.stderr
    assert open_take(tmp_path / "t").cameras["cam0"].table.processed.sum() >= 5
    assert "5 frames" in done.stdout
    assert "from camera to pose" in done.stdout
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 6
    refused(call("--video", "lavfi:nonsense", "--view", "none"), "is no graph of FFmpeg")


def test_doctor_says_what_there_is_and_what_to_do_next(tmp_path):
    done = call("doctor", "--json", tmp_path / "d.json")
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("python", "torch", "openvino", "cpu", "gpu", "weights", "camera", "screen"):
        assert re.search(rf"^(ok  |note)  {what}\b", done.stdout, re.M), what
    assert "python run.py" in done.stdout.splitlines()[-2]
    assert json.loads((tmp_path / "d.json").read_text())["advice"]


def test_an_unforeseen_fault_is_one_line_and_a_traceback_only_when_asked(monkeypatch, capsys):
    def burn():
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("realtime.doctor.examine", burn)
    assert run.main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert "nobody thought of this" in said
    assert "--debug" in said
    with pytest.raises(ZeroDivisionError):
        run.main(["doctor", "--debug"])


def test_a_missing_library_of_the_system_is_one_line_that_installs_it(monkeypatch, capsys):
    missing = ImportError("libusb-1.0.so.0: cannot open shared object file: No such file or directory")
    monkeypatch.setattr(doctor, "_import_failure", lambda module: library_advice(missing))
    findings = {f.what: f for f in doctor.packages()}
    assert findings["open3d"].state == "note"
    assert "sudo apt install" in findings["open3d"].says

    def fail():
        raise missing

    monkeypatch.setattr(doctor, "examine", fail)
    assert run.main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert "libusb-1.0.so.0 is missing" in said
    assert "sudo apt install" in said
    assert "should not happen" not in said


def test_a_package_that_does_not_load_is_named_by_the_doctor(tmp_path, monkeypatch):
    (tmp_path / "broken_binding.py").write_text("raise ImportError('libx.so.1: cannot open shared object file: gone')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, "LOADS_LIBRARIES", {"open3d": "broken_binding"})
    found = {f.what: f for f in doctor.packages()}["open3d"]
    assert found.state == "note"
    assert "libx.so.1 is missing" in found.says


def test_an_interrupted_job_is_130(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("realtime.doctor.examine", interrupt)
    assert run.main(["doctor"]) == 130
    assert "interrupted" in capsys.readouterr().err
