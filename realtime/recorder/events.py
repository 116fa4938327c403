"""What happens during a recording: warnings of sources and lanes, in `events.jsonl` and for the display."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TextIO

NAME = "events.jsonl"
SHOWN = 3
# whose warnings belong to a recording
LOGGER = "realtime"


class Events(logging.Handler):
    """Collects warnings while it is entered; each becomes a line of the take's file as soon as there is one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[tuple[float, str]] = []
        self._newest: deque[str] = deque(maxlen=SHOWN)
        self._file: TextIO | None = None
        self._zero_s = 0.0

    @property
    def newest(self) -> tuple[str, ...]:
        """The last that happened."""
        return tuple(self._newest)

    @property
    def count(self) -> int:
        """How much happened."""
        return len(self._lines)

    def begin(self, folder: Path, zero_s: float) -> None:
        """The take is there; its time counts from `zero_s` on the monotonic clock."""
        self._zero_s = zero_s
        self._file = open(folder / NAME, "w", encoding="utf-8")  # noqa: SIM115 - closed on leaving
        for at_s, text in self._lines:
            self._write(at_s, text)

    def emit(self, record: logging.LogRecord) -> None:
        """A warning."""
        at_s, text = time.monotonic(), record.getMessage()
        self._lines.append((at_s, text))
        self._newest.append(text)
        self._write(at_s, text)

    def __enter__(self) -> Events:
        logging.getLogger(LOGGER).addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger(LOGGER).removeHandler(self)
        if self._file is not None:
            with suppress(OSError):  # a full disk is told by the files that matter
                self._file.close()

    def _write(self, at_s: float, text: str) -> None:
        if self._file is None or self._file.closed:
            return
        with suppress(OSError):
            self._file.write(json.dumps({"time_s": round(at_s - self._zero_s, 6), "what": text}) + "\n")
            self._file.flush()
