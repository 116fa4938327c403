"""Where cameras stand, from a board that several of them see at once: poses, world, metres, and what speaks against it.

Both poses of every flat board are kept until all views agree on one relative pose (`linking`), then a bundle adjustment
moves cameras and boards together (`bundle`) and views that do not fit are left out within a limit (`rig_solution`). The
floor gives the world (`floor`), cues give the metre (`scale`), and `rig_checks` looks for what a small residual hides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib import floor as floors
from calib import rig_checks, rig_figures, scale
from calib.board import Board
from calib.camera import Camera, inverted, rigid
from calib.detection import Detection
from calib.errors import UserError
from calib.linking import Looks
from calib.planar import look_at
from calib.rig import Quality, Rig
from calib.rig_figures import Figures
from calib.rig_solution import Solved, solve
from calib.verdict import Reason, Verdict


@dataclass(frozen=True, slots=True)
class RigResult:
    """A rig and how far it may be trusted. Views are those of the input."""

    rig: Rig
    verdict: Verdict
    figures: Figures
    scale: scale.Scale
    residuals_px: Mapping[str, Float64[ndarray, "views corners 2"]]  # seen - projected, by corner id; NaN: not used
    view_rms_px: Float64[ndarray, "views"]  # NaN: not used
    dropped: tuple[int, ...]  # views that two cameras saw and that were left out
    world_from_board: Float64[ndarray, "views 4 4"]  # NaN: not used


def calibrate_rig(
    views: Mapping[str, Sequence[Detection | None]],
    board: Board,
    cameras: Mapping[str, Camera],
    *,
    cues: Sequence[scale.Cue] = (),
    floor: floors.Floor | None = None,
    square_sigma: float = scale.SQUARE_SIGMA,
) -> RigResult:
    """The rig of cameras whose lenses are known, from views taken at the same moments.

    `views`: per camera the same number of detections in the same order. The squares count as a cue of their own.
    UserError where there is no answer at all; what is doubtful is said in the verdict.
    """
    _refuse_unfit(views, board, cameras)
    looks: Looks = {
        name: [None if one is None or not len(one.px) else look_at(one, board, cameras[name]) for one in row]
        for name, row in views.items()
    }
    solved = solve(looks, board, {name: cameras[name] for name in views})
    ground = _ground(floor, looks, solved, board)
    rig, boards = _in_world(solved, ground, cameras)
    measured = scale.combined([cue.reading(rig) for cue in (scale.Squares(board.square_m[0], square_sigma), *cues)])
    rig, boards = _scaled(rig, boards, measured.factor)
    figures = rig_figures.figures_of(solved, rig, looks, board, measured)
    verdict = Verdict(tuple(rig_checks.reasons_of(solved, looks, board, rig, views, figures)))
    verdict = verdict.with_reasons(
        [*ground.reasons, *measured.reasons, *_above(rig, boards, board, floor, ground, measured)]
    )
    quality = Quality(
        verdict.light,
        tuple(verdict.texts()),
        made_from="board",
        metric=True,
        rms_px=figures.rms_px,
        rotation_sigma_deg=figures.rotation_sigma_deg,
        translation_sigma_deg=figures.translation_sigma_deg,
        scale_sigma=figures.scale_sigma,
    )
    return _result(
        replace(rig, quality=quality), verdict, figures, measured, solved, boards, len(views[solved.names[0]])
    )


def _refuse_unfit(views: Mapping[str, Sequence[Detection | None]], board: Board, cameras: Mapping[str, Camera]) -> None:
    if len(views) < 2:
        raise UserError("a rig needs at least two cameras; give one folder or video per camera")
    if missing := [name for name in views if name not in cameras]:
        raise UserError(f"the lens of {', '.join(missing)} is not known; calibrate it first")
    lengths = {name: len(row) for name, row in views.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise UserError(f"cameras must have as many views as each other, not {said}; pair the pictures of one moment")
    for name, row in views.items():
        sizes = {one.size_px for one in row if one is not None}
        if len(sizes) > 1:
            said = " and ".join(f"{w}x{h}" for w, h in sorted(sizes))
            raise UserError(f"camera {name} has pictures of {said}: use pictures of one mode of the camera")
        lens = (cameras[name].width, cameras[name].height)
        if sizes - {lens}:
            w, h = sizes.pop()
            raise UserError(f"camera {name} has {w}x{h} pictures, its lens was calibrated at {lens[0]}x{lens[1]}")
        if any(one is not None and len(one.ids) and one.ids.max() >= board.columns * board.rows for one in row):
            raise UserError(f"camera {name} saw corners that the board {board.size_text} does not have; check --board")


def _ground(floor: floors.Floor | None, looks: Looks, solved: Solved, board: Board) -> floors.Ground:
    poses = solved.fit.poses
    centers_m = np.array([inverted(T)[:3, 3] for T in poses.cam_from_root])
    boards_m = board_corners_m(poses.root_from_board, board)
    if floor is None:
        return floors.assumed(boards_m, centers_m)
    if isinstance(floor, floors.FloorFeet):
        return floors.from_feet(floor, centers_m)
    total = len(looks[solved.names[0]])
    if not -total <= floor.view < total:
        raise UserError(f"there is no view {floor.view} with the board on the floor; views are 0 ... {total - 1}")
    seen = [(c, look) for c, name in enumerate(solved.names) if (look := looks[name][floor.view]) is not None]
    if not seen:
        raise UserError(f"no camera sees the board on the floor in view {floor.view}; lay it nearer, with light on it")
    return floors.from_board(seen, poses.cam_from_root, board.points_m(), boards_m)


def board_corners_m(poses: Float64[ndarray, "views 4 4"], board: Board) -> Float64[ndarray, "n 3"]:
    """All corners of boards at these poses, in the axes the poses lead to."""
    corners = np.einsum("vij,cj->vci", poses[:, :3, :3], board.points_m()) + poses[:, None, :3, 3]
    return corners.reshape(-1, 3)


def _in_world(
    solved: Solved, ground: floors.Ground, cameras: Mapping[str, Camera]
) -> tuple[Rig, Float64[ndarray, "views 4 4"]]:
    """The rig in its world, and world_from_board, at the board's scale."""
    poses, root_from_world = solved.fit.poses, inverted(ground.world_from_root)
    placed_ = {
        name: replace(cameras[name], cam_from_world=poses.cam_from_root[c] @ root_from_world)
        for c, name in enumerate(solved.names)
    }
    return Rig(placed_), ground.world_from_root @ poses.root_from_board


def _scaled(
    rig: Rig, boards: Float64[ndarray, "views 4 4"], factor: float
) -> tuple[Rig, Float64[ndarray, "views 4 4"]]:
    """Everything larger by a factor, about the origin under the first camera."""
    stretch = np.ones((4, 4))
    stretch[:3, 3] = factor
    cameras = {n: replace(c, cam_from_world=rigid(c.R, factor * c.t)) for n, c in rig.cameras.items()}
    return replace(rig, cameras=cameras), boards * stretch


def _above(
    rig: Rig,
    boards: Float64[ndarray, "views 4 4"],
    board: Board,
    floor: floors.Floor | None,
    ground: floors.Ground,
    measured: scale.Scale,
) -> list[Reason]:
    reasons = floors.world_reasons(rig.cameras, board_corners_m(boards, board))
    if isinstance(floor, floors.FloorFeet):
        T = ground.world_from_root
        feet_m = (floor.points_m @ T[:3, :3].T + T[:3, 3]) * measured.factor
        reasons += floors.world_reasons({}, feet_m, what="the feet")
    return reasons


def _result(
    rig: Rig,
    verdict: Verdict,
    figures: Figures,
    measured: scale.Scale,
    solved: Solved,
    boards: Float64[ndarray, "views 4 4"],
    total: int,
) -> RigResult:
    sights, used = solved.scene.sights, np.array(solved.views)
    residuals = {}
    for c, name in enumerate(solved.names):
        rows = sights.camera == c
        residuals[name] = np.full((total, len(solved.scene.corners_m), 2), np.nan)
        residuals[name][used[sights.view[rows]], sights.corner[rows]] = solved.fit.residuals_px[rows]
    view_rms_px, world_from_board = np.full(total, np.nan), np.full((total, 4, 4), np.nan)
    view_rms_px[used], world_from_board[used] = solved.fit.view_rms_px(sights), boards
    return RigResult(rig, verdict, figures, measured, residuals, view_rms_px, solved.dropped, world_from_board)
