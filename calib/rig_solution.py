"""The geometry that fits the boards best: links, bundle adjustment, views left out within a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.board import Board
from calib.bundle import Adjusted, Poses, Scene
from calib.camera import Camera
from calib.linking import VIEWS_MIN, Link, Looks, link, placed, scene_of, spanning_pairs

DROP_FACTOR = 3.0  # a view is left out where it fits this much worse than the typical one
DROP_PART = 0.2  # at most this part of the views


@dataclass(frozen=True, slots=True)
class Solved:
    """The geometry in the first camera's axes, at the board's scale; the views that carry it."""

    names: tuple[str, ...]
    scene: Scene
    fit: Adjusted
    views: tuple[int, ...]  # of the input, as the scene counts them
    dropped: tuple[int, ...]
    dropped_rms_px: tuple[float, ...]
    links: tuple[Link, ...]


def solve(looks: Looks, board: Board, cameras: Mapping[str, Camera]) -> Solved:
    """Cameras and boards that fit best, in the first camera's axes."""
    names = tuple(looks)
    links = tuple(link(looks, a, b, cameras, board) for a, b in spanning_pairs(looks))
    start = Poses(placed(looks, links), np.zeros((0, 4, 4)))
    used = [v for v in range(len(looks[names[0]])) if sum(looks[name][v] is not None for name in names) >= 2]
    total, dropped = len(used), {}
    for rough in (True, False, False):
        scene, poses = scene_of({n: [looks[n][v] for v in used] for n in names}, cameras, board, start)
        fit = scene.adjusted(poses, rough=rough)
        rms_px = fit.view_rms_px(scene.sights)
        worst = _unfit(rms_px, room=int(DROP_PART * total) - len(dropped))
        start = Poses(fit.poses.cam_from_root, np.zeros((0, 4, 4)))
        if not len(worst) and not rough:
            break
        dropped |= {used[v]: float(rms_px[v]) for v in worst}
        used = [v for v in used if v not in dropped]
    else:
        scene, poses = scene_of({n: [looks[n][v] for v in used] for n in names}, cameras, board, start)
        fit = scene.adjusted(poses)
    return Solved(names, scene, fit, tuple(used), tuple(sorted(dropped)), tuple(dropped.values()), links)


def _unfit(rms_px: Float64[ndarray, "views"], *, room: int) -> list[int]:
    """The worst views beyond the limit, as many as there is room for."""
    limit = DROP_FACTOR * float(np.median(rms_px)) + 1e-6
    order = np.argsort(-rms_px)
    return [int(v) for v in order[: max(min(room, len(rms_px) - VIEWS_MIN), 0)] if rms_px[v] > limit]
