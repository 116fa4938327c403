"""One look of the network at some boxes of a frame, and how far to believe what it says.

Every threshold that decides between "a person" and "nobody" lives here, in one table. All of them are about the joints
of CORE, whatever else the network sees: heels, ears and hands neither make a person nor move the box around one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray

from engine.backends import Engine, EngineError, Ticket
from engine.crop import BOX_MARGIN, Box, box_around
from engine.joints import EngineOutput, Joints, read_joints
from engine.skeleton import CORE, LIMB_JOINTS, MPII16, PELVIS, THORAX

# --- a person or nobody: chosen with the bundled weights on videos and photos, with and without people ---
# presence and quality of a first look that are worth a second one; low, because a first box fits badly
CANDIDATE_PRESENCE = 0.3
CANDIDATE_QUALITY = 0.08
# what a settled box must reach before somebody is said to be there
ACCEPT_PRESENCE = 0.6
ACCEPT_QUALITY = 0.2
# below these a track looks away; lower than the ones above, so that a track does not flicker
LOSE_PRESENCE = 0.3
LOSE_QUALITY = 0.1
# a joint at or above this score places the next box in full; low, since a box forgives 0.1 of its side, five
# times the distance that scores are about
JOINT_SCORE = 0.15
# fewer sure joints than this say nothing about where the person is
SURE_JOINTS_MIN = 5
# a person at a desk shows about eight of the twelve limb joints: the others must not count against them
LIMBS_COUNTED = 8
# tight box of the joints over the box's side: 0.8 where the box fits, 0.3 in the loosest first box
EXTENT_MIN = 0.2
# a fitted box over the box it came from, from which on the look was close enough
FIT_FULL = 0.75
# pelvis to thorax in space over the box's side: 0.23 for a person standing in a box that fits
TORSO_MIN = 0.05
# median distance of the sure joints over the smaller side: the same person seen twice is below 0.05, also where
# an arm or both sides were taken otherwise; two people shoulder to shoulder are at 0.24
SAME_DISTANCE = 0.12
SAME_IOU = 0.6

MAX_BOXES_PER_CALL = 8  # bounds the memory of one engine call
FAILURES_ALLOWED = 3  # a card that was reset answers again after one or two; more is no accident

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looking:
    """Boxes that the engine is busy with."""

    sight: Sight
    parts: list[tuple[list[Box], Ticket | None]]

    def read(self) -> list[Joints | None]:
        """Waits for the numbers; a row per box."""
        return [joints for boxes, ticket in self.parts for joints in self.sight.read(ticket, boxes)]


class Sight:
    """Shows boxes to the engine. Rows that are not finite count as nobody and are counted in `broken_outputs`.

    An engine that fails counts as nobody as well, and the run goes on; one that fails `FAILURES_ALLOWED` times in a row
    ends it with an EngineError.
    """

    def __init__(self, engine: Engine, K: Float64[ndarray, "3 3"]) -> None:
        self.engine = engine
        self.K = K
        self.broken_outputs = 0
        self.failures = 0
        self.engine_s = 0.0  # time spent in the engine, or waiting for it, since the last reset by the owner
        self._failed_in_a_row = 0

    def look(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box]) -> list[Joints | None]:
        """What the network sees in each box; None where its numbers are not finite."""
        return self.begin(image_bgr, boxes).read()

    def begin(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box]) -> Looking:
        """The same, handed in: the engine computes while the caller does something else."""
        parts = [boxes[i : i + MAX_BOXES_PER_CALL] for i in range(0, len(boxes), MAX_BOXES_PER_CALL)]
        return Looking(self, [(part, self._submitted(image_bgr, part)) for part in parts])

    def read(self, ticket: Ticket | None, boxes: list[Box]) -> list[Joints | None]:
        """The joints in some boxes that were submitted; for `Looking`."""
        output = None if ticket is None else self._guarded(ticket.result)
        if output is None:
            return [None] * len(boxes)
        self._failed_in_a_row = 0
        return self._read(output, boxes)

    def _submitted(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box]) -> Ticket | None:
        return self._guarded(lambda: self.engine.submit(image_bgr, boxes, self.K))

    def _guarded(self, work: Callable[[], T]) -> T | None:
        """None where the engine failed and may be asked again."""
        begin = time.perf_counter()
        try:
            return work()
        except Exception as error:
            self.failures += 1
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= FAILURES_ALLOWED:
                raise EngineError(
                    f"the engine {self.engine.name} failed {FAILURES_ALLOWED} times in a row "
                    f"({type(error).__name__}: {error}); try `--engine eager`, and `python run.py doctor`"
                ) from error
            _log.warning("the engine %s failed (%s); this frame counts as empty", self.engine.name, error)
            return None
        finally:
            self.engine_s += time.perf_counter() - begin

    def _read(self, output: EngineOutput, boxes: list[Box]) -> list[Joints | None]:
        finite = np.isfinite(output.joints).all(axis=(1, 2)) & np.isfinite(output.presence)
        finite &= (output.joints[:, :, 3:] >= 0).all(axis=(1, 2))
        if broken := int((~finite).sum()):
            if not self.broken_outputs:
                _log.warning("the engine %s gave numbers that are not finite; counted as nobody", self.engine.name)
            self.broken_outputs += broken
        good = EngineOutput(output.joints[finite], output.presence[finite])
        scores = self.engine.score_map
        read = iter(read_joints(good, [box for box, ok in zip(boxes, finite, strict=True) if ok], self.K, scores))
        return [next(read) if ok else None for ok in finite]


def quality(joints: Joints) -> float:
    """How sure the network is of this pose: presence times the mean score of its surest limb joints."""
    limbs = np.sort(joints.score[list(LIMB_JOINTS)])[-LIMBS_COUNTED:]
    return joints.presence * float(limbs.mean())


def fit(joints: Joints) -> float:
    """How well the box fits the pose, 0 ... 1: a pose read off a box that is much too large is a rough one."""
    return min(fitted_box(joints).side_px / (FIT_FULL * joints.box.side_px), 1.0)


def prominence(joints: Joints) -> float:
    """Whom to follow if not all can be: the sure and the near. Half as sure is worth a quarter of the size."""
    return quality(joints) * fit(joints) * fitted_box(joints).side_px ** 0.5


def completeness(joints: Joints) -> float:
    """Presence times the mean score of all limb joints: a foot outside the box counts against it here."""
    return joints.presence * float(joints.score[list(LIMB_JOINTS)].mean())


def sure(joints: Joints) -> Bool[ndarray, "core"]:
    """Which joints of CORE are where the network says."""
    return joints.score[CORE] >= JOINT_SCORE


def plausible(joints: Joints) -> bool:
    """Whether this can be a body at all: not collapsed into a point, with a trunk of some length."""
    joints_sure = joints.px[CORE][sure(joints)]
    if len(joints_sure) < SURE_JOINTS_MIN:
        return False
    extent_px = float(np.ptp(joints_sure, axis=0).max())
    torso_px = float(np.linalg.norm(joints.px[THORAX] - joints.px[PELVIS]))
    torso_depth = abs(float(joints.depth[THORAX] - joints.depth[PELVIS]))
    torso = float(np.hypot(torso_px / joints.box.side_px, torso_depth))
    return extent_px >= EXTENT_MIN * joints.box.side_px and torso >= TORSO_MIN


def accepted(joints: Joints) -> bool:
    """Whether a search may say that somebody is here."""
    return joints.presence >= ACCEPT_PRESENCE and quality(joints) >= ACCEPT_QUALITY and plausible(joints)


def kept(joints: Joints) -> bool:
    """Whether a track may go on with this pose."""
    return joints.presence >= LOSE_PRESENCE and quality(joints) >= LOSE_QUALITY and plausible(joints)


def fitted_box(joints: Joints) -> Box:
    """The box around the joints of CORE, as in training; the present box where too few are sure.

    An unsure joint reaches out from the middle only as far as its score says. Left out altogether, a blurred
    foot would fall out of a box that then never finds it again; counted in full, a guess would drag the box.
    """
    if sure(joints).sum() < SURE_JOINTS_MIN:
        return joints.box
    px, reach = joints.px[CORE], np.clip(joints.score[CORE] / JOINT_SCORE, 0.0, 1.0)[:, None]
    middle = (reach * px).sum(axis=0) / reach.sum()
    return box_around(middle + reach * (px - middle), margin=BOX_MARGIN)


def iou(a: Box, b: Box) -> float:
    """Area of the intersection of two boxes over that of their union."""
    overlap = (a.side_px + b.side_px) / 2 - np.abs(a.center_px - b.center_px)
    inner = float(np.prod(np.clip(overlap, 0.0, min(a.side_px, b.side_px))))
    return inner / (a.side_px**2 + b.side_px**2 - inner)


def same_person(a: Joints, b: Joints) -> bool:
    """Whether two poses of one frame are one person: by their joints, by their boxes where joints are unsure."""
    both = sure(a) & sure(b)
    a_px, b_px = a.px[CORE], b.px[CORE]
    if both.sum() < SURE_JOINTS_MIN:
        return iou(fitted_box(a), fitted_box(b)) > SAME_IOU
    sides = (b_px, b_px[MPII16.mirror])
    apart_px = min(float(np.median(np.linalg.norm(a_px[both] - other[both], axis=1))) for other in sides)
    return apart_px < SAME_DISTANCE * min(fitted_box(a).side_px, fitted_box(b).side_px)
