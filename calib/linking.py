"""From boards seen by two cameras to where all cameras are: the start of the bundle adjustment, and its doubts.

Every view gives up to four relative poses of a pair (two board poses a camera). The one that carries most other views'
boards from one camera into the other is kept, over all views at once, so that no view is decided on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.board import Board
from calib.bundle import Poses, Scene, Sights
from calib.camera import Camera, inverted, rotation_angle_deg
from calib.errors import UserError
from calib.planar import Look

Looks = Mapping[str, Sequence[Look | None]]

VIEWS_MIN = 3  # shared by two cameras; fewer cannot contradict each other
HYPOTHESIS_VIEWS = 24  # views that propose a relative pose; all views vote
FARTHEST_RAY = 0.1  # a board carried over misses by at most this much in the vote: 95 px at f = 950 px
RIVALS = 3  # hypotheses that are refined and compared
RIVAL_DEG = 4.0  # hypotheses nearer to each other are one
SAME_DEG, SAME_PART = 0.3, 0.01  # refined hypotheses nearer than this in turn and in shift are one


@dataclass(frozen=True, slots=True)
class Link:
    """How two cameras stand to each other by the boards that both saw."""

    a: str
    b: str
    views: Int64[ndarray, "v"]  # shared
    b_from_a: Float64[ndarray, "4 4"]
    rms_px: float  # median over views
    margin: float  # how many times worse the next answer fits; inf: there is none


def shared_views(looks: Looks, a: str, b: str) -> Int64[ndarray, "v"]:
    """Views in which both cameras see the board."""
    both = [x is not None and y is not None for x, y in zip(looks[a], looks[b], strict=True)]
    return np.flatnonzero(both).astype(np.int64)


def spanning_pairs(looks: Looks) -> list[tuple[str, str]]:
    """Pairs of cameras that connect all of them, most shared corners first (Prim). UserError where one is left over."""
    names = list(looks)
    weights = {
        (a, b): sum(min(len(looks[a][v].px), len(looks[b][v].px)) for v in views)  # type: ignore[union-attr]
        for a, b in combinations(names, 2)
        if len(views := shared_views(looks, a, b)) >= VIEWS_MIN
    }
    reached, pairs = {names[0]}, []
    while len(reached) < len(names):
        open_pairs = {pair: w for pair, w in weights.items() if len(reached & set(pair)) == 1}
        if not open_pairs:
            lost = ", ".join(name for name in names if name not in reached)
            raise UserError(
                f"fewer than {VIEWS_MIN} views show the board to {lost} and to a camera linked to {names[0]} at once; "
                "show it where both see it"
            )
        best = max(open_pairs, key=lambda pair: open_pairs[pair])
        pairs.append(best if best[0] in reached else best[::-1])
        reached |= set(best)
    return pairs


def link(looks: Looks, a: str, b: str, cameras: Mapping[str, Camera], board: Board) -> Link:
    """The relative pose that most views agree on, refined, and how far the next one lies behind."""
    views = shared_views(looks, a, b)
    rays = _Carrier.of(looks, a, b, views, board)
    shared, pair = {n: [looks[n][v] for v in views] for n in (a, b)}, {n: cameras[n] for n in (a, b)}
    answers: list[tuple[float, Float64[ndarray, "4 4"]]] = []
    for hypothesis in rays.rivals():
        at = hypothesis
        for _ in range(2):  # a better relative pose may choose other poses of the boards
            start = Poses(np.stack([np.eye(4), at]), np.zeros((0, 4, 4)))
            scene, poses = scene_of(shared, pair, board, start)
            fit = scene.adjusted(poses, rough=True)
            at = fit.poses.cam_from_root[1]
        answers.append((float(np.median(fit.view_rms_px(scene.sights))), at))
    answers.sort(key=lambda answer: answer[0])
    rms_px, b_from_a = answers[0]
    others = [rms for rms, T in answers[1:] if not _same(T, b_from_a)]
    margin = others[0] / max(rms_px, 1e-6) if others else float("inf")
    return Link(a, b, views, b_from_a, rms_px, margin)


def scene_of(looks: Looks, cameras: Mapping[str, Camera], board: Board, start: Poses) -> tuple[Scene, Poses]:
    """All sights of views that two cameras share, and board poses to start from; `start` places the cameras.

    Per view the board pose is chosen, and the numbering of a symmetric board, that fits all cameras together.
    """
    names, corners_m = list(looks), board.points_m()
    rows, boards = [], []
    for view in range(len(looks[names[0]])):
        seen = [(c, look) for c, name in enumerate(names) if (look := looks[name][view]) is not None]
        if len(seen) < 2:
            raise ValueError(f"view {view} is seen by {len(seen)} cameras")
        pose, numberings = _best_board(seen, start.cam_from_root, corners_m)
        boards.append(pose)
        rows += [(c, view, ids, look.px) for (c, look), ids in zip(seen, numberings, strict=True)]
    counts = [len(ids) for _, _, ids, _ in rows]
    sights = Sights(
        np.repeat(np.array([c for c, *_ in rows], np.int64), counts),
        np.repeat(np.array([v for _, v, *_ in rows], np.int64), counts),
        np.concatenate([ids for *_, ids, _ in rows]),
        np.concatenate([px for *_, px in rows]),
    )
    scene = Scene([cameras[name] for name in names], corners_m, sights)
    return scene, Poses(start.cam_from_root, np.array(boards))


def placed(looks: Looks, links: Sequence[Link]) -> Float64[ndarray, "cameras 4 4"]:
    """Every camera's pose from the first one's axes, along the links."""
    names = list(looks)
    cam_from_root = {names[0]: np.eye(4)}
    for each in links:
        cam_from_root[each.b] = each.b_from_a @ cam_from_root[each.a]
    return np.array([cam_from_root[name] for name in names])


def board_choices(
    seen: Sequence[tuple[int, Look]], cam_from_root: Float64[ndarray, "cameras 4 4"], corners_m: Float64[ndarray, "c 3"]
) -> list[tuple[float, Float64[ndarray, "4 4"], list[Int64[ndarray, "_"]]]]:
    """Poses of one view's board in the first camera's axes, best first: misfit of the rays, pose, each camera's ids."""
    choices = []
    for c, look in seen:
        for pose in look.cam_from_board:
            root_from_board = inverted(cam_from_root[c]) @ pose
            misfits, numberings = [], []
            for other, its in seen:
                options = its.numberings[:1] if other == c else its.numberings
                away = [_misfit(cam_from_root[other] @ root_from_board, corners_m[ids], its.rays) for ids in options]
                misfits.append(min(away))
                numberings.append(options[int(np.argmin(away))])
            choices.append((float(np.sum(misfits)), root_from_board, numberings))
    return sorted(choices, key=lambda choice: choice[0])


def _best_board(
    seen: Sequence[tuple[int, Look]], cam_from_root: Float64[ndarray, "cameras 4 4"], corners_m: Float64[ndarray, "c 3"]
) -> tuple[Float64[ndarray, "4 4"], list[Int64[ndarray, "_"]]]:
    _, pose, numberings = board_choices(seen, cam_from_root, corners_m)[0]
    return pose, numberings


def _misfit(T: Float64[ndarray, "4 4"], points_m: Float64[ndarray, "n 3"], rays: Float64[ndarray, "n 2"]) -> float:
    return float(_misfits(T[None], points_m, rays)[0])


def _misfits(
    T: Float64[ndarray, "*t 4 4"], points_m: Float64[ndarray, "n 3"], rays: Float64[ndarray, "n 2"]
) -> Float64[ndarray, "*t"]:
    """Root mean square distance of rays, at most FARTHEST_RAY, also for points behind the camera."""
    at = points_m @ np.swapaxes(T[..., :3, :3], -1, -2) + T[..., None, :3, 3]
    depth = at[..., 2:]
    away = np.linalg.norm(at[..., :2] / np.where(depth > 1e-3, depth, np.inf) - rays, axis=-1)
    away = np.where(depth[..., 0] > 1e-3, away, np.inf)
    return np.minimum(np.sqrt((np.minimum(away, 1e3) ** 2).mean(-1)), FARTHEST_RAY)


def _same(x: Float64[ndarray, "4 4"], y: Float64[ndarray, "4 4"]) -> bool:
    apart = np.linalg.norm(x[:3, 3] - y[:3, 3]) / max(float(np.linalg.norm(y[:3, 3])), 1e-9)
    return rotation_angle_deg(x[:3, :3] @ y[:3, :3].T) < SAME_DEG and bool(apart < SAME_PART)


@dataclass(frozen=True, slots=True)
class _Carrier:
    """Carries boards from one camera into the other by a relative pose, and says how far they miss."""

    looks_a: Sequence[Look]
    looks_b: Sequence[Look]
    corners_m: Float64[ndarray, "c 3"]

    @classmethod
    def of(cls, looks: Looks, a: str, b: str, views: Int64[ndarray, "v"], board: Board) -> _Carrier:
        of_a, of_b = ([look for v in views if (look := looks[name][v]) is not None] for name in (a, b))
        return cls(of_a, of_b, board.points_m())

    def misses(self, b_from_a: Float64[ndarray, "h 4 4"]) -> Float64[ndarray, "h"]:
        """Sum over views of how far the board, at its better pose and numbering, misses camera b's rays."""
        total = np.zeros(len(b_from_a))
        for x, y in zip(self.looks_a, self.looks_b, strict=True):
            T = b_from_a[:, None] @ x.cam_from_board  # (h, poses, 4, 4)
            away = [_misfits(T, self.corners_m[ids], y.rays).min(1) for ids in y.numberings]
            total += np.min(away, axis=0)
        return total

    def hypotheses(self) -> Float64[ndarray, "h 4 4"]:
        """Relative poses that single views propose."""
        chosen = np.unique(np.linspace(0, len(self.looks_a) - 1, HYPOTHESIS_VIEWS).astype(int))
        return np.array(
            [
                of_b @ inverted(of_a)
                for v in map(int, chosen)
                for of_a in self.looks_a[v].cam_from_board
                for of_b in self._turned(v)
            ]
        )

    def _turned(self, v: int) -> list[Float64[ndarray, "4 4"]]:
        """Poses of camera b's board in every numbering."""
        look = self.looks_b[v]
        first = self.corners_m[look.numberings[0]]
        return [
            pose @ inverted(_board_turn(first, self.corners_m[ids]))
            for pose in look.cam_from_board
            for ids in look.numberings
        ]

    def rivals(self) -> list[Float64[ndarray, "4 4"]]:
        """The best hypotheses that differ."""
        hypotheses = self.hypotheses()
        kept: list[Float64[ndarray, "4 4"]] = []
        for index in np.argsort(self.misses(hypotheses)):
            T = hypotheses[index]
            if all(rotation_angle_deg(T[:3, :3] @ other[:3, :3].T) > RIVAL_DEG for other in kept):
                kept.append(T)
            if len(kept) == RIVALS:
                break
        return kept


def _board_turn(before_m: Float64[ndarray, "n 3"], after_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "4 4"]:
    """The board's turn in its plane that brings corners of one numbering to those of another (Kabsch)."""
    x, y = before_m - before_m.mean(0), after_m - after_m.mean(0)
    u, _, vt = np.linalg.svd(y[:, :2].T @ x[:, :2])
    T = np.eye(4)
    T[:2, :2] = u @ np.diag([1, np.linalg.det(u @ vt)]) @ vt
    T[:3, 3] = after_m.mean(0) - T[:3, :3] @ before_m.mean(0)
    return T
