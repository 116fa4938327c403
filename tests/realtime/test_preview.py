"""The plain window: pictures out, keys back, and a program that goes on whatever happens to it."""

import ctypes
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from realtime.preview import PICTURE_SIZE, Preview
from tests.realtime.screen import OPEN_S, screen, wait_until

__all__ = ["screen"]
PICTURE = np.full((480, 640, 3), 90, np.uint8)
TITLE = "a preview"


@pytest.fixture
def preview(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with Preview(TITLE) as opened:
        yield opened


def shows(preview, image=PICTURE):
    before = preview.shown

    def shown():
        preview.show(image)
        return preview.shown > before

    return wait_until(lambda: shown() or preview.failure, 2 * OPEN_S) and preview.failure is None


class X:
    """What a person does to a window, through Xlib."""

    def __init__(self) -> None:
        x = self.x = ctypes.CDLL("libX11.so.6")
        x.XOpenDisplay.restype = ctypes.c_void_p
        x.XInternAtom.restype = x.XDefaultRootWindow.restype = ctypes.c_ulong
        self.display = ctypes.c_void_p(x.XOpenDisplay(None))

    def window(self) -> int | None:
        root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        children = ctypes.POINTER(ctypes.c_ulong)()
        top = ctypes.c_ulong(self.x.XDefaultRootWindow(self.display))
        found = [ctypes.byref(v) for v in (root, parent, children, count)]
        self.x.XQueryTree(self.display, top, *found)
        for window in children[: count.value]:
            name = ctypes.c_char_p()
            self.x.XFetchName(self.display, ctypes.c_ulong(window), ctypes.byref(name))
            if name.value == TITLE.encode():
                return window
        return None

    def close(self, window: int) -> None:
        """As a window manager asks a window to close."""
        event = (ctypes.c_long * 24)()
        event[0], event[2], event[4] = 33, 1, window
        event[5] = self.x.XInternAtom(self.display, b"WM_PROTOCOLS", 0)
        event[6], event[7] = 32, self.x.XInternAtom(self.display, b"WM_DELETE_WINDOW", 0)
        self.x.XSendEvent(self.display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
        self.x.XSync(self.display, 0)


def test_pictures_of_any_size_are_shown_without_waiting(preview):
    for shape in ((480, 640, 3), (2160, 3840, 3), (1, 1, 3)):
        assert shows(preview, np.zeros(shape, np.uint8))
    start_s = time.monotonic()
    for _ in range(50):
        preview.show(PICTURE)
    assert time.monotonic() - start_s < 1.0
    assert not preview.closed
    assert preview.failure is None


def test_a_window_that_is_closed_by_hand_is_closed_and_no_failure(preview):
    assert shows(preview)
    x = X()
    window = wait_until(x.window) and x.window()
    assert window
    x.close(window)
    assert wait_until(lambda: preview.closed, 10)
    assert preview.failure is None
    preview.show(PICTURE)


def test_a_window_whose_process_dies_says_so_and_harms_nobody(preview):
    assert shows(preview)
    preview.send(signal.SIGKILL)
    assert wait_until(lambda: preview.closed, 10)
    assert "status -9" in preview.failure
    preview.show(PICTURE)
    preview.close()
    preview.close()


def test_a_stalled_window_does_not_stop_the_program(preview):
    assert shows(preview)
    preview.send(signal.SIGSTOP)
    start_s = time.monotonic()
    for _ in range(100):
        preview.show(PICTURE)
    assert time.monotonic() - start_s < 1.0
    preview.close()
    assert preview.closed


def test_without_a_screen_it_says_why(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with Preview(TITLE) as preview:
        assert wait_until(lambda: preview.closed)
        assert "no X display answers" in preview.failure


def test_the_window_s_process_ends_with_the_program(screen):
    code = (
        "import numpy, os, time; from realtime.preview import Preview\n"
        "if __name__ == '__main__':\n"
        f"    p = Preview({TITLE!r})\n"
        "    while not p.shown: p.show(numpy.zeros((9, 9, 3), numpy.uint8)); time.sleep(0.02)\n"
        "    print(p._process.pid, flush=True); os._exit(0)\n"
    )
    environment = {**os.environ, "DISPLAY": screen}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    number = int(done.stdout)
    assert wait_until(lambda: not os.path.exists(f"/proc/{number}"), 10)


def test_keys_come_in_order_and_old_ones_are_lost(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with Preview(TITLE) as preview:
        memory = preview._at
        for count, key in enumerate(b"\x1b Qa"):
            memory["ring"][0, count] = key
            memory["keys"] = count + 1
        assert preview.keys() == ["esc", "space", "q", "a"]
        assert preview.keys() == []
        memory["keys"] = 4 + 100
        assert len(preview.keys()) == 16


def test_the_largest_picture_fits_the_memory():
    assert PICTURE_SIZE[0] >= 960
    assert PICTURE_SIZE[1] >= 900  # a picture of 4:3, 960 px wide, between two lines of text
