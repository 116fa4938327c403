"""Where results go. A sink is chosen by the file's suffix and written by a thread of its own."""

from __future__ import annotations

import importlib
from pathlib import Path

from realtime.result import Header
from realtime.sinks.sink import Sink, SinkError
from realtime.sinks.worker import Worker

__all__ = ["SUFFIXES", "Sink", "SinkError", "check_writable", "open_sink"]

SUFFIXES = {
    ".jsonl": "realtime.sinks.jsonl",
    ".mp4": "realtime.sinks.mp4",
    ".csv": "realtime.sinks.csv",
    ".npz": "realtime.sinks.npz",
}


def open_sink(path: Path, header: Header, *, live: bool = False) -> Sink:
    """A sink that writes `path`, which is replaced. SinkError where it cannot be written or the suffix is unknown.

    `live`: frames come at their own rate and the caller must not wait; see `Worker` for what that means.
    """
    check_writable(path)
    module = importlib.import_module(SUFFIXES[path.suffix.lower()])
    try:
        opened = module.open_format(path, header)
    except OSError as error:
        raise SinkError(f"--save {path} cannot be written ({error.strerror}); choose another place") from error
    return Worker(opened, live=live)


def check_writable(path: Path) -> None:
    """SinkError where no sink could write `path`: to be asked before a long run, not after it."""
    if path.suffix.lower() not in SUFFIXES:
        raise SinkError(
            f"--save {path}: '{path.suffix}' is not a kind of file that can be saved; known: {' '.join(SUFFIXES)}"
        )
    if path.is_dir():
        raise SinkError(f"--save {path} is a folder; give a file name")
    if not path.parent.is_dir():
        raise SinkError(f"--save {path}: there is no folder {path.parent}; make it first")
    existed = path.exists()
    try:
        with open(path, "ab"):
            pass
    except OSError as error:
        raise SinkError(f"--save {path} cannot be written ({error.strerror}); choose another place") from None
    if not existed:
        path.unlink()
