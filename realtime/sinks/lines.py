"""Text files that grow by whole lines, and how exactly numbers are written in them.

A reader beside the writer stops at the last line's end: a system shows the head of a line alone for a moment.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# 0.01 px, 0.1 mm and a microsecond are finer than anything that is measured
PX_DIGITS, M_DIGITS, SCORE_DIGITS, TIME_DIGITS = 2, 4, 3, 6


class LineFile:
    """Each piece of text is handed to the system at once: a killed run has it. OSError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        self._size = 0  # bytes of whole lines

    def append(self, lines: str) -> None:
        """Whole lines, in one call to the system. Where they do not fit, none of them stays, and the file is closed."""
        data = memoryview(lines.encode())
        try:
            done = 0
            while done < len(data):
                done += self._file.write(data[done:])
        except OSError:
            with suppress(OSError):  # a device cannot be cut
                self._file.truncate(self._size)
            self._file.close()
            raise
        self._size += len(data)

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._file.close()
