"""Where results go. A sink is chosen by the file's suffix."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, runtime_checkable

from engine.errors import UserError
from realtime.frame import Frame
from realtime.result import Header, Result

SUFFIXES = {".jsonl": "realtime.sinks.jsonl", ".mp4": "realtime.sinks.mp4"}


class SinkError(UserError):
    """Something that cannot be written, and what to do."""


@runtime_checkable
class Sink(Protocol):
    """Takes every frame and its result, in order. `close` completes the file and may be called twice."""

    path: Path

    def write(self, frame: Frame, result: Result) -> None:
        """SinkError where the disk refuses."""
        ...

    def close(self) -> None:
        """Completes the file."""
        ...


def open_sink(path: Path, header: Header) -> Sink:
    """A sink that writes `path`, which is replaced. SinkError where it cannot be written or the suffix is unknown."""
    check_writable(path)
    return importlib.import_module(SUFFIXES[path.suffix.lower()]).open_sink(path, header)


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
