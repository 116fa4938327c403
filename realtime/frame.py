"""One picture and its moment."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import UInt8
from numpy import ndarray


@dataclass(frozen=True, slots=True)
class Frame:
    """A captured or decoded picture. `index` counts captured frames: a gap means that frames were dropped."""

    index: int
    time_s: float  # monotonic clock when live, presentation time of a file
    image_bgr: UInt8[ndarray, "h w 3"]
