"""Poses as NumPy arrays, schema poses-npz/1, for `np.load(path, allow_pickle=False)`.

While a run lasts, the file grows by a piece per second and is a whole zip after each. Closing turns the pieces into one
array per field, in a second file that then takes the first one's place. `read_poses` reads both.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile

import numpy as np
from numpy import ndarray

from engine.skeleton import skeleton_named
from realtime.frame import Frame
from realtime.result import Header, Result
from realtime.sinks.growing_zip import GrowingZip, whole_pieces
from realtime.sinks.records import arrays_of, header_record, record_of, rows_of
from realtime.sinks.sink import SinkError

SCHEMA = "poses-npz/1"
UNFINISHED = "unfinished"  # the name of the first array of a file that was not closed
READER = "realtime.sinks.poses.read_poses"


class Arrays:
    """Holds a second of numbers; the rest lies in the file."""

    shows_pictures = False

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._about = {
            "schema": np.array(SCHEMA),
            "joints": np.array(header.skeleton.names),
            "header": np.array(json.dumps(header_record(header, SCHEMA))),
        }
        self._record = record_of(header.skeleton)
        self._rows: list[ndarray] = []
        self._pieces = 0
        self._zip: GrowingZip | None = GrowingZip(path)
        self._append({UNFINISHED: np.array(f"the run was not ended properly; read this file with {READER}")})
        self._append(self._about)

    def write(self, frame: Frame, result: Result) -> None:
        """One frame."""
        del frame
        self._rows.append(rows_of(result, self._record))

    def flush(self) -> None:
        """Adds a piece to the file. SinkError where the disk refuses; the earlier pieces stay."""
        if not self._rows:
            return
        try:
            self._append({f"rows_{self._pieces:06d}": np.concatenate(self._rows)})
        except OSError as error:
            raise SinkError(
                f"{self.path} cannot be written on ({error.strerror}); {READER} reads what came before"
            ) from error
        self._rows.clear()
        self._pieces += 1

    def close(self) -> None:
        """Turns the pieces into one array per field. SinkError where there is no room; the pieces stay then."""
        if self._zip is None:
            return
        self.flush()
        self._zip.close()
        self._zip = None
        try:
            with open(self.path, "rb") as file:
                _, rows = read_pieces(file)
            _replace(self.path.resolve(), self._about | arrays_of(rows))
        except OSError as error:
            raise SinkError(
                f"{self.path} keeps its unfinished form ({error.strerror}), which {READER} reads; make room"
            ) from error

    def _append(self, arrays: dict[str, ndarray]) -> None:
        assert self._zip is not None
        try:
            self._zip.append({f"{name}.npy": _npy(array) for name, array in arrays.items()})
        except OSError:
            self._zip = None  # which has closed itself
            raise


def open_format(path: Path, header: Header) -> Arrays:
    """A new file that says what it will hold."""
    return Arrays(path, header)


def read_pieces(file: BinaryIO) -> tuple[str, ndarray]:
    """An unfinished file's header as JSON, and all rows, as its skeleton has them. ValueError without a header."""
    header, rows = "", []
    for name, data in whole_pieces(file):
        if name == "header.npy":
            header = str(_array(data))
            rows.append(np.zeros(0, record_of(skeleton_named(tuple(json.loads(header)["joints"])))))
        elif name.startswith("rows_"):
            rows.append(_array(data))
    if not header:
        raise ValueError("it has no header")
    return header, np.concatenate(rows)


def _array(data: bytes) -> ndarray:
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _npy(array: ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _replace(path: Path, arrays: dict[str, ndarray]) -> None:
    """Writes the arrays beside the file, then puts them in its place."""
    beside = path.with_name(f"{path.name}.tmp")
    try:
        with open(beside, "wb") as file:
            with ZipFile(file, "w") as members:
                for name, array in arrays.items():
                    with members.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
