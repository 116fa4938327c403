"""What the program and its window's process share: the newest result, one picture, and the keys that were pressed.

Nobody waits for the other. The result: newest wins; its writer makes `sequence` odd, writes, and makes it even, and a
reader that sees it odd, or changed under its hands, reads again. The picture: the program writes one only after the
window took the last. Keys: a ring that the window writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import Any, Literal, get_args

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from engine.skeleton import SKELETONS
from realtime.result import Result, Status
from realtime.stage import joints_in_space

Command = Literal["pause", "step", "mirror", "record", "next_person"]
COMMANDS: tuple[Command, ...] = get_args(Command)

PEOPLE_MAX = 4
JOINTS_MAX = max(len(skeleton) for skeleton in SKELETONS.values())
PICTURE_SIZE = (640, 480)  # the largest picture, width and height; larger ones are shrunk by a whole number
READ_TRIES = 5
RING = 64  # keys between two looks of the program; older ones are lost

_STATUS = np.dtype(
    [
        ("known", np.uint8),
        ("fps", np.float32),
        ("latency_ms", np.float32),  # nan = None
        ("dropped_share", np.float32),
        ("engine", "S96"),
        ("assumptions", "S160"),
        ("flags", np.uint8, 4),  # of _FLAGS
    ],
    align=True,
)
_FLAGS = ("live", "paused", "recording", "mirror")
_RESULT = np.dtype(
    [
        ("people", np.int32),
        ("id", np.int64, PEOPLE_MAX),
        ("distance_known", np.uint8, PEOPLE_MAX),
        ("joints", np.int32),  # of each of them; JOINTS_MAX where nobody is seen
        ("joints_m", np.float32, (PEOPLE_MAX, JOINTS_MAX, 3)),
        ("score", np.float32, (PEOPLE_MAX, JOINTS_MAX)),
        ("status", _STATUS),
    ],
    align=True,
)
_PICTURE = np.dtype(
    [
        ("size", np.int32, 2),
        ("people", np.int32),
        ("joints", np.int32),
        ("px", np.float32, (PEOPLE_MAX, JOINTS_MAX, 2)),
        ("score", np.float32, (PEOPLE_MAX, JOINTS_MAX)),
        ("box_side_px", np.float32, PEOPLE_MAX),
        ("bgr", np.uint8, PICTURE_SIZE[0] * PICTURE_SIZE[1] * 3),
    ],
    align=True,
)
_LAYOUT = np.dtype(
    [
        ("sequence", np.uint64),
        ("result", _RESULT),
        ("pictures_written", np.uint64),
        ("pictures_taken", np.uint64),
        ("picture", _PICTURE),
        ("stop", np.uint8),
        ("drawn", np.uint64),
        ("commands", np.uint64),
        ("ring", np.uint8, RING),
        ("failure", "S400"),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class View:
    """A result as the window needs it."""

    ids: list[int]
    joints_m: Float32[ndarray, "people joints 3"]  # camera axes
    score: Float32[ndarray, "people joints"]
    distance_known: list[bool]
    status: Status | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame, shrunk, and who was seen in it."""

    image_bgr: UInt8[ndarray, "h w 3"]
    px: Float32[ndarray, "people joints 2"]  # of this picture
    score: Float32[ndarray, "people joints"]
    box_side_px: Float32[ndarray, "people"]


class ViewSlot:
    """Memory for one result, one picture and some keys. Hand `memory` to the other process, make a second slot there.

    The memory has no name in the system: it is gone with the last process that holds it, however that ends.
    """

    def __init__(self, memory: Any = None) -> None:
        self.memory = RawArray("B", _LAYOUT.itemsize) if memory is None else memory
        # a scalar record: its fields are the memory itself
        self._at = np.frombuffer(self.memory, dtype=_LAYOUT, count=1)
        self._read_sequence = 0
        self._commands_read = int(self._at["commands"][0])

    # --- the program's side

    def write(self, result: Result, status: Status | None) -> None:
        """Replaces the result that lies here; people past `PEOPLE_MAX` are left out."""
        record = _record_of(result, status)
        self._at["sequence"] += 1
        self._at["result"] = record
        self._at["sequence"] += 1

    def write_picture(self, result: Result, image_bgr: UInt8[ndarray, "h w 3"]) -> bool:
        """Leaves a frame's picture here, or does nothing (False) where the window has not taken the last one."""
        if self._at["pictures_written"][0] != self._at["pictures_taken"][0]:
            return False
        at = self._at["picture"]
        factor = _shrink_into(at["bgr"][0], image_bgr, at["size"][0])
        people = result.people[:PEOPLE_MAX]
        at["people"], at["joints"] = len(people), JOINTS_MAX
        for k, person in enumerate(people):
            joints = at["joints"] = len(person.joints.px)
            at["px"][0, k, :joints] = (person.joints.px + 0.5) / factor - 0.5
            at["score"][0, k, :joints] = person.joints.score
            at["box_side_px"][0, k] = person.joints.box.side_px / factor
        self._at["pictures_written"] += 1
        return True

    def commands(self) -> list[Command]:
        """What was pressed since the last call, in order."""
        count = int(self._at["commands"][0])
        first = max(self._commands_read, count - RING)
        self._commands_read = count
        return [COMMANDS[self._at["ring"][0, n % RING]] for n in range(first, count)]

    # --- the window's side

    def read(self) -> View | None:
        """The result, or None where nothing came since the last read (or the writer is always in the middle)."""
        for _ in range(READ_TRIES):
            before = int(self._at["sequence"][0])
            if before == self._read_sequence:
                return None
            if before % 2:
                continue
            record = self._at["result"].copy()
            if int(self._at["sequence"][0]) == before:
                self._read_sequence = before
                return _view_of(record)
        return None

    def read_picture(self) -> Picture | None:
        """The picture, once; then there is room for the next."""
        if self._at["pictures_written"][0] == self._at["pictures_taken"][0]:
            return None
        at = self._at["picture"]
        width, height = (int(n) for n in at["size"][0])
        count, joints = int(at["people"][0]), int(at["joints"][0])
        picture = Picture(
            at["bgr"][0, : width * height * 3].reshape(height, width, 3).copy(),
            at["px"][0, :count, :joints].copy(),
            at["score"][0, :count, :joints].copy(),
            at["box_side_px"][0, :count].copy(),
        )
        self._at["pictures_taken"][0] = self._at["pictures_written"][0]
        return picture

    def command(self, command: Command) -> None:
        """A key was pressed that is the program's to obey."""
        count = int(self._at["commands"][0])
        self._at["ring"][0, count % RING] = COMMANDS.index(command)
        self._at["commands"] = count + 1

    def count_drawn(self) -> None:
        """One more result is on the screen."""
        self._at["drawn"] += 1

    # --- both sides

    @property
    def stop(self) -> bool:
        """Whether the window is asked to close."""
        return bool(self._at["stop"][0])

    @stop.setter
    def stop(self, value: bool) -> None:
        self._at["stop"] = value

    @property
    def drawn(self) -> int:
        """How many results the window has drawn."""
        return int(self._at["drawn"][0])

    @property
    def failure(self) -> str | None:
        """Why the window could not go on, one line."""
        return _text(self._at["failure"][0]) or None

    @failure.setter
    def failure(self, text: str) -> None:
        self._at["failure"] = " ".join(text.split()).encode()[: _LAYOUT["failure"].itemsize]


def _record_of(result: Result, status: Status | None) -> ndarray:
    record = np.zeros(1, _RESULT)
    people = result.people[:PEOPLE_MAX]
    record["people"], record["joints"] = len(people), JOINTS_MAX
    for k, person in enumerate(people):
        record["id"][0, k] = person.id
        record["distance_known"][0, k] = person.root_m is not None
        joints = record["joints"] = len(person.offsets_m)
        record["joints_m"][0, k, :joints] = joints_in_space(person)
        record["score"][0, k, :joints] = person.joints.score
    if status is not None:
        at = record["status"]
        at["known"] = True
        at["fps"], at["dropped_share"] = status.fps, status.dropped_share
        at["latency_ms"] = np.nan if status.latency_ms is None else status.latency_ms
        at["engine"], at["assumptions"] = _bytes(at, "engine", status), _bytes(at, "assumptions", status)
        at["flags"][0] = [getattr(status, name) for name in _FLAGS]
    return record


def _view_of(record: ndarray) -> View:
    at, count, joints = record[0], int(record["people"][0]), int(record["joints"][0])
    return View(
        [int(id) for id in at["id"][:count]],
        at["joints_m"][:count, :joints],
        at["score"][:count, :joints],
        [bool(known) for known in at["distance_known"][:count]],
        _status_of(at["status"]) if at["status"]["known"] else None,
    )


def _status_of(at: np.void) -> Status:
    latency_ms = float(at["latency_ms"])
    return Status(
        fps=float(at["fps"]),
        latency_ms=None if np.isnan(latency_ms) else latency_ms,
        dropped_share=float(at["dropped_share"]),
        engine=_text(at["engine"]),
        assumptions=_text(at["assumptions"]),
        **{name: bool(flag) for name, flag in zip(_FLAGS, at["flags"], strict=True)},
    )


def _bytes(at: ndarray, name: str, status: Status) -> bytes:
    return getattr(status, name).encode()[: at.dtype[name].itemsize]


def _text(raw: bytes) -> str:
    return bytes(raw).decode(errors="ignore")  # a letter that was cut in two is left out


def _shrink_into(memory: UInt8[ndarray, "n"], image_bgr: UInt8[ndarray, "h w 3"], size: ndarray) -> int:
    """Writes the picture, shrunk by the whole number that is given back: OpenCV averages whole blocks fast."""
    height, width = image_bgr.shape[:2]
    factor = max(-(-width // PICTURE_SIZE[0]), -(-height // PICTURE_SIZE[1]), 1)
    small_width, small_height = max(width // factor, 1), max(height // factor, 1)
    size[:] = small_width, small_height
    small = memory[: small_width * small_height * 3].reshape(small_height, small_width, 3)
    whole = image_bgr[: small_height * factor, : small_width * factor]
    if factor == 1:
        small[:] = whole
    else:
        cv2.resize(whole, (small_width, small_height), dst=small, interpolation=cv2.INTER_AREA)
    return factor
