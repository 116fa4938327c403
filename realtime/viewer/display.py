"""Whether there is a screen, asked before Open3D is: without one it would draw unseen."""

from __future__ import annotations

import ctypes
import os
import sys


def has_screen() -> bool:
    """Whether a window may be opened. On Linux the display must answer."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("WAYLAND_DISPLAY")) or _x_answers()


def obstacle() -> str | None:
    """Why Open3D could not show a window on this screen, and what to do, in one line."""
    if not sys.platform.startswith("linux") or _x_answers():
        return None
    if os.environ.get("WAYLAND_DISPLAY"):
        return "it needs an X display, which this Wayland desktop does not offer; install xwayland or use --view none"
    return "no X display answers; use --view none"


def _x_answers() -> bool:
    if not os.environ.get("DISPLAY"):
        return False
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False  # the window needs the same library
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if display:
        x11.XCloseDisplay(ctypes.c_void_p(display))
    return bool(display)
