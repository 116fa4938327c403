"""Who writes a take: one process at a time, and nobody repairs a take that is still being recorded."""

from __future__ import annotations

import sys
from pathlib import Path

from realtime.takes.errors import TakeError


class Lock:
    """Held from construction until it is closed, or the process ends, however it ends.

    Where the system has no such locks (Windows) a file that is open cannot be replaced, which protects it as well.
    """

    NAME = ".lock"

    def __init__(self, folder: Path) -> None:
        self._path = folder / self.NAME
        self._file = open(self._path, "ab")  # noqa: SIM115 - closed by close()
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise TakeError(f"{folder} is being recorded just now; end that first") from None

    def close(self) -> None:
        """Lets go; may be called twice."""
        if self._file.closed:
            return
        if sys.platform == "win32":  # a file that is open stays
            self._file.close()
            self._path.unlink(missing_ok=True)
            return
        self._path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
