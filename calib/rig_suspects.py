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
from calib.rig_figures import Wish

SAME_PX = 0.5
EXCHANGED = 0.02  # focal lengths, relative, nearer than this are one
EXPLAINED = 0.3  # a suspicion that leaves less than this part of the residual is the reason
SHIFTS = (-2, -1, 1, 2)

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


def exchanged(focal_a_px: float, focal_b_px: float, wish_a: Wish, wish_b: Wish) -> bool:
    """Whether each camera's boards would rather have the other's focal length."""
    apart = np.log(focal_b_px / focal_a_px)
    near = abs(wish_a.value - apart) < EXCHANGED and abs(wish_b.value + apart) < EXCHANGED
    return bool(near and abs(apart) > EXCHANGED and wish_a.sure and wish_b.sure)


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
    if _exchange_helps(bad, views, board, cameras):
        return f"the pictures of {bad.a} fit the lens of {bad.b}, and the reverse: they are exchanged"
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


def _exchange_helps(bad: Link, views: Mapping[str, Row], board: Board, cameras: Mapping[str, Camera]) -> bool:
    """Whether the pair fits when each camera's lens is taken for the other's pictures."""
    a, b = cameras[bad.a], cameras[bad.b]
    if (a.width, a.height) != (b.width, b.height):
        return False
    lenses = {**cameras, bad.a: b, bad.b: a}
    looks = {
        name: [None if one is None else look_at(one, board, lenses[name]) for one in views[name]]
        for name in (bad.a, bad.b)
    }
    return _fits(bad, looks, board, lenses)


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
