"""Fitting one lens and a pose per picture to board corners: least squares on the reprojection error.

Levenberg-Marquardt with the poses eliminated (Schur complement), after Triggs et al., Bundle Adjustment (1999).
The information left on the lens when every pose is free is what its standard deviations come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.lens_models import START, Kind, LensModel, plain_lens, project, rays_of

MAX_STEPS = 60
CONVERGED = 1e-13  # relative fall of the cost
POSES_CONVERGED = 1e-8
FOCAL_STARTS = (0.45, 1.0, 2.2)  # times the longer side: 96, 53 and 26 degrees of view
START_VIEWS = 12  # for the choice of the start
TRIMMED = 0.2  # of the views: a start is fitted without those that fit worst
EIGENVALUE_FLOOR = 1e-14  # relative; what the data do not see gets an enormous deviation, not an error


@dataclass(frozen=True)
class BoardView:
    """The corners of one picture."""

    px: Float64[ndarray, "n 2"]
    ids: Int64[ndarray, "n"]
    points_m: Float64[ndarray, "n 3"]

    def only(self, keep: ndarray) -> BoardView:
        """The same without the corners that are not kept."""
        return BoardView(self.px[keep], self.ids[keep], self.points_m[keep])


@dataclass(frozen=True)
class LensFit:
    """A lens and the board's pose (rotation vector, translation) in each view."""

    kind: Kind
    lens: Float64[ndarray, "lens"]
    poses: Float64[ndarray, "views 6"]
    residuals_px: tuple[Float64[ndarray, "_ 2"], ...]  # seen - projected, per view
    derivatives: tuple[tuple[ndarray, ndarray], ...] = field(repr=False)  # of the projection, per view: `project`

    @property
    def squares(self) -> Float64[ndarray, "views"]:
        """Mean squared distance per view, px^2."""
        return np.array([np.square(r).sum(axis=1).mean() for r in self.residuals_px])

    @property
    def rms_px(self) -> float:
        """Root mean square of the corners' distances, OpenCV's definition."""
        return float(np.sqrt(np.square(np.concatenate(self.residuals_px)).sum(axis=1).mean()))


@dataclass(frozen=True)
class Equations:
    """Normal equations, poses apart: per view the blocks of numbers that all views share (s) and of its pose (6)."""

    shared: Float64[ndarray, "views s s"]
    cross: Float64[ndarray, "views s 6"]
    own: Float64[ndarray, "views 6 6"]
    shared_gradient: Float64[ndarray, "views s"]
    own_gradient: Float64[ndarray, "views 6"]

    def reduced(self) -> tuple[Float64[ndarray, "views s s"], Float64[ndarray, "views s"]]:
        """Information and gradient that each view leaves on the shared numbers when its pose is free."""
        gain = self.cross @ np.linalg.pinv(self.own, rcond=1e-13, hermitian=True)
        information = self.shared - gain @ self.cross.transpose(0, 2, 1)
        return information, self.shared_gradient - (gain @ self.own_gradient[..., None])[..., 0]

    def step(self, damping: float) -> tuple[Float64[ndarray, "s"], Float64[ndarray, "views 6"]]:
        """The step of the shared numbers and of the poses, with Marquardt's scaled damping."""
        own = self.own + damping * _diagonal(self.own)
        shared = self.shared.sum(axis=0)
        gain = self.cross @ np.linalg.inv(own)
        left = shared + damping * np.diag(np.diag(shared)) - (gain @ self.cross.transpose(0, 2, 1)).sum(axis=0)
        right = (self.shared_gradient - (gain @ self.own_gradient[..., None])[..., 0]).sum(axis=0)
        scale = np.sqrt(np.maximum(np.diag(shared), np.finfo(float).tiny))
        step = np.linalg.lstsq(left / np.outer(scale, scale), right / scale, rcond=None)[0] / scale
        rest = self.own_gradient - np.einsum("vsp,s->vp", self.cross, step)
        return step, np.linalg.solve(own, rest[..., None])[..., 0]


def equations(
    views: Sequence[BoardView], fit: LensFit, columns: Float64[ndarray, "lens free"], board_shapes: bool = False
) -> Equations:
    """Normal equations at a fit; with `board_shapes` four more shared numbers bend and stretch the board."""
    blocks = []
    for view, pose, residual, (by_lens, by_pose) in zip(
        views, fit.poses, fit.residuals_px, fit.derivatives, strict=True
    ):
        by_shared = by_lens @ columns
        if board_shapes:
            by_shared = np.hstack([by_shared, _by_board_shape(view.points_m, pose, by_pose)])
        r = residual.ravel()
        shared, own = by_shared.T, by_pose.T
        blocks.append((shared @ by_shared, shared @ by_pose, own @ by_pose, shared @ r, own @ r))
    return Equations(*(np.stack(part) for part in zip(*blocks, strict=True)))


def _by_board_shape(
    points_m: Float64[ndarray, "n 3"], pose: Float64[ndarray, "6"], by_pose: Float64[ndarray, "twice_n 6"]
) -> Float64[ndarray, "twice_n 4"]:
    """Derivatives by bow along x, bow along y, twist (height = number * x x, y y, x y) and stretch along y."""
    x, y, _ = points_m.T
    R = cv2.Rodrigues(pose[:3])[0]
    by_height, by_y = by_pose[:, 3:] @ R[:, 2], by_pose[:, 3:] @ R[:, 1]
    heights = [np.repeat(h, 2) * by_height for h in (x * x, y * y, x * y)]
    return np.column_stack([*heights, np.repeat(y, 2) * by_y])


def fit_lens(
    views: Sequence[BoardView],
    kind: Kind,
    lens: Float64[ndarray, "lens"],
    poses: Float64[ndarray, "views 6"],
    columns: Float64[ndarray, "lens free"],
    *,
    max_steps: int = MAX_STEPS,
    converged: float = CONVERGED,
) -> LensFit:
    """The least-squares fit from a start. Without columns the lens stays and only poses are fitted."""
    fit, damping = evaluate(views, kind, lens, poses), 1e-4
    for _ in range(max_steps):
        normal = equations(views, fit, columns)
        cost = _cost(fit)
        while damping < 1e8:
            shared, own = normal.step(damping)
            tried = evaluate(views, kind, fit.lens + columns @ shared, fit.poses + own)
            if _cost(tried) <= cost:
                break
            damping *= 10
        else:
            return fit
        fit, damping = tried, max(damping / 10, 1e-12)
        if cost - _cost(fit) <= converged * cost:
            return fit
    return fit


def evaluate(
    views: Sequence[BoardView], kind: Kind, lens: Float64[ndarray, "lens"], poses: Float64[ndarray, "views 6"]
) -> LensFit:
    """Residuals of a lens and poses; not numbers where the lens is impossible or a board behind the camera."""
    possible = np.isfinite(lens).all() and np.isfinite(poses).all() and lens[:2].min() > 0 and (poses[:, 5] > 0).all()
    if not possible:
        return LensFit(kind, lens, poses, tuple(np.full_like(view.px, np.nan) for view in views), ())
    projected = project(kind, lens, poses, [view.points_m for view in views])
    residuals_px = tuple(view.px - px for view, (px, _, _) in zip(views, projected, strict=True))
    return LensFit(kind, lens, poses, residuals_px, tuple((by_lens, by_pose) for _, by_lens, by_pose in projected))


def start_fit(views: Sequence[BoardView], kind: Kind, size_px: tuple[int, int]) -> LensFit:
    """A first fit with one focal length and k1, the best of several starts, without the views that fit worst.

    Least trimmed squares over views with concentration steps, after Rousseeuw and Van Driessen (2006).
    """
    columns = START[kind].columns
    some = list(views[:: -(-len(views) // START_VIEWS)])
    fits = []
    for share in FOCAL_STARTS:
        lens = plain_lens(kind, share * max(size_px), size_px)
        fits.append(fit_lens(some, kind, lens, start_poses(some, kind, lens), columns, max_steps=12))
    lens = min(fits, key=_cost).lens
    fit = fit_poses(views, kind, lens, start_poses(views, kind, lens))
    for _ in range(2):
        best = np.argsort(fit.squares, kind="stable")[: len(views) - int(TRIMMED * len(views))].tolist()
        trimmed = fit_lens([views[k] for k in best], kind, fit.lens, fit.poses[best], columns)
        # a plane has two poses that look alike; the better lens tells them apart
        fit = fit_poses(views, kind, trimmed.lens, start_poses(views, kind, trimmed.lens, fit.poses))
    return fit


def fit_poses(
    views: Sequence[BoardView], kind: Kind, lens: Float64[ndarray, "lens"], poses: Float64[ndarray, "views 6"]
) -> LensFit:
    """Only the poses, near enough to go on from; the lens stays."""
    return fit_lens(views, kind, lens, poses, np.zeros((len(lens), 0)), converged=POSES_CONVERGED)


def start_poses(
    views: Sequence[BoardView],
    kind: Kind,
    lens: Float64[ndarray, "lens"],
    known: Float64[ndarray, "views 6"] | None = None,
) -> Float64[ndarray, "views 6"]:
    """Per view the best of the two poses of a plane (IPPE, Collins and Bartoli 2014) and of the one already known."""
    options = np.array([_plane_poses(view, kind, lens) for view in views])
    tries = [options[:, 0], options[:, 1], *([] if known is None else [known])]
    squares = np.array([evaluate(views, kind, lens, poses).squares for poses in tries])
    best = np.argmin(np.where(np.isfinite(squares), squares, np.inf), axis=0)
    return np.array([tries[choice][k] for k, choice in enumerate(best)])


def _plane_poses(view: BoardView, kind: Kind, lens: Float64[ndarray, "lens"]) -> Float64[ndarray, "2 6"]:
    rays = rays_of(kind, lens, view.px)
    good = np.isfinite(rays).all(axis=1)
    poses = np.tile([0, 0, 0, 0, 0, 1.0], (2, 1))
    if good.sum() < 4:
        return poses
    points, rays = np.ascontiguousarray(view.points_m[good]), np.ascontiguousarray(rays[good])
    _, rotations, translations, _ = cv2.solvePnPGeneric(points, rays, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
    found = [np.concatenate([r.ravel(), t.ravel()]) for r, t in zip(rotations, translations, strict=True)]
    before = [pose for pose in found if np.isfinite(pose).all() and pose[5] > 0]
    poses[: len(before)] = before[:2] if before else poses[:0]
    return poses


def fit_model(views: Sequence[BoardView], model: LensModel, start: LensFit) -> LensFit:
    """A richer or poorer model of the same kind, from a fit of another."""
    columns = model.columns
    lens = columns @ (np.linalg.pinv(columns) @ start.lens)
    return fit_lens(views, model.kind, lens, start.poses, columns)


def covariance(information: Float64[ndarray, "s s"]) -> Float64[ndarray, "s s"]:
    """Inverse of the information; directions that are not seen get an enormous variance instead of an error."""
    scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    inverse = vectors / np.maximum(values, EIGENVALUE_FLOOR * values.max()) @ vectors.T
    return inverse / np.outer(scale, scale)


def _cost(fit: LensFit) -> float:
    total = sum(float(np.square(r).sum()) for r in fit.residuals_px)
    return total if np.isfinite(total) else np.inf


def _diagonal(blocks: Float64[ndarray, "views n n"]) -> Float64[ndarray, "views n n"]:
    return blocks * np.eye(blocks.shape[-1])
