"""How a recording goes just now, for a display."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.recorder.frame_writer import FrameWriter
from realtime.recorder.health import Look, Rhythm, look_at, phase_ms
from realtime.recorder.lane import Lane, State

DISK_LEAST_BYTES = 64 << 20  # so much is left free, for everybody else
Phase = Literal["getting ready", "recording"]


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One camera."""

    name: str
    state: State
    rhythm: Rhythm
    dropped: int  # in all: by the camera, and for want of a fast disk
    written: int
    phase_ms: float | None  # against the first camera
    look: Look | None
    slow: bool
    segments: int


@dataclass(frozen=True, slots=True)
class Status:
    """All of it."""

    phase: Phase
    elapsed_s: float  # negative: seconds until it begins
    lanes: tuple[LaneStatus, ...]
    bytes_written: int
    disk_left_s: float | None  # how long the disk lasts at this rate
    events: tuple[str, ...]  # the last that happened
    rig: str = ""  # whether the cameras stand where a stored rig has them, in a sentence
    alarm: bool = False  # they do not


class Glimpses:
    """Decodes the newest picture of each camera, small, and not more often than somebody looks."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._due_s: dict[str, float] = {}
        self.images: dict[str, UInt8[ndarray, "h w 3"]] = {}
        self.looks: dict[str, Look] = {}

    def update(self, lane: Lane) -> None:
        """Looks at a camera if it is time."""
        newest = lane.newest
        if newest is None or time.monotonic() < self._due_s.get(lane.name, 0.0):
            return
        self._due_s[lane.name] = time.monotonic() + self._every_s
        image_bgr = glimpse(newest.jpeg())
        if image_bgr is not None:
            self.images[lane.name], self.looks[lane.name] = image_bgr, look_at(image_bgr)


def glimpse(jpeg: bytes | None) -> UInt8[ndarray, "h w 3"] | None:
    """A JPEG at half its size, which is decoded in a third of the time; None where it is damaged."""
    if jpeg is None:
        return None
    try:
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_COLOR_2)
    except cv2.error:
        return None


def lane_status(lane: Lane, writer: FrameWriter | None, look: Look | None, first: Lane) -> LaneStatus:
    """One camera just now."""
    rhythm = lane.health.rhythm()
    return LaneStatus(
        name=lane.name,
        state=lane.state,
        rhythm=rhythm,
        dropped=rhythm.dropped + (writer.dropped if writer else 0),
        written=writer.written if writer else 0,
        phase_ms=None if lane is first else phase_ms(first.health.times_s(), lane.health.times_s()),
        look=look,
        slow=lane.health.is_slow(),
        segments=lane.segment + 1,
    )


def bytes_in(folder: Path) -> int:
    """What the videos and tables of a take take up."""
    return sum(path.stat().st_size for path in folder.glob("cam*"))


def room_bytes(folder: Path) -> int:
    """What may be written before the disk counts as full."""
    return max(shutil.disk_usage(folder).free - DISK_LEAST_BYTES, 0)
