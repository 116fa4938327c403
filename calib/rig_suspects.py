"""Why cameras do not fit together: pictures that are the same, exchanged, mirrored or of other moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from calib.board import Board
from calib.camera import Camera
from calib.detection import Detection
from calib.linking import VIEWS_MIN, Link, Looks, link, shared_views
from calib.planar import Look, look_at

SAME_PX = 0.5
EXCHANGED = 0.6  # the other lens leaves less than this part of the residual
EXPLAINED = 0.3  # a suspicion that leaves less than this part of the residual is the reason
SHIFTS = (-2, -1, 1, 2)
LENS_VIEWS = 12

Row = Sequence[Detection | None]


def same_pictures(of_a: Row, of_b: Row) -> bool:
    """Whether corners lie at the same pixels in most views."""
    away = []
    for x, y in zip(of_a, of_b, strict=True):
        if x is None or y is None:
            continue
        _, i, j = np.intersect1d(x.ids, y.ids, return_indices=True)
        if len(i):
            away.append(float(np.median(np.linalg.norm(x.px[i] - y.px[j], axis=1))))
    return bool(away) and float(np.median(away)) < SAME_PX


def exchanged(of_a: Row, of_b: Row, board: Board, a: Camera, b: Camera) -> bool:
    """Whether each camera's boards fit the other's lens clearly better than its own."""
    if (a.width, a.height) != (b.width, b.height):
        return False
    own, other = (
        _lens_rms_px(of_a, board, a) + _lens_rms_px(of_b, board, b),
        _lens_rms_px(of_a, board, b) + _lens_rms_px(of_b, board, a),
    )
    return other < EXCHANGED * own


def _lens_rms_px(row: Row, board: Board, camera: Camera) -> float:
    seen = [one for one in row if one is not None and len(one.px)]
    chosen = np.unique(np.linspace(0, len(seen) - 1, LENS_VIEWS).astype(int)) if seen else []
    looks = [look for i in chosen if (look := look_at(seen[i], board, camera)) is not None]
    return float(np.median([look.rms_px[0] for look in looks])) if looks else 0.0


def explained(
    bad: Link, looks: Looks, views: Mapping[str, Row], board: Board, cameras: Mapping[str, Camera]
) -> str | None:
    """A sentence where one suspicion makes a pair fit that does not."""
    pair = {name: looks[name] for name in (bad.a, bad.b)}
    if _mirror_helps(bad, pair, views[bad.b], board, cameras):
        flags = {n: np.mean([one.mirrored for one in views[n] if one is not None]) > 0.5 for n in pair}
        which = [name for name, flag in flags.items() if flag] if sum(flags.values()) == 1 else list(pair)
        name = which[0] if len(which) == 1 else f"{bad.a} or of {bad.b}"
        return f"the video of {name} is mirrored; switch off mirroring in the program that recorded it"
    for shift in SHIFTS:
        moved = {bad.a: looks[bad.a], bad.b: _shifted(looks[bad.b], shift)}
        if _fits(bad, moved, board, cameras):
            return f"the pictures of {bad.b} are {abs(shift)} views {'late' if shift > 0 else 'early'} against {bad.a}"
    return None


def _shifted(row: Sequence[Look | None], shift: int) -> list[Look | None]:
    """The row whose view v is now v + shift."""
    gap: list[Look | None] = [None] * abs(shift)
    return [*row[shift:], *gap] if shift > 0 else [*gap, *row[:shift]]


def _fits(bad: Link, looks: Looks, board: Board, cameras: Mapping[str, Camera]) -> bool:
    if len(shared_views(looks, bad.a, bad.b)) < VIEWS_MIN:
        return False
    return link(looks, bad.a, bad.b, cameras, board).rms_px < EXPLAINED * bad.rms_px


def _mirror_helps(bad: Link, pair: Looks, row: Row, board: Board, cameras: Mapping[str, Camera]) -> bool:
    """Whether the pair fits when camera b's pictures are flipped; a chessboard is then numbered the other way round."""
    camera = cameras[bad.b]
    K, dist = camera.K.copy(), camera.dist.copy()
    K[0, 2] = camera.width - 1 - K[0, 2]
    if camera.model == "pinhole":
        dist[3] = -dist[3]  # p2 bends along x
    unflipped = replace(camera, K=K, dist=dist)
    for ids in _reflections(board):
        flipped = [None if one is None else _flipped(one, ids) for one in row]
        looks = [None if one is None else look_at(one, board, unflipped) for one in flipped]
        if _fits(bad, {bad.a: pair[bad.a], bad.b: looks}, board, {**cameras, bad.b: unflipped}):
            return True
    return False


def _reflections(board: Board) -> list[Int64[ndarray, "corners"]]:
    grid = np.arange(board.columns * board.rows, dtype=np.int64).reshape(board.rows, board.columns)
    if board.kind == "charuco":  # markers keep their names
        return [grid.ravel()]
    return [np.ascontiguousarray(grid[:, ::-1]).ravel(), np.ascontiguousarray(grid[::-1]).ravel()]


def _flipped(one: Detection, ids: Int64[ndarray, "corners"]) -> Detection:
    px = one.px * (-1, 1) + (one.size_px[0] - 1, 0)
    new = ids[one.ids]
    order = np.argsort(new)
    return replace(one, px=np.ascontiguousarray(px[order]), ids=new[order], mirrored=not one.mirrored)
