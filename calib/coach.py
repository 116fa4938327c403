"""What to do next while pictures of a board are taken, and which of them are worth keeping.

A picture is kept where the board is still and sharp and shows something new: a direction of tilt, a part of the picture
or, until there are enough pictures, simply another place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.board import Board
from calib.coverage import Coverage
from calib.detection import Detection, NotFound
from calib.views import PER_TILT_BIN, ViewFacts, coverage_of, describe, usable

VIEWS_WANTED = 15  # kept at least; a third more than a lens asks for, since some are left out
STILL_WIDTHS_PER_S = 0.03  # of the picture: 0.6 px of blur at 640 px wide and 1/30 s of exposure
STILL_S = 0.25  # for so long before a picture is taken
LOST_S = 0.7  # without a board for so long: whether it is still has to be seen anew
# mean movement of the board's four corners, in diagonals of its picture: less is the same view, more another place
SAME_VIEW, NEW_PLACE = 0.03, 0.12
SHARP_PX = 3.0  # 10 to 90 % of an edge's rise
SHARP_FACTOR = 1.5  # times the sharpest picture so far, where a camera reaches no better


@dataclass(frozen=True, slots=True)
class Hint:
    """What a person with a board in their hands is told."""

    goal: str  # how and where the board is wanted next; empty where nothing is missing
    state: str  # what keeps this picture from being taken
    take: bool


class Coach:
    """Looks at detections as they come, in order of time. `flipped`: the person sees a mirrored preview."""

    def __init__(self, board: Board, *, flipped: bool = False) -> None:
        self._board, self._flipped = board, flipped
        self._kept: list[ViewFacts] = []
        self._last: tuple[float, Detection] | None = None
        self._still_since_s: float | None = None
        self._sharpest_px = np.inf
        self.coverage: Coverage = coverage_of([])  # of the kept pictures

    @property
    def kept(self) -> int:
        """How many pictures were kept."""
        return len(self._kept)

    @property
    def enough(self) -> bool:
        """Whether the kept pictures can carry a lens."""
        return self.kept >= VIEWS_WANTED and self.coverage.enough

    @property
    def goal(self) -> str:
        """How and where the board is wanted next; empty where nothing is missing."""
        advice = (self.coverage.flipped if self._flipped else self.coverage).advice()
        if advice or self.enough:
            return advice
        return "hold the board somewhere else, tilted another way"

    def look(self, seen: Detection | NotFound, time_s: float) -> Hint:
        """What to do about a picture of this moment, and whether to keep it."""
        if isinstance(seen, NotFound):
            if self._last is not None and time_s - self._last[0] > LOST_S:
                self._last = self._still_since_s = None
            return Hint(self.goal, seen.text, False)
        still_s = self._still_for_s(seen, time_s)
        state = self._obstacle(seen, still_s)
        return Hint(self.goal, state, not state)

    def keep(self, seen: Detection) -> bool:
        """Counts a picture as kept; False where the board in it cannot be used."""
        if not usable(seen, self._board):
            return False
        self._kept.append(describe(seen, self._board))
        self.coverage = coverage_of(self._kept)
        return True

    def _obstacle(self, seen: Detection, still_s: float) -> str:
        if not usable(seen, self._board):
            return "too little of the board is seen"
        if still_s < STILL_S:
            return "hold it still"
        sharp_px = max(SHARP_PX, SHARP_FACTOR * self._sharpest_px)
        if seen.sharpness_px is not None and seen.sharpness_px > sharp_px:
            return f"blurred (edges {seen.sharpness_px:.1f} px wide): hold it still, add light, check the focus"
        return "" if self._adds(describe(seen, self._board)) else "this view is there already"

    def _still_for_s(self, seen: Detection, time_s: float) -> float:
        """How long the board has not moved; 0 while it moves."""
        last, self._last = self._last, (time_s, seen)
        moving = last is None or time_s <= last[0] or _speed(last[1], seen, time_s - last[0]) > STILL_WIDTHS_PER_S
        if moving or self._still_since_s is None:
            self._still_since_s = None if last is None else time_s
            return 0.0
        if seen.sharpness_px is not None:
            self._sharpest_px = min(self._sharpest_px, seen.sharpness_px)
        return time_s - self._still_since_s

    def _adds(self, facts: ViewFacts) -> bool:
        """Whether a view shows what the kept ones do not."""
        if not self._kept:
            return True
        diagonal_px = float(np.linalg.norm(np.ptp(facts.quad_px, axis=0)))
        moved = [np.linalg.norm(facts.quad_px - kept.quad_px, axis=1).mean() for kept in self._kept]
        if min(moved) < SAME_VIEW * diagonal_px:
            return False
        new_tilt = facts.tilt_bin is not None and self.coverage.tilts[facts.tilt_bin] < PER_TILT_BIN
        new_cell = (facts.cells & (self.coverage.cells == 0)).any()
        new_place = self.kept < VIEWS_WANTED and min(moved) > NEW_PLACE * diagonal_px
        return bool(new_tilt or new_cell or new_place)


def _speed(before: Detection, now: Detection, seconds: float) -> float:
    """Median movement of the corners seen in both, in picture widths per second; inf where none was."""
    _, i, j = np.intersect1d(before.ids, now.ids, return_indices=True)
    if not len(i):
        return float("inf")
    moved_px = float(np.median(np.linalg.norm(before.px[i] - now.px[j], axis=1)))
    return moved_px / max(now.size_px) / seconds
