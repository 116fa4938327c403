"""One camera's lens from pictures of a board: choice of views, choice of model, deviations, and what to doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.board import Board
from calib.camera import Camera, rigid
from calib.coverage import Coverage
from calib.errors import UserError
from calib.lens_choice import Cleaned, clean, score_models, simplest, wide
from calib.lens_doubts import Evidence, judge
from calib.lens_evidence import lens_sigma
from calib.lens_fit import BoardView, LensFit, fit_poses, start_fit, start_poses
from calib.lens_models import LADDER, Kind, LensModel, camera_of
from calib.verdict import Verdict
from calib.views import (
    REPEATED,
    Dropped,
    SeenBoard,
    ViewChoice,
    choose_views,
    coverage_of,
    describe,
    turned_over,
)

VIEWS_MIN = 3  # distinct ones; two leave the focal length and the principal point to chance
RICH = {"pinhole": LADDER[3], "fisheye": LADDER[4]}  # free enough to tell a bad view from a bent lens


@dataclass(frozen=True)
class Sigma:
    """Standard deviations of a lens."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    dist: Float64[ndarray, "d"]  # as in the camera; 0 where the model fixes a number


@dataclass(frozen=True)
class Intrinsics:
    """A calibrated lens, what it was made from and how far to trust it."""

    camera: Camera
    lens: str  # the model's name
    used: tuple[int, ...]  # indices of the pictures given
    cam_from_board: Float64[ndarray, "used 4 4"]
    corner_ids: tuple[Int64[ndarray, "_"], ...]  # per used picture, into board.points_m()
    residuals_px: tuple[Float64[ndarray, "_ 2"], ...]  # seen - projected
    view_rms_px: Float64[ndarray, "used"]
    rms_px: float
    held_out_rms_px: float  # of pictures left out of the fit, their poses fitted anew
    sigma: Sigma
    dropped: tuple[Dropped, ...]
    corners_dropped: int
    coverage: Coverage
    verdict: Verdict


def calibrate_intrinsics(
    views: Sequence[SeenBoard], board: Board, *, model: Literal["auto", "pinhole", "fisheye"] = "auto"
) -> Intrinsics:
    """The lens that a board's pictures show. UserError where they cannot show any; the verdict says the rest."""
    if not views:
        raise UserError(f"no {board.size_text} board was found in any picture; check --board and the light")
    choice = choose_views(views, board)
    if len(choice.used) < VIEWS_MIN:
        raise UserError(_too_few(choice, len(views)))
    size_px = (int(views[0].size_px[0]), int(views[0].size_px[1]))
    # from here on in an order of what is seen, so that the order of the files changes nothing
    order = sorted(choice.used, key=lambda k: (*views[k].px.mean(axis=0).tolist(), *views[k].px[0].tolist()))
    points_m = board.points_m()
    seen = [BoardView(views[k].px, views[k].ids, points_m[views[k].ids]) for k in order]
    starts, cleaned = _starts(seen, size_px, model)
    scores = score_models(cleaned.views, LADDER, starts, size_px)
    if model != "fisheye":
        scores = [score for score in scores if score.model.kind == "pinhole" or wide(score, size_px)]
    allowed = [score for score in scores if model in ("auto", score.model.kind)]
    if not allowed:
        raise UserError(f"{len(order)} pictures show too few corners for any lens; take 20 pictures of the whole board")
    kept = [order[position] for position in cleaned.kept]
    facts = [describe(views[k], board) for k in kept]
    chosen = simplest(allowed)
    evidence = Evidence(
        board=board,
        size_px=size_px,
        chosen=chosen,
        scores=tuple(scores),
        cleaned=cleaned,
        sigma=lens_sigma(cleaned.views, chosen),
        coverage=coverage_of(facts),
        mirrored=tuple(view.mirrored or turned_over(view, board) for view in views),
    )
    return _result(evidence, kept, [*choice.dropped, *_outliers(cleaned, order)])


def _too_few(choice: ViewChoice, total: int) -> str:
    if any(d.reason.startswith(REPEATED) for d in choice.dropped):
        return (
            f"the board hardly moved: {total} pictures, different views among them: {len(choice.used)}; "
            "move and tilt it between pictures, 20 views are good"
        )
    why = f": {choice.dropped[0].reason}" if choice.dropped else ""
    return f"{len(choice.used)} of {total} pictures are usable, {VIEWS_MIN} are needed and 20 are good{why}"


def _starts(seen: list[BoardView], size_px: tuple[int, int], model: str) -> tuple[dict[str, LensFit], Cleaned]:
    """A fit per kind of lens to the views that belong together; the better kind says which those are."""
    kinds: tuple[Kind, ...] = ("pinhole", "fisheye")
    diagonal_px = float(np.hypot(*size_px))
    known = {kind: start_fit(seen, kind, size_px) for kind in kinds}
    cleaned = {kind: clean(seen, RICH[kind], known[kind], diagonal_px) for kind in kinds}
    asked = [kind for kind in kinds if model in ("auto", kind)]
    best = min(asked, key=lambda kind: (cleaned[kind].fit.rms_px, kind))
    kept = list(cleaned[best].kept)
    views = cleaned[best].views
    starts = {}
    for kind in kinds:
        lens = cleaned[kind].fit.lens
        starts[kind] = fit_poses(views, kind, lens, start_poses(views, kind, lens, known[kind].poses[kept]))
    return starts, cleaned[best]


def _outliers(cleaned: Cleaned, order: list[int]) -> list[Dropped]:
    return [
        Dropped(order[position], f"its corners lie {rms:.2f} px from where the other pictures put them")
        for position, rms in cleaned.bad_views.items()
    ]


def _named(sigma: Float64[ndarray, "lens"], model: LensModel) -> Sigma:
    fx_px, fy_px, cx_px, cy_px = (float(value) for value in sigma[:4])
    return Sigma(fx_px, fy_px, cx_px, cy_px, sigma[4 : 4 + model.dist_length].copy())


def _result(e: Evidence, kept: list[int], dropped: list[Dropped]) -> Intrinsics:
    by_index = sorted(range(len(kept)), key=lambda k: kept[k])
    model, fit = e.chosen.model, e.chosen.fit
    return Intrinsics(
        camera=camera_of(model, fit.lens, e.size_px),
        lens=model.name,
        used=tuple(kept[k] for k in by_index),
        cam_from_board=np.array([rigid(cv2.Rodrigues(fit.poses[k][:3])[0], fit.poses[k][3:]) for k in by_index]),
        corner_ids=tuple(e.cleaned.views[k].ids for k in by_index),
        residuals_px=tuple(fit.residuals_px[k] for k in by_index),
        view_rms_px=np.sqrt(fit.squares[by_index]),
        rms_px=fit.rms_px,
        held_out_rms_px=e.chosen.held_out_rms_px,
        sigma=_named(e.sigma, model),
        dropped=tuple(sorted(dropped, key=lambda d: d.index)),
        corners_dropped=e.cleaned.bad_corners,
        coverage=e.coverage,
        verdict=judge(e),
    )
