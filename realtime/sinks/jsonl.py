"""Poses as JSON Lines, schema poses/1: a header, then a line per frame, also where nobody is seen."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy import ndarray

from engine.skeleton import JOINT_NAMES
from realtime.frame import Frame
from realtime.result import Header, Person, Result
from realtime.sinks import SinkError

SCHEMA = "poses/1"
UNITS = {"joints_px": "px", "joints_m": "m", "root_m": "m", "box_px": "px", "time_s": "s"}
PX_DIGITS, M_DIGITS, SCORE_DIGITS = 2, 4, 3


class JsonLines:
    """One line at a time, each handed to the system at once, so that a killed run leaves whole lines."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._file = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by close()
        self._line(
            {
                "schema": SCHEMA,
                "skeleton": "mpii16",
                "joints": list(JOINT_NAMES),
                "units": UNITS,
                "axes": "opencv-camera",
                "source": header.source,
                "size_px": list(header.size_px),
                "rate": None if header.rate is None else str(header.rate),
                "engine": header.engine,
                "weights": header.weights,
                "weights_sha256": header.weights_sha256,
                "assumptions": header.assumptions,
            }
        )

    def write(self, frame: Frame, result: Result) -> None:
        """One frame."""
        people = [_person(p) for p in result.people]
        self._line({"frame": frame.index, "time_s": round(frame.time_s, 6), "people": people})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _line(self, record: dict[str, object]) -> None:
        try:
            self._file.write(json.dumps(record, allow_nan=False) + "\n")
        except OSError as error:
            with suppress(OSError):  # closing writes what is left, which fails as well
                self._file.close()
            raise SinkError(
                f"{self.path} cannot be written on ({error.strerror}); what came before is in it"
            ) from error


def open_sink(path: Path, header: Header) -> JsonLines:
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
