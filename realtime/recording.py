"""Recording while watching: a key starts and ends a video and its poses, named by the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from realtime.frame import Frame
from realtime.result import Header, Result
from realtime.sinks import Sink, open_sink

FOLDER = Path("recordings")
SUFFIXES = (".mp4", ".jsonl")


class Recording:
    """Nothing until it is toggled; then every frame goes into new files, until it is toggled again."""

    def __init__(
        self, header: Header, *, live: bool, folder: Path = FOLDER, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self._header, self._live, self._folder, self._now = header, live, folder, now
        self._sinks: list[Sink] = []
        self.written: list[Path] = []  # all files so far

    @property
    def on(self) -> bool:
        """Whether it records."""
        return bool(self._sinks)

    def toggle(self) -> None:
        """Starts or ends. SinkError where it cannot be written."""
        if self.on:
            self.close()
            return
        self._folder.mkdir(exist_ok=True)
        name = f"{self._now():%Y-%m-%d_%H-%M-%S}"
        for suffix in SUFFIXES:
            self._sinks.append(open_sink(self._folder / f"{name}{suffix}", self._header, live=self._live))
        self.written += [sink.path for sink in self._sinks]

    def write(self, frame: Frame, result: Result) -> None:
        """One frame, if it records."""
        for sink in self._sinks:
            sink.write(frame, result)

    def close(self) -> None:
        """Completes the files; may be called twice."""
        while self._sinks:
            self._sinks.pop().close()
