"""Where the program keeps files on this system: what it can make anew, and what is the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROGRAM = "pose-resnet-live"
CACHE_VARIABLE, DATA_VARIABLE = "POSE_CACHE", "POSE_DATA"


def cache_place() -> Path:
    """$POSE_CACHE, else the folder that the system has for what can be made anew."""
    return _place(CACHE_VARIABLE, mac="Caches", xdg="XDG_CACHE_HOME", linux=".cache")


def data_place() -> Path:
    """$POSE_DATA, else the folder that the system has for what is the user's."""
    return _place(DATA_VARIABLE, mac="Application Support", xdg="XDG_DATA_HOME", linux=".local/share")


def _place(variable: str, *, mac: str, xdg: str, linux: str) -> Path:
    if chosen := os.environ.get(variable):
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / PROGRAM
    if sys.platform == "darwin":
        return home / "Library" / mac / PROGRAM
    return Path(os.environ.get(xdg) or home / linux) / PROGRAM
