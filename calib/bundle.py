"""Bundle adjustment of cameras and board poses; lenses stay as they are.

Root: the axes of the first camera. Unknowns are the poses of the other cameras and of the board in every view, moved by
T <- exp(step) T. Levenberg-Marquardt on the normal equations, the board poses eliminated by the Schur complement
(Triggs et al., Bundle Adjustment - A Modern Synthesis, 2000): a few hundred unknowns cost milliseconds a step.
`tests/calib/test_stereo.py` holds it against scipy.optimize.least_squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray
from scipy.spatial.transform import Rotation

from calib.camera import Camera

STEPS_MAX, ROUGH_STEPS_MAX = 40, 12
TOLERANCE, ROUGH_TOLERANCE = 1e-12, 1e-5  # relative gain of the cost at which the search ends
LEAST_PX = 1e-6  # without noise no residual is typical
BEHIND_M = 1e-3  # a point nearer to the camera's plane is projected as if it lay there


@dataclass(frozen=True, slots=True)
class Sights:
    """Corners as they were seen: one row per corner, sorted by view, every view 0 ... views - 1 present."""

    camera: Int64[ndarray, "n"]
    view: Int64[ndarray, "n"]
    corner: Int64[ndarray, "n"]
    px: Float64[ndarray, "n 2"]

    def __post_init__(self) -> None:
        if not len(self.view) or (np.diff(self.view) < 0).any() or len(self.view_starts) != self.view[-1] + 1:
            raise ValueError("sights come sorted by view, and every view has some")

    @property
    def view_starts(self) -> Int64[ndarray, "views"]:
        """First row of every view."""
        return np.flatnonzero(np.diff(self.view, prepend=-1)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Poses:
    """Where cameras and boards are, in the first camera's axes; metres."""

    cam_from_root: Float64[ndarray, "cameras 4 4"]  # the first is the identity
    root_from_board: Float64[ndarray, "views 4 4"]


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Poses that fit best. `covariance` is that of the other cameras' steps: turn (rad), then shift (m), each."""

    poses: Poses
    residuals_px: Float64[ndarray, "n 2"]  # seen - projected
    covariance: Float64[ndarray, "g g"]  # g = 6 (cameras - 1)
    sigma_px: float  # of one coordinate, from the residuals and the degrees of freedom
    scale_px: float  # of the loss: larger residuals pull less

    def view_rms_px(self, sights: Sights) -> Float64[ndarray, "views"]:
        """Root mean square distance in every view, pixels."""
        return view_rms(self.residuals_px, sights)


@dataclass(frozen=True, slots=True)
class Scene:
    """What stays fixed: the cameras' lenses, the board's corners and where they were seen."""

    cameras: Sequence[Camera]
    corners_m: Float64[ndarray, "corners 3"]
    sights: Sights

    def residuals_px(self, poses: Poses) -> Float64[ndarray, "n 2"]:
        """Seen - projected."""
        return self._linearised(poses)[0]

    def _linearised(
        self, poses: Poses
    ) -> tuple[Float64[ndarray, "n 2"], Float64[ndarray, "n 2 g"], Float64[ndarray, "n 2 6"]]:
        """Residuals, and how the pixels move with the cameras' and with the view's step."""
        sights = self.sights
        of_view = poses.root_from_board[sights.view]
        root_m = np.einsum("nij,nj->ni", of_view[:, :3, :3], self.corners_m[sights.corner]) + of_view[:, :3, 3]
        residuals = np.empty((len(root_m), 2))
        by_camera = np.zeros((len(root_m), 2, 6 * (len(self.cameras) - 1)))
        by_view = np.empty((len(root_m), 2, 6))
        for index, camera in enumerate(self.cameras):
            rows = np.flatnonzero(sights.camera == index)
            R, t = poses.cam_from_root[index, :3, :3], poses.cam_from_root[index, :3, 3]
            cam_m = root_m[rows] @ R.T + t
            px, slopes = pixels_and_slopes(camera, cam_m)
            residuals[rows] = sights.px[rows] - px
            if index:
                by_camera[rows, :, 6 * index - 6 : 6 * index] = slopes @ _step_slopes(cam_m)
            by_view[rows] = slopes @ R @ _step_slopes(root_m[rows])
        return residuals, by_camera, by_view

    def adjusted(self, poses: Poses, *, rough: bool = False) -> Adjusted:
        """The poses of the pseudo-Huber loss at the typical residual of least squares.

        Views differ in blur and motion; the loss lets the sharp ones decide. `rough`: nearly there, and where many
        views are wrong.
        """
        if rough:
            for _ in range(2):
                scale_px = 3 * float(np.median(_lengths(self.residuals_px(poses)))) + LEAST_PX
                poses = self._descended(poses, scale_px, ROUGH_TOLERANCE)
        else:
            poses = self._descended(poses, None, TOLERANCE)
            scale_px = float(np.median(_lengths(self.residuals_px(poses)))) + LEAST_PX
            poses = self._descended(poses, scale_px, TOLERANCE)
        residuals, by_camera, by_view = self._linearised(poses)
        weights = _loss(residuals, scale_px)[1]
        _, model, by_views, sigma_px = self._confidence(by_camera, by_view, residuals, weights)
        together = float(np.trace(np.linalg.pinv(model, hermitian=True) @ by_views)) / len(model)
        return Adjusted(poses, residuals, model * max(1.0, together), sigma_px, scale_px)

    def _confidence(
        self,
        by_all: Float64[ndarray, "n 2 g"],
        by_view: Float64[ndarray, "n 2 6"],
        residuals: Float64[ndarray, "n 2"],
        weights: Float64[ndarray, "n"],
    ) -> tuple[Float64[ndarray, "g"], Float64[ndarray, "g g"], Float64[ndarray, "g g"], float]:
        """The Gauss-Newton step of g unknowns, two covariances of it, and the sigma of a coordinate (px).

        The first takes every corner's error for its own (Huber 1981, 7.6), the second all errors of one view for one
        (the sandwich clustered by views): blur, motion and clocks move a view's corners together.
        """
        starts, root = self.sights.view_starts, np.sqrt(weights)[:, None]
        normal = Normal.of(by_all * root[..., None], by_view * root[..., None], residuals * root, starts)
        inverse = np.linalg.pinv(normal.reduced(0.0)[0], hermitian=True)
        step, view_steps = normal.step(0.0)
        left = residuals - by_all @ step - np.einsum("nki,ni->nk", by_view, view_steps[self.sights.view])
        pulled = weights[:, None] * left
        freedom = max(residuals.size - by_all.shape[2] - 6 * len(starts), 1)
        steepness, mean = float((weights + weights**3).mean() / 2), float(weights.mean())
        square = float((pulled**2).sum()) / freedom
        influence = mean / steepness * np.add.reduceat(np.einsum("nki,nk->ni", by_all, pulled), starts) @ inverse
        clustered = influence.T @ influence * len(starts) / max(len(starts) - 1, 1)
        return step, inverse * (mean * square / steepness**2), clustered, float(np.sqrt(square)) / steepness

    def _descended(self, poses: Poses, scale_px: float | None, tolerance: float) -> Poses:
        damping = 1e-4
        residuals, by_camera, by_view = self._linearised(poses)
        cost, weights = _loss(residuals, scale_px)
        for _ in range(STEPS_MAX if tolerance < ROUGH_TOLERANCE else ROUGH_STEPS_MAX):
            root = np.sqrt(weights)[:, None]
            normal = Normal.of(
                by_camera * root[..., None], by_view * root[..., None], residuals * root, self.sights.view_starts
            )
            moved = _moved(poses, *normal.step(damping))
            trial = self._linearised(moved)
            trial_cost, trial_weights = _loss(trial[0], scale_px)
            if not trial_cost < cost:
                damping *= 10
                if damping > 1e6:
                    break
                continue
            done = cost - trial_cost <= tolerance * cost
            poses, cost, weights, damping = moved, trial_cost, trial_weights, max(damping / 10, 1e-12)
            residuals, by_camera, by_view = trial
            if done:
                break
        return poses

    def wished(
        self, fit: Adjusted, extra: Float64[ndarray, "n 2 k"]
    ) -> tuple[Float64[ndarray, "k"], Float64[ndarray, "k"]]:
        """What k further unknowns would take on, and their standard deviations, by one step from the best fit.

        `extra` says how the pixels move with them. A test of what is held fixed: nothing is changed.
        """
        residuals, by_camera, by_view = self._linearised(fit.poses)
        both, weights = np.concatenate([by_camera, extra], axis=2), _loss(residuals, fit.scale_px)[1]
        step, model, by_views, _ = self._confidence(both, by_view, residuals, weights)
        k = extra.shape[2]
        return step[-k:], np.sqrt(np.maximum(np.diag(model), np.diag(by_views)))[-k:]

    def corner_slopes(self, poses: Poses, axis: int) -> Float64[ndarray, "n 2"]:
        """How the pixels move when a corner moves along the board's x, y or z axis; pixels per metre."""
        _, _, by_view = self._linearised(poses)
        directions = poses.root_from_board[self.sights.view][:, :3, axis]
        return np.einsum("nki,ni->nk", by_view[:, :, 3:], directions)


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal equations in blocks: g unknowns of all views, 6 of each view."""

    gg: Float64[ndarray, "g g"]
    gv: Float64[ndarray, "views g 6"]
    vv: Float64[ndarray, "views 6 6"]
    g: Float64[ndarray, "g"]
    v: Float64[ndarray, "views 6"]

    @classmethod
    def of(
        cls,
        by_all: Float64[ndarray, "n 2 g"],
        by_view: Float64[ndarray, "n 2 6"],
        residuals: Float64[ndarray, "n 2"],
        starts: Int64[ndarray, "views"],
    ) -> Normal:
        """From the slopes of all rows."""
        flat = by_all.reshape(-1, by_all.shape[2])
        turned = by_all.transpose(0, 2, 1)
        return cls(
            flat.T @ flat,
            np.add.reduceat(turned @ by_view, starts),
            np.add.reduceat(by_view.transpose(0, 2, 1) @ by_view, starts),
            flat.T @ residuals.ravel(),
            np.add.reduceat(np.einsum("nki,nk->ni", by_view, residuals), starts),
        )

    def _views_inverted(self, damping: float) -> Float64[ndarray, "views 6 6"]:
        diagonal = np.einsum("vii->vi", self.vv)
        return np.linalg.inv(self.vv + np.einsum("vi,ij->vij", damping * diagonal + 1e-12, np.eye(6)))

    def reduced(self, damping: float) -> tuple[Float64[ndarray, "g g"], Float64[ndarray, "g"]]:
        """Information and gradient of the g unknowns, the views' eliminated."""
        taken = self.gv @ self._views_inverted(damping)
        information = self.gg + damping * np.diag(np.diag(self.gg)) - np.einsum("vgi,vhi->gh", taken, self.gv)
        return information, self.g - np.einsum("vgi,vi->g", taken, self.v)

    def step(self, damping: float) -> tuple[Float64[ndarray, "g"], Float64[ndarray, "views 6"]]:
        """The damped Gauss-Newton step."""
        information, gradient = self.reduced(damping)
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        left = self.v - np.einsum("vgi,g->vi", self.gv, step)
        return step, np.einsum("vij,vj->vi", self._views_inverted(damping), left)


def pixels_and_slopes(
    camera: Camera, cam_m: Float64[ndarray, "n 3"]
) -> tuple[Float64[ndarray, "n 2"], Float64[ndarray, "n 2 3"]]:
    """Pixels of points in the camera's axes, and how they move with the points (pixels per metre)."""
    if not len(cam_m):
        return np.zeros((0, 2)), np.zeros((0, 2, 3))
    points, zero = cam_m.copy(), np.zeros(3)
    points[:, 2] = np.maximum(points[:, 2], BEHIND_M)
    if camera.model == "fisheye":
        px, slopes = cv2.fisheye.projectPoints(points[:, None], zero, zero, camera.K, camera.dist)
        return px[:, 0], slopes[:, 11:14].reshape(-1, 2, 3)
    px, slopes = cv2.projectPoints(points[:, None], zero, zero, camera.K, camera.dist)
    return px[:, 0], slopes[:, 3:6].reshape(-1, 2, 3)


def view_rms(residuals_px: Float64[ndarray, "n 2"], sights: Sights) -> Float64[ndarray, "views"]:
    """Root mean square distance in every view, pixels."""
    counts = np.bincount(sights.view)
    return np.sqrt(np.bincount(sights.view, (residuals_px**2).sum(1)) / counts)


def _step_slopes(points_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "n 3 6"]:
    """How points move with a step of their frame: turn about the origin, then shift."""
    x, y, z = points_m.T
    slopes = np.zeros((len(points_m), 3, 6))
    slopes[:, 0, 1], slopes[:, 0, 2], slopes[:, 1, 2] = z, -y, x
    slopes[:, 1, 0], slopes[:, 2, 0], slopes[:, 2, 1] = -z, y, -x
    slopes[:, :, 3:] = np.eye(3)
    return slopes


def _moved(poses: Poses, cameras: Float64[ndarray, "g"], views: Float64[ndarray, "views 6"]) -> Poses:
    steps = np.concatenate([np.zeros((1, 6)), cameras.reshape(-1, 6)])
    return Poses(_stepped(poses.cam_from_root, steps), _stepped(poses.root_from_board, views))


def _stepped(T: Float64[ndarray, "n 4 4"], steps: Float64[ndarray, "n 6"]) -> Float64[ndarray, "n 4 4"]:
    move = np.tile(np.eye(4), (len(T), 1, 1))
    move[:, :3, :3] = Rotation.from_rotvec(steps[:, :3]).as_matrix()
    move[:, :3, 3] = steps[:, 3:]
    return move @ T


def _lengths(residuals: Float64[ndarray, "n 2"]) -> Float64[ndarray, "n"]:
    return np.sqrt((residuals**2).sum(1))


def _loss(residuals: Float64[ndarray, "n 2"], scale: float | None) -> tuple[float, Float64[ndarray, "n"]]:
    """Cost, and the weights that give its slope."""
    squares = (residuals**2).sum(1)
    if scale is None:
        return float(squares.sum()), np.ones(len(squares))
    root = np.sqrt(1 + squares / scale**2)
    return float(2 * scale**2 * (root - 1).sum()), 1 / root
