"""`camN.frames.csv`: a row per frame, appended as it comes. Row and picture number i of the video are the same frame.

`time_us` is the frame's moment on the take's clock, strictly increasing, exactly what the video's stamps say from the
first frame on. The other times are kept as they were given, sane or not; an empty cell is a thing that nobody said.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from enum import IntFlag
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from realtime.takes.errors import TakeError

UNKNOWN = int(np.iinfo(np.int64).min)
COLUMNS = (
    "index", "time_us", "driver_ts_us", "host_ts_ns", "sequence", "size_bytes", "flags", "segment", "processed",
)  # fmt: skip


class Flag(IntFlag):
    """What a row says about its frame."""

    KEY = 1  # can be decoded without the frames before
    HOST_TIME = 2  # the moment of arrival, since the driver's own was missing or not sane
    RECOVERED = 4  # the row was lost in a crash and made anew from the video


@dataclass(frozen=True, slots=True)
class Row:
    """One frame. `sequence` is the driver's count where it gives one, `processed`: a live run looked at it."""

    time_us: int
    driver_ts_us: int | None = None  # monotonic clock where sane
    host_ts_ns: int | None = None  # monotonic clock, after the frame was taken from the driver
    sequence: int | None = None
    size_bytes: int | None = None  # of the compressed picture
    flags: Flag = Flag.KEY
    segment: int = 0  # counts how often the camera came back
    processed: bool = False


@dataclass(frozen=True, slots=True)
class FrameTable:
    """All rows of a camera. `UNKNOWN` stands for an empty cell."""

    time_us: Int64[ndarray, "n"]
    driver_ts_us: Int64[ndarray, "n"]
    host_ts_ns: Int64[ndarray, "n"]
    sequence: Int64[ndarray, "n"]
    size_bytes: Int64[ndarray, "n"]
    flags: Int64[ndarray, "n"]
    segment: Int64[ndarray, "n"]
    processed: Int64[ndarray, "n"]

    def __len__(self) -> int:
        return len(self.time_us)

    def rows(self, which: slice | ndarray) -> FrameTable:
        """Some of the rows."""
        return FrameTable(*(getattr(self, f.name)[which] for f in fields(self)))


class TableWriter:
    """Appends rows to a new file, each with one write that a crash leaves whole or cuts at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by close()
        self._count = 0
        self._file.write(f"{','.join(COLUMNS)}\n".encode())

    def append(self, row: Row) -> None:
        """One frame. OSError where the disk is full: then the row is not there."""
        data = row_text(self._count, row).encode()
        at = self._file.tell()
        if self._file.write(data) != len(data):
            self._file.truncate(at)
            raise OSError(28, os.strerror(28), str(self.path))
        self._count += 1

    def sync(self) -> None:
        """On the disk, also after a power cut."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """May be called twice."""
        self._file.close()


def row_text(index: int, row: Row) -> str:
    """A line of the file."""
    cells = (
        index, row.time_us, row.driver_ts_us, row.host_ts_ns, row.sequence, row.size_bytes,
        int(row.flags), row.segment, int(row.processed),
    )  # fmt: skip
    return ",".join("" if cell is None else str(cell) for cell in cells) + "\n"


def table_text(table: FrameTable) -> str:
    """The whole file."""
    columns = [np.arange(len(table)), *(getattr(table, f.name) for f in fields(FrameTable))]
    lines = [",".join("" if cell == UNKNOWN else str(cell) for cell in row) for row in zip(*columns, strict=True)]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def read_table(path: Path) -> tuple[FrameTable, int]:
    """The whole rows from the top, and how many lines after them are cut short or torn.

    TakeError where there is no such file or it is no table of frames.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise TakeError(f"{path} cannot be read ({error.strerror}); is this a whole take?") from error
    if lines[0].decode("ascii", "replace").strip() != ",".join(COLUMNS):
        raise TakeError(f"{path} is no table of frames; its first line should be {','.join(COLUMNS)}")
    rows: list[list[int]] = []
    whole = lines[1:-1]  # what follows the last line's end is no line yet
    for line in whole:
        row = _parsed(line, len(rows), rows[-1][1] if rows else None)
        if row is None:
            break
        rows.append(row)
    array = np.array(rows, np.int64).reshape(-1, len(COLUMNS))
    torn = len(whole) - len(rows) + bool(lines[-1] and len(lines) > 1)
    return FrameTable(*(np.ascontiguousarray(column) for column in array[:, 1:].T)), torn


def _parsed(line: bytes, index: int, last_us: int | None) -> list[int] | None:
    cells = line.rstrip(b"\r").split(b",")
    try:
        row = [UNKNOWN if cell == b"" else int(cell) for cell in cells]
    except ValueError:
        return None
    good = len(row) == len(COLUMNS) and row[0] == index and (last_us is None or row[1] > last_us)
    return row if good else None
