"""Which pictures of a board are worth computing with, and what they cover.

A board that is tilted shows the focal length, one near the picture's border the distortion; the same view twice shows
nothing new. The order is caliscope's (Prible, BSD-2): tilt directions first, then a 5x5 grid with weight on its rim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from calib.board import Board
from calib.coverage import GRID, TILT_BINS, Coverage, rim
from calib.errors import UserError

VIEWS_MAX = 30  # more do not help: 15 -> 30 views halves the focal error, 60 adds a quarter
TILT_MIN = (
    0.08  # the far side of the board is at least so much farther than the near one; about 20 degrees at arm's length
)
PER_TILT_BIN = 2
SAME_VIEW = 0.02  # mean movement of the board's four corners, in diagonals of the board's picture
CORNERS_MIN = 8  # a pose takes 4; fewer than 8 leave too little to judge it by
REPEATED = "shows the same as"
GRID_MISFIT = 0.10  # distance of corners from a plane's picture, in diagonals; strong distortion reaches 0.04
RIM_WEIGHTS = {0: 1.0, 1: 2.0, 2: 3.0}  # a cell inside, at an edge, in a corner of the picture


@runtime_checkable
class SeenBoard(Protocol):
    """What this package needs to know of a detected board."""

    @property
    def px(self) -> ndarray:
        """Corners (n, 2) in pixels."""
        ...

    @property
    def ids(self) -> ndarray:
        """Which corner of the board each is (n)."""
        ...

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the picture."""
        ...

    @property
    def mirrored(self) -> bool:
        """Whether the board was seen as in a mirror."""
        ...


@dataclass(frozen=True)
class Dropped:
    """A picture that is not used."""

    index: int
    reason: str


@dataclass(frozen=True)
class ViewFacts:
    """What one view looks like; lengths relative, so that the size of the picture does not matter."""

    quad_px: Float64[ndarray, "4 2"]  # the board's outer corners, also those that were not seen
    cells: Bool[ndarray, "5 5"]
    tilt: float  # relative difference in distance over the board
    tilt_bin: int | None  # None: nearly frontal
    misfit: float  # of a plane's picture, in diagonals of the board's


@dataclass(frozen=True)
class ViewChoice:
    """The chosen views, the others with reasons, and what the chosen cover."""

    used: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    coverage: Coverage


def choose_views(views: Sequence[SeenBoard], board: Board, *, limit: int = VIEWS_MAX) -> ViewChoice:
    """Up to `limit` views: each tilt direction first, then those that cover most. UserError for damaged detections."""
    _check(views, board)
    facts, dropped = {}, []
    for index, view in enumerate(views):
        if problem := _unusable(view, board):
            dropped.append(Dropped(index, problem))
            continue
        facts[index] = describe(view, board)
        if facts[index].misfit > GRID_MISFIT:
            del facts[index]
            dropped.append(Dropped(index, f"its corners do not lie like those of a {board.size_text} board"))
    order = sorted(facts, key=lambda index: _canonical(views[index]))
    distinct, same = _without_repeats(order, facts)
    chosen = _cover(distinct, facts, limit)
    dropped += [Dropped(index, f"{REPEATED} picture {first + 1}") for index, first in same.items()]
    dropped += [Dropped(index, "adds nothing to those chosen") for index in distinct if index not in chosen]
    used = tuple(sorted(chosen))
    return ViewChoice(used, tuple(sorted(dropped, key=lambda d: d.index)), coverage_of([facts[k] for k in used]))


def coverage_of(facts: Sequence[ViewFacts]) -> Coverage:
    """What some views cover together."""
    cells = sum((f.cells.astype(np.int64) for f in facts), np.zeros((GRID, GRID), np.int64))
    tilts = np.bincount([f.tilt_bin for f in facts if f.tilt_bin is not None], minlength=8).astype(np.int64)
    return Coverage(cells, tilts)


def describe(view: SeenBoard, board: Board) -> ViewFacts:
    """Facts from the homography of one view: where the board lies, how it is tilted, whether it is a plane at all."""
    points = board.points_m()[:, :2]
    middle, half = (points.min(0) + points.max(0)) / 2, np.linalg.norm(np.ptp(points, axis=0)) / 2
    flat = (points - middle) / half
    H, _ = cv2.findHomography(flat[view.ids], view.px, 0)
    if H is None or abs(H[2, 2]) < 1e-12:
        return ViewFacts(np.zeros((4, 2)), np.zeros((GRID, GRID), bool), 0.0, None, np.inf)
    H = H / H[2, 2]
    corners = np.array([0, board.columns - 1, len(points) - 1, len(points) - board.columns])
    quad_px = _map(H, flat[corners])
    misfit = np.sqrt(np.square(_map(H, flat[view.ids]) - view.px).sum(axis=1).mean()) / _diagonal(quad_px)
    # distances of the board's points are proportional to 1 + gradient . (x, y)
    gradient = H[2, :2]
    to_px = H[:2, :2] - np.outer(H[:2, 2], gradient)
    farther_px = np.linalg.solve(to_px.T, gradient) if abs(np.linalg.det(to_px)) > 1e-12 else np.zeros(2)
    tilt = 2 * float(np.linalg.norm(gradient))
    eighth = round(float(np.arctan2(farther_px[1], farther_px[0])) / (np.pi / 4)) % 8
    tilt_bin = eighth if tilt >= TILT_MIN else None
    cells = _cells(view.px, view.size_px)
    return ViewFacts(quad_px, cells, tilt, tilt_bin, float(misfit))


def turned_over(view: SeenBoard, board: Board) -> bool:
    """Whether the board appears mirrored: its corners run the other way round in the picture."""
    if _unusable(view, board):
        return False
    affine = np.linalg.lstsq(np.column_stack([board.points_m()[view.ids, :2], np.ones(len(view.ids))]), view.px)[0]
    return bool(np.linalg.det(affine[:2]) < 0)


def _check(views: Sequence[SeenBoard], board: Board) -> None:
    corners = board.columns * board.rows
    for index, view in enumerate(views):
        if view.px.shape != (len(view.ids), 2):
            raise UserError(f"picture {index + 1}: {view.px.shape} corners for {len(view.ids)} names; detect them anew")
        if not np.isfinite(view.px).all():
            raise UserError(f"picture {index + 1} has corners that are not numbers; detect them anew")
        if len(set(view.ids.tolist())) < len(view.ids) or not np.isin(view.ids, np.arange(corners)).all():
            raise UserError(f"picture {index + 1} has corners that a {board.size_text} board lacks; check --board")
    sizes = sorted({tuple(view.size_px) for view in views})
    if len(sizes) > 1:
        counts = ", ".join(f"{sum(tuple(v.size_px) == s for v in views)} of {s[0]}x{s[1]}" for s in sizes)
        raise UserError(f"pictures of different sizes ({counts}); keep those of one camera in one mode")


def usable(view: SeenBoard, board: Board) -> bool:
    """Whether enough of the board is seen to compute with."""
    return _unusable(view, board) is None


def _unusable(view: SeenBoard, board: Board) -> str | None:
    if len(view.ids) < CORNERS_MIN:
        return f"{len(view.ids)} corners were seen, {CORNERS_MIN} are needed"
    rows, columns = np.divmod(view.ids, board.columns)
    if len(set(rows.tolist())) < 2 or len(set(columns.tolist())) < 2:
        return "its corners lie on one line"
    return None


def _canonical(view: SeenBoard) -> tuple[float, ...]:
    # an order that depends on what is seen, never on the order of the files
    return (*view.px.mean(axis=0).tolist(), *view.px[0].tolist())


def _without_repeats(order: list[int], facts: dict[int, ViewFacts]) -> tuple[list[int], dict[int, int]]:
    distinct: list[int] = []
    same: dict[int, int] = {}
    quads = np.array([facts[index].quad_px for index in order]).reshape(-1, 4, 2)
    reach = np.array([SAME_VIEW * _diagonal(quad) for quad in quads])
    kept: list[int] = []
    for k, index in enumerate(order):
        moved = np.linalg.norm(quads[kept] - quads[k], axis=2).mean(axis=1)
        near = np.flatnonzero(moved < reach[k])
        if len(near):
            same[index] = order[kept[near[0]]]
            continue
        kept.append(k)
        distinct.append(index)
    return distinct, same


def _cover(candidates: list[int], facts: dict[int, ViewFacts], limit: int) -> set[int]:
    chosen: list[int] = []
    for tilt_bin in range(len(TILT_BINS)):
        steep = sorted((i for i in candidates if facts[i].tilt_bin == tilt_bin), key=lambda i: -facts[i].tilt)
        chosen += steep[:PER_TILT_BIN]
    chosen = chosen[:limit]
    weights = np.vectorize(RIM_WEIGHTS.get)(rim()).astype(float)
    while len(chosen) < min(limit, len(candidates)):
        counts = coverage_of([facts[i] for i in chosen]).cells
        gain = weights / (1 + counts) ** 2
        rest = [i for i in candidates if i not in chosen]
        chosen.append(max(rest, key=lambda i: float(gain[facts[i].cells].sum())))
    return set(chosen)


def _cells(px: Float64[ndarray, "n 2"], size_px: tuple[int, int]) -> Bool[ndarray, "5 5"]:
    cells = np.zeros((GRID, GRID), bool)
    column, row = np.clip(((px + 0.5) / np.array(size_px) * GRID).astype(int), 0, GRID - 1).T
    cells[row, column] = True
    return cells


def _map(H: Float64[ndarray, "3 3"], points: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n 2"]:
    return cv2.perspectiveTransform(np.ascontiguousarray(points[:, None]), H)[:, 0]


def _diagonal(quad_px: Float64[ndarray, "4 2"]) -> float:
    return float(max(np.linalg.norm(quad_px[0] - quad_px[2]), np.linalg.norm(quad_px[1] - quad_px[3]), 1e-9))
