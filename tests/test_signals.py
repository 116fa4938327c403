"""Ctrl-C and SIGTERM, whatever the program is doing: it ends within seconds, files closed, status 0, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import av
import cv2
import numpy as np
import pytest

from tests.test_run import LIMIT_S, PYTHON

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
END_S = 5.0  # what is promised; on a machine with as many busy processes as cores it takes this long at most
SIGNALS = [signal.SIGINT, signal.SIGTERM]


def started(*arguments, cwd):
    command = [*PYTHON, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)


def wait_until(condition, process):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "never got there"
        time.sleep(0.02)


def ended(process, number):
    """Sends a signal; what the program said. It must end in time, as if nothing were wrong."""
    process.send_signal(number)
    begin = time.monotonic()
    out, err = process.communicate(timeout=LIMIT_S)
    assert time.monotonic() - begin < END_S
    assert process.returncode == 0, err
    assert "stopped" in out
    assert "Traceback" not in err
    return out


def maps(process, library):
    return lambda: library in Path(f"/proc/{process.pid}/maps").read_text()


def lines_of(path):
    def lines():
        try:
            return path.read_text().count("\n")
        except FileNotFoundError:  # whether a file can be written is tried and undone before it is there to stay
            return 0

    return lines


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs to see which libraries are loaded")
@pytest.mark.parametrize("number", SIGNALS)
def test_while_the_engine_is_opened(number, demo_clip, tmp_path):
    process = started("--video", demo_clip, "--view", "none", "--save", tmp_path / "x.jsonl", cwd=tmp_path)
    wait_until(maps(process, "libtorch_cpu"), process)
    ended(process, number)


@pytest.mark.parametrize("number", SIGNALS)
def test_while_frames_go_through(number, demo_clip, tmp_path):
    saves = [tmp_path / f"x{suffix}" for suffix in (".jsonl", ".mp4", ".csv", ".npz")]
    options = [word for path in saves for word in ("--save", path)]
    process = started("--video", demo_clip, "--view", "none", *options, cwd=tmp_path)
    seen = lines_of(saves[0])
    wait_until(lambda: seen() > 10, process)
    ended(process, number)
    lines = [json.loads(line) for line in saves[0].read_text().splitlines()]
    frames = len(lines) - 1
    assert 10 <= frames <= 350
    with av.open(str(saves[1])) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames
    assert len(np.load(saves[3], allow_pickle=False)["frame"]) <= frames
    assert len(saves[2].read_text().splitlines()) >= frames


@pytest.mark.parametrize("number", SIGNALS)
def test_twice_in_a_hurry_still_closes_the_files(number, demo_clip, tmp_path):
    process = started("--video", demo_clip, "--view", "none", "--save", tmp_path / "x.mp4", "--save",
                      tmp_path / "x.jsonl", cwd=tmp_path)  # fmt: skip
    seen = lines_of(tmp_path / "x.jsonl")
    wait_until(lambda: seen() > 10, process)
    process.send_signal(number)
    time.sleep(0.03)
    ended(process, number)
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 9


@pytest.fixture
def stalled_stream():
    """An MJPEG stream that gives some pictures and then nothing, without closing."""
    jpeg = cv2.imencode(".jpg", np.full((96, 160, 3), 90, np.uint8))[1].tobytes()
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n")
                time.sleep(0.02)
            over.wait(LIMIT_S)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("number", SIGNALS)
def test_while_a_stream_is_waited_for(number, stalled_stream, tmp_path):
    process = started("--video", stalled_stream, "--view", "none", "--save", tmp_path / "x.jsonl", cwd=tmp_path)
    seen = lines_of(tmp_path / "x.jsonl")
    wait_until(lambda: seen() > 5, process)
    time.sleep(1.5)  # past the last picture
    ended(process, number)
    assert all(json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines())
