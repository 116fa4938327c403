"""One picture and its moment, decoded or still as the camera sent it; and word that none can come for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import UInt8
from numpy import ndarray


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a live frame came, for those who record it: moments as they were given, on the monotonic clock."""

    host_s: float  # taken from the driver or connection
    driver_s: float | None = None  # the driver's own stamp, sane or not
    by_driver: bool = False  # it is the frame's `time_s`
    jpeg: UInt8[ndarray, "..."] | None = None  # the picture's bytes, where the camera sent a JPEG


@dataclass(frozen=True, slots=True)
class Frame:
    """A captured or decoded picture. `index` counts captured frames: a gap means that frames were dropped."""

    index: int
    time_s: float  # monotonic clock when live, presentation time of a file
    image_bgr: UInt8[ndarray, "h w 3"]
    arrival: Arrival | None = None


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A frame whose picture is made only when somebody takes it: one that a newer frame replaces costs nothing."""

    index: int
    time_s: float
    decode: Callable[[], UInt8[ndarray, "h w 3"] | None]  # None where the data are damaged
    arrival: Arrival | None = None

    def decoded(self) -> Frame | None:
        """The frame, in the caller's thread; None where it is damaged."""
        image_bgr = self.decode()
        return None if image_bgr is None else Frame(self.index, self.time_s, image_bgr, self.arrival)


@dataclass(frozen=True, slots=True)
class Absence:
    """The source is gone and tries to come back: within `for_s` it gives a frame, its end, or another absence."""

    for_s: float


# what a source gives
Captured: TypeAlias = Frame | Undecoded | Absence
