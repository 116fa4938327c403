"""Recording while watching: a key starts and ends a video and its poses, named by the time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from realtime.frame import Frame
from realtime.result import Header, Result
from realtime.sinks import Sink, SinkError, open_sink

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
        self.notes: list[str] = []  # what is not in them

    @property
    def on(self) -> bool:
        """Whether it records."""
        return bool(self._sinks)

    def toggle(self) -> None:
        """Starts or ends. SinkError where it cannot be written."""
        if self.on:
            self.close()
            return
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SinkError(f"no folder {self._folder} can be made ({error.strerror}); record elsewhere") from error
        name = f"{self._now():%Y-%m-%d_%H-%M-%S}"
        try:
            for suffix in SUFFIXES:
                self._sinks.append(open_sink(self._folder / f"{name}{suffix}", self._header, live=self._live))
        except BaseException:
            self.close()
            raise
        self.written += [sink.path for sink in self._sinks]

    def write(self, frame: Frame, result: Result) -> None:
        """One frame, if it records."""
        for sink in self._sinks:
            sink.write(frame, result)

    def close(self) -> None:
        """Completes the files, all of them also where one cannot be; may be called twice."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
            ended, self._sinks = self._sinks, []
        self.notes += [note for sink in ended for note in sink.notes]
