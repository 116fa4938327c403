"""Person search: a whole frame is looked at through a pyramid of square boxes, and what answers is looked at again."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import Box
from engine.joints import Joints
from realtime.sight import (
    CANDIDATE_PRESENCE,
    CANDIDATE_QUALITY,
    Sight,
    accepted,
    completeness,
    fit,
    fitted_box,
    iou,
    prominence,
    quality,
    same_person,
)

# neighbouring boxes share half of their side, so a person up to half a box tall is whole in one of them
STEP = 0.5
# first looks refined for each person wanted: the best one is sometimes a chair
CANDIDATES_PER_PERSON = 3
REFINE_ROUNDS = 3
# a fitted box this close to the one it came from has settled
SETTLED_IOU = 0.8
# a closer look is taken over unless it is worse than the one before by this factor
WORSE = 0.8
# a look from further back, and how many times as complete it must be to be taken: equal ones keep the closer look
PROBE_WIDER = 1.5
PROBE_BETTER = 1.05
# a person smaller than this has nothing left to see; larger than the frame by half, no joint would be inside
MIN_SIDE_PX = 32.0
MAX_SIDE_OVER_FRAME = 1.5


def pyramid(width: int, height: int) -> list[Box]:
    """The boxes of a whole search: the frame; squares as wide as its shorter side along the longer; half of that.

    The network sees people who fill about 0.35 to 1.0 of a box, so people down to 0.18 of the shorter side are found.
    """
    short, long = min(width, height), max(width, height)
    whole = Box(np.array([(width - 1) / 2, (height - 1) / 2]), float(long))
    boxes = [whole]
    for side in (float(short), short / 2):
        if side < long:
            boxes += _row_by_row(width, height, side)
    return boxes


def clipped(box: Box, width: int, height: int) -> Box:
    """The box with its centre inside the frame and a side that makes sense there."""
    center = np.clip(box.center_px, -0.5, (width - 0.5, height - 0.5))
    return Box(center, float(np.clip(box.side_px, MIN_SIDE_PX, MAX_SIDE_OVER_FRAME * max(width, height))))


class Search:
    """Finds people that nobody has pointed at."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._next = 0  # where a search that is spread over frames goes on

    def __call__(
        self,
        image_bgr: UInt8[ndarray, "h w 3"],
        *,
        wanted: int,
        hints: list[Box] | None = None,
        taken: list[Joints] | None = None,
        budget: int | None = None,
    ) -> list[Joints]:
        """Up to `wanted` different people, most prominent first, none of them in `taken`.

        `hints` are looked at first. With a `budget` only so many of the pyramid's boxes are looked at, and the
        next call goes on with the others; without one the whole pyramid is.
        """
        height, width = image_bgr.shape[:2]
        boxes = [clipped(box, width, height) for box in hints or []] + self._share(pyramid(width, height), budget)
        first = [joints for joints in self._sight.look(image_bgr, boxes) if joints is not None]
        first = [joints for joints in first if _promising(joints)]
        candidates = distinct(first, taken or [], limit=wanted * CANDIDATES_PER_PERSON, key=_settled)
        found = [joints for joints in self._refined(image_bgr, candidates) if accepted(joints)]
        found = self._widened(image_bgr, distinct(found, taken or [], limit=wanted, key=prominence))
        return distinct(found, taken or [], limit=wanted, key=prominence)

    def _share(self, boxes: list[Box], budget: int | None) -> list[Box]:
        if budget is None or budget >= len(boxes):
            return boxes
        start = self._next % len(boxes)
        self._next = start + budget
        return (boxes + boxes)[start : start + budget]

    def _refined(self, image_bgr: UInt8[ndarray, "h w 3"], people: list[Joints]) -> list[Joints]:
        """Pose -> box around it -> pose again, until the box settles or a look is worse than the one before."""
        height, width = image_bgr.shape[:2]
        settled: list[Joints] = []
        moving = people
        for _ in range(REFINE_ROUNDS):
            boxes = [clipped(fitted_box(joints), width, height) for joints in moving]
            still = [iou(box, joints.box) < SETTLED_IOU for box, joints in zip(boxes, moving, strict=True)]
            settled += [joints for joints, moves in zip(moving, still, strict=True) if not moves]
            before = [joints for joints, moves in zip(moving, still, strict=True) if moves]
            after = self._sight.look(image_bgr, [box for box, moves in zip(boxes, still, strict=True) if moves])
            moving = []
            for old, new in zip(before, after, strict=True):
                if new is None or _settled(new) < WORSE * _settled(old):
                    settled.append(old)
                else:
                    moving.append(new)
        return settled + moving

    def _widened(self, image_bgr: UInt8[ndarray, "h w 3"], people: list[Joints]) -> list[Joints]:
        """A look from further back at each: a foot outside the box is not seen, so the pose alone never finds it."""
        height, width = image_bgr.shape[:2]
        wide = self._sight.look(image_bgr, [wider(joints.box, width, height) for joints in people])
        return self._refined(image_bgr, [fuller(close, far) for close, far in zip(people, wide, strict=True)])


def wider(box: Box, width: int, height: int) -> Box:
    """The box from further back."""
    return clipped(Box(box.center_px, box.side_px * PROBE_WIDER), width, height)


def fuller(close: Joints, wide: Joints | None) -> Joints:
    """The look that shows more of the person; the close one where both do."""
    return wide if wide is not None and completeness(wide) > PROBE_BETTER * completeness(close) else close


def distinct(
    people: list[Joints], taken: list[Joints], *, limit: int, key: Callable[[Joints], float] = quality
) -> list[Joints]:
    """The best of some poses by a key, one for each person and none for those in `taken`."""
    chosen: list[Joints] = []
    for joints in sorted(people, key=key, reverse=True):
        if len(chosen) == limit:
            break
        if not any(same_person(joints, other) for other in taken + chosen):
            chosen.append(joints)
    return chosen


def _settled(joints: Joints) -> float:
    return completeness(joints) * fit(joints)


def _promising(joints: Joints) -> bool:
    return joints.presence >= CANDIDATE_PRESENCE and quality(joints) >= CANDIDATE_QUALITY


def _row_by_row(width: int, height: int, side: float) -> list[Box]:
    return [Box(np.array([x, y]), side) for y in _centers(height, side) for x in _centers(width, side)]


def _centers(extent: int, side: float) -> Float64[ndarray, "n"]:
    """Centres of boxes of one side that cover 0 ... extent evenly."""
    count = math.ceil(max(extent - side, 0) / (side * STEP)) + 1
    return np.linspace(side / 2, extent - side / 2, count) - 0.5
