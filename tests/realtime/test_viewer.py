"""The window's process: it opens, obeys, and cannot hurt the program."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from realtime import viewer as viewer_module
from realtime.viewer import NO_SCREEN, Viewer, default_size, open_viewer, process
from tests.realtime.fake_engine import standing
from tests.realtime.screen import OPEN_S, result_of, screen, status_of, wait_until

__all__ = ["screen"]
PICTURE = np.full((720, 1280, 3), 80, np.uint8)
needs_keys = pytest.mark.skipif(shutil.which("xdotool") is None, reason="xdotool is not installed")


@pytest.fixture
def viewer(screen, monkeypatch):
    """A window that has drawn its first results."""
    monkeypatch.setenv("DISPLAY", screen)
    viewer = open_viewer(title="window under test", size_px=(480, 320))
    assert viewer is not None
    with viewer:
        assert wait_until(lambda: show(viewer) or viewer.drawn >= 2), viewer.failure
        yield viewer


def show(viewer: Viewer) -> None:
    viewer.show(result_of(standing((0, 0, 3))), PICTURE, status_of())


def press(*keys: str) -> None:
    found = subprocess.run(["xdotool", "search", "--name", "window under test"], capture_output=True, check=True)
    window = found.stdout.split()[-1].decode()
    subprocess.run(["xdotool", "windowfocus", window, "key", *keys], check=True, capture_output=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a screen")
@pytest.mark.parametrize("display", ["", ":987"])
def test_without_a_screen_there_is_no_viewer(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert open_viewer() is None
    assert NO_SCREEN == "no screen: running headless"


def test_the_window_is_smaller_where_no_card_draws_it():
    assert default_size() in (viewer_module.SIZE_PX, viewer_module.SIZE_WITHOUT_CARD_PX)
    assert viewer_module.SIZE_PX > viewer_module.SIZE_WITHOUT_CARD_PX


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about X and Wayland")
def test_a_wayland_desktop_without_x_is_told_in_one_line(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    viewer = open_viewer(size_px=(320, 240))
    assert viewer is not None
    with viewer:
        assert wait_until(lambda: viewer.closed)
        failure = viewer.failure or ""
        assert "xwayland or use --view none" in failure
        assert "\n" not in failure


def test_a_stopped_or_killed_window_never_holds_the_program_up(viewer):
    pid = viewer._process.pid
    os.kill(pid, signal.SIGSTOP)
    worst_s = 0.0
    result, status = result_of(standing((0, 0, 3))), status_of()
    for _ in range(200):
        begin = time.thread_time()
        viewer.show(result, PICTURE, status)
        worst_s = max(worst_s, time.thread_time() - begin)
    assert worst_s < 0.05
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: viewer.closed)
    assert viewer.failure is not None
    assert "-9" in viewer.failure
    viewer.show(result, PICTURE, status)


def test_a_stopped_window_is_closed_in_time(viewer):
    os.kill(viewer._process.pid, signal.SIGSTOP)
    begin = time.monotonic()
    viewer.close()
    assert time.monotonic() - begin < process.CLOSE_WAIT_S + 1.0
    assert viewer.closed
    viewer.close()


def test_the_window_closes_when_told(viewer, monkeypatch):
    assert viewer.failure is None
    monkeypatch.setattr(process, "CLOSE_WAIT_S", OPEN_S)
    viewer.close()
    assert viewer.closed
    assert viewer.failure is None
    assert viewer._process.exitcode == 0


@needs_keys
def test_keys_reach_the_program_in_order_and_q_closes_the_window(viewer):
    commands = []

    def came(*wanted):
        show(viewer)
        commands.extend(viewer.commands())
        return commands == list(wanted)

    press("space", "n", "m", "r", "Tab", "t", "Right")
    assert wait_until(lambda: came("pause", "step", "mirror", "record", "next_person", "step"), 10), commands
    press("q")
    assert wait_until(lambda: viewer.closed, 10)
    assert viewer.failure is None


def test_the_window_ends_when_the_program_is_killed(screen, tmp_path):
    code = (
        "from realtime.viewer import open_viewer\nimport sys, time\n"
        "if __name__ == '__main__':\n"
        "    viewer = open_viewer(size_px=(320, 240))\n"
        "    print(viewer._process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    environment = {**os.environ, "DISPLAY": screen, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    program = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment)
    assert program.stdout is not None
    pid = int(program.stdout.readline())
    program.kill()
    program.wait()
    program.stdout.close()
    assert wait_until(lambda: not _runs(pid))


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
