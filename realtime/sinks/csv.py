"""Poses as a table for spreadsheets, schema poses-csv/1: a line of names with units, then a row per person and frame.

A frame in which nobody is seen has one row whose person's fields are empty, so that it differs from a dropped frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.skeleton import Skeleton
from realtime.frame import Frame
from realtime.result import Header, Person, Result
from realtime.sinks.lines import M_DIGITS, PX_DIGITS, SCORE_DIGITS, TIME_DIGITS, LineFile

# a column and not a comment, which spreadsheets and pandas would take for data
SCHEMA = "poses-csv/1"
OF_A_JOINT = ("x_px", "y_px", "x_m", "y_m", "z_m", "score")
OF_A_PERSON = ("frame", "time_s", "id", "presence", "root_x_m", "root_y_m", "root_z_m")
_JOINT_FORMAT = ",".join(f"%.{digits}f" for digits in (PX_DIGITS,) * 2 + (M_DIGITS,) * 3 + (SCORE_DIGITS,))


def columns_of(skeleton: Skeleton) -> tuple[str, ...]:
    """The names in a table's first line."""
    return *OF_A_PERSON, *(f"{joint}_{what}" for joint in skeleton.names for what in OF_A_JOINT), "schema"


class Table:
    """The rows of a frame are handed to the system at once, so that a killed run leaves whole frames."""

    shows_pictures = False

    def __init__(self, path: Path, skeleton: Skeleton) -> None:
        self.path = path
        self._file = LineFile(path)
        columns = columns_of(skeleton)
        self._nobody = "," * (len(columns) - 4)  # frame, time_s and schema have their values
        self._file.append(",".join(columns) + "\n")

    def write(self, frame: Frame, result: Result) -> None:
        """One frame."""
        moment = f"{frame.index},{round(frame.time_s, TIME_DIGITS)}"
        people = [_person(p) for p in result.people] or [self._nobody]
        self._file.append("".join(f"{moment},{fields},{SCHEMA}\n" for fields in people))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def open_format(path: Path, header: Header) -> Table:
    """A new table with its names written. It has no place for the header: save a .jsonl beside it for that."""
    return Table(path, header.skeleton)


def _person(person: Person) -> str:
    joints, root_m = person.joints, person.root_m
    root = ",," if root_m is None else ",".join(f"{v:.{M_DIGITS}f}" for v in root_m)
    numbers = np.column_stack([joints.px, person.offsets_m, joints.score])
    fields = ",".join(_JOINT_FORMAT % tuple(row) for row in numbers.tolist())
    return f"{person.id},{joints.presence:.{SCORE_DIGITS}f},{root},{fields}"
