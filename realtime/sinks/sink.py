"""What a sink is, and what one kind of file must be able to do for it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from engine.errors import UserError
from realtime.frame import Frame
from realtime.result import Result


class SinkError(UserError):
    """Something that cannot be written, and what to do."""


@runtime_checkable
class Sink(Protocol):
    """Takes every frame and its result, in order. `close` completes the file and may be called twice."""

    path: Path
    dropped: int  # frames that were left out because writing was slower than a camera

    @property
    def notes(self) -> list[str]:
        """What the person who runs it should know at the end, a line each; empty where all went well."""
        ...

    def write(self, frame: Frame, result: Result) -> None:
        """Hands over one frame. SinkError where this frame or an earlier one cannot be written."""
        ...

    def close(self) -> None:
        """Completes the file. SinkError where that fails, or where an error was not told yet."""
        ...


@runtime_checkable
class Format(Protocol):
    """One kind of file, written by one thread. OSError or SinkError where the disk refuses; then it is only closed."""

    path: Path
    shows_pictures: bool  # whether `write` looks at the frame's picture

    def write(self, frame: Frame, result: Result) -> None:
        """One frame, in order."""
        ...

    def flush(self) -> None:
        """Hands to the system what is still held back, so that a killed run leaves it. Called about once a second."""
        ...

    def close(self) -> None:
        """Completes the file; after an error, leaves it readable up to the last whole frame."""
        ...
