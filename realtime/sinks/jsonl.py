"""Poses as JSON Lines, schema poses/1: a header, then a line per frame, also where nobody is seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy import ndarray

from realtime.frame import Frame
from realtime.result import Header, Person, Result
from realtime.sinks.lines import M_DIGITS, PX_DIGITS, SCORE_DIGITS, TIME_DIGITS, LineFile
from realtime.sinks.records import header_record

SCHEMA = "poses/1"


class JsonLines:
    """One line at a time, each handed to the system at once, so that a killed run leaves whole lines."""

    shows_pictures = False

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._file = LineFile(path)
        self._line(header_record(header, SCHEMA))

    def write(self, frame: Frame, result: Result) -> None:
        """One frame."""
        people = [_person(p) for p in result.people]
        self._line({"frame": frame.index, "time_s": round(frame.time_s, TIME_DIGITS), "people": people})

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _line(self, record: dict[str, object]) -> None:
        self._file.append(json.dumps(record, allow_nan=False) + "\n")


def open_format(path: Path, header: Header) -> JsonLines:
    """A new file with its header written."""
    return JsonLines(path, header)


def _person(person: Person) -> dict[str, object]:
    joints = person.joints
    return {
        "id": person.id,
        "presence": round(joints.presence, SCORE_DIGITS),
        "joints_px": _rounded(joints.px, PX_DIGITS),
        "joints_m": _rounded(person.offsets_m, M_DIGITS),
        "root_m": None if person.root_m is None else _rounded(person.root_m, M_DIGITS),
        "score": _rounded(joints.score, SCORE_DIGITS),
        "box_px": _rounded(np.append(joints.box.center_px, joints.box.side_px), PX_DIGITS),
    }


def _rounded(values: ndarray, digits: int) -> list[object]:
    return np.round(values, digits).tolist()
