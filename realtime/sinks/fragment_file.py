"""MP4 files that a crash leaves readable: how FFmpeg is told to write them, and the file it writes to."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

TIME_BASE = Fraction(1, 1_000_000)
# a fragment per frame; closing makes it an ordinary MP4, which every player takes
CONTAINER_OPTIONS = {
    "movflags": "hybrid_fragmented+frag_every_frame+empty_moov+default_base_moof",
    "flush_packets": "1",
}


class FragmentFile:
    """A file for PyAV to write to. From the first error on it stays as it was at the last `mark`.

    FFmpeg goes on after an error, and would turn a file that it cannot complete into one that nobody can read.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        self._whole = 0  # bytes up to the last whole fragment
        self._at = 0

    def write(self, data: bytes) -> int:
        """Takes everything; `error` says whether it is in the file."""
        rest = memoryview(data)
        try:
            while rest and self.error is None:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
            with suppress(OSError):  # a device cannot be cut
                self._file.truncate(self._whole)
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Where the next bytes go."""
        if self.error is None:
            self._at = self._file.seek(offset, whence)
        return self._at

    def tell(self) -> int:
        """Where the next bytes go."""
        return self._at

    def mark(self) -> None:
        """What is written so far is whole."""
        self._whole = self._at

    def fileno(self) -> int:
        """The system's number of the file."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
