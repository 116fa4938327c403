"""What the pipeline says about a frame, and what a recording says about all of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from jaxtyping import Float64
from numpy import ndarray

from engine.joints import Joints
from engine.skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a frame."""

    id: int  # stays with the person while they are followed
    joints: Joints
    offsets_m: Float64[ndarray, "joints 3"]  # from the root, camera axes
    root_m: Float64[ndarray, "3"] | None  # camera axes; rests on the assumptions in `Header`


@dataclass(frozen=True, slots=True)
class Result:
    """One frame's people."""

    index: int  # of the frame, see `Frame`
    time_s: float
    people: list[Person]
    stage_ms: dict[str, float]  # none inside another
    engine: str  # which ran
    latency_ms: float | None = None  # from the frame's moment to this result; None for files


@dataclass(frozen=True, slots=True)
class Header:
    """What holds for a whole run."""

    source: str
    engine: str
    weights: str
    weights_sha256: str
    size_px: tuple[int, int]  # of the pictures: width, height
    rate: Fraction | None  # frames per second, None = not known
    assumptions: dict[str, str | float]  # what metres rest on: body height, field of view
    skeleton: Skeleton  # whose joints every person has


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is doing, for the person in front of the window."""

    fps: float
    latency_ms: float | None  # capture to result, None where frames have no moment of capture (files)
    dropped_share: float  # 0 ... 1 of the captured frames
    engine: str
    assumptions: str  # "height 1.70 m, 60 degrees assumed": what metres rest on
    live: bool  # a camera: cannot be paused
    paused: bool = False
    recording: bool = False
    mirror: bool = False
