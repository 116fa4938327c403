"""The numbers of a rig from a board: how well it fits, how sure it is, and what held-fixed things would rather be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.spatial.distance import pdist

from calib.board import Board
from calib.camera import inverted
from calib.linking import Looks, shared_views
from calib.rig import Rig
from calib.rig_solution import Solved
from calib.scale import Scale
from calib.triangulate import point_sigma_m, triangulated

PLACE_PART, PLACE_DEG = 0.05, 5.0  # a board that moved less (of its distance) and turned less is at the same place


@dataclass(frozen=True, slots=True)
class Wish:
    """What a thing that is held fixed would rather be, by one step from the best fit."""

    value: float
    sigma: float

    @property
    def sure(self) -> bool:
        """Five standard deviations: corners err together, so three are reached by chance."""
        return abs(self.value) > 5 * self.sigma


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of a calibrated rig. Sigmas are those of the least sure camera against the first."""

    rms_px: float  # root mean square distance seen - projected, over all corners
    camera_rms_px: Mapping[str, float]
    views_shared: int
    views_used: int
    places: int  # views that differ in place or turn
    spread: float  # of the boards' places, part of their distance
    rotation_sigma_deg: float
    translation_sigma_deg: float  # direction of the baseline in the first camera's axes
    baseline_sigma: float  # relative, without the cues'
    scale_sigma: float  # relative, with the cues'
    margin: float  # how many times worse the next answer fits; inf: there is none
    distance_rmse_mm: float  # between triangulated corners of a view, against the board
    distance_bias_mm: float  # positive: the triangulated board is larger
    subject_m: float  # typical distance of the board from the cameras
    mm_per_px: float  # across the line of sight, there
    point_mm_per_px: float  # error of a triangulated point per pixel of noise, there
    bow_mm: Wish  # how far the board leaves its plane, from lowest to highest corner
    stretch: Wish  # y squares against x squares, relative to what the board says
    focal: Mapping[str, Wish]  # relative


def figures_of(solved: Solved, rig: Rig, looks: Looks, board: Board, measured: Scale) -> Figures:
    """All numbers; lengths in the rig's metres."""
    scene, fit = solved.scene, solved.fit
    rotation_deg, direction_deg, length = sigmas(solved)
    squares = (fit.residuals_px**2).sum(1)
    per_camera = {name: float(np.sqrt(squares[scene.sights.camera == c].mean())) for c, name in enumerate(solved.names)}
    rmse_m, bias_m = _distances(solved, board)
    boards = fit.poses.root_from_board
    middles = boards[:, :3, :3] @ board.points_m().mean(0) + boards[:, :3, 3]
    subject_m, mm_per_px, point_mm = _at_subject(solved, rig, middles, measured.factor)
    bow, stretch, focal = _wishes(solved, board)
    shared = {
        int(v) for i, a in enumerate(solved.names) for b in solved.names[i + 1 :] for v in shared_views(looks, a, b)
    }
    return Figures(
        rms_px=float(np.sqrt(squares.mean())),
        camera_rms_px=per_camera,
        views_shared=len(shared),
        views_used=len(solved.views),
        places=_places(boards, middles),
        spread=float(np.sqrt(((middles - middles.mean(0)) ** 2).sum(1).mean()) / np.linalg.norm(middles.mean(0))),
        rotation_sigma_deg=rotation_deg,
        translation_sigma_deg=direction_deg,
        baseline_sigma=length,
        scale_sigma=float(np.hypot(length, measured.sigma)),
        margin=min(link.margin for link in solved.links),
        distance_rmse_mm=rmse_m * measured.factor * 1000,
        distance_bias_mm=bias_m * measured.factor * 1000,
        subject_m=subject_m,
        mm_per_px=mm_per_px,
        point_mm_per_px=point_mm,
        bow_mm=bow,
        stretch=stretch,
        focal=focal,
    )


def sigmas(solved: Solved) -> tuple[float, float, float]:
    """Standard deviations of turn (deg), baseline direction (deg) and relative baseline length; the largest each."""
    found = []
    for c in range(1, len(solved.names)):
        T, block = solved.fit.poses.cam_from_root[c], slice(6 * c - 6, 6 * c)
        covariance = solved.fit.covariance[block, block]
        center = -T[:3, :3].T @ T[:3, 3]
        length = max(float(np.linalg.norm(center)), 1e-9)
        of_center = (
            T[:3, :3].T @ covariance[3:, 3:] @ T[:3, :3]
        )  # a step turns about the camera: the center only shifts
        along = float(center @ of_center @ center) / length**2
        across = max(float(np.trace(of_center)) - along, 0.0)
        turn = float(np.trace(covariance[:3, :3]))
        found.append((np.rad2deg(np.sqrt(turn)), np.rad2deg(np.sqrt(across) / length), np.sqrt(along) / length))
    rotation_deg, direction_deg, relative = np.max(found, axis=0)
    return float(rotation_deg), float(direction_deg), float(relative)


def _distances(solved: Solved, board: Board) -> tuple[float, float]:
    """Pooled error and signed bias (m, board's scale) of all distances between a view's triangulated corners."""
    sights, scene = solved.scene.sights, solved.scene
    corners_m = board.points_m()
    rays = np.full((len(solved.names), len(solved.views) * len(corners_m), 2), np.nan)
    for c, camera in enumerate(scene.cameras):
        rows = sights.camera == c
        rays[c, sights.view[rows] * len(corners_m) + sights.corner[rows]] = camera.rays(sights.px[rows])
    points = triangulated(rays, solved.fit.poses.cam_from_root).reshape(len(solved.views), len(corners_m), 3)
    errors = []
    for of_view in points:
        known = np.isfinite(of_view).all(1)
        if known.sum() >= 2:
            errors.append(pdist(of_view[known]) - pdist(corners_m[known]))
    if not errors:
        return float("nan"), float("nan")
    pooled = np.concatenate(errors)
    return float(np.sqrt((pooled**2).mean())), float(pooled.mean())


def _at_subject(
    solved: Solved, rig: Rig, middles: Float64[ndarray, "views 3"], factor: float
) -> tuple[float, float, float]:
    """Typical distance (m), mm across the line of sight and mm of a triangulated point per pixel, at the boards."""
    root_from_world = rig.cameras[solved.names[0]].cam_from_world
    assert root_from_world is not None
    T = inverted(root_from_world)
    world_m = middles * factor @ T[:3, :3].T + T[:3, 3]
    cameras = list(rig.cameras.values())
    away = np.array([np.linalg.norm(world_m - camera.center_world_m, axis=1) for camera in cameras])
    focal = np.array([[(camera.K[0, 0] + camera.K[1, 1]) / 2] for camera in cameras])
    point_mm = 1000 * float(np.median(point_sigma_m(cameras, world_m)))
    return float(np.median(away)), 1000 * float(np.median(away / focal)), point_mm


def _wishes(solved: Solved, board: Board) -> tuple[Wish, Wish, dict[str, Wish]]:
    """The board's bow (mm), the stretch of its y squares, and every camera's focal length."""
    scene, poses, sights = solved.scene, solved.fit.poses, solved.scene.sights
    at = board.points_m()[:, :2]
    unit = (at - at.mean(0)) / np.abs(at - at.mean(0)).max(0)
    shapes = np.column_stack([unit[:, 0] ** 2, unit[:, 1] ** 2, unit[:, 0] * unit[:, 1]])
    out_of_plane = scene.corner_slopes(poses, 2)[:, :, None] * shapes[sights.corner][:, None, :]
    along_y = scene.corner_slopes(poses, 1) * (at[sights.corner, 1:] - at[:, 1].mean())
    zoom = np.zeros((len(sights.px), 2, len(scene.cameras)))
    for c, camera in enumerate(scene.cameras):
        rows = np.flatnonzero(sights.camera == c)
        zoom[rows, :, c] = sights.px[rows] - camera.K[:2, 2]
    value, sigma = scene.wished(solved.fit, np.concatenate([out_of_plane, along_y[:, :, None], zoom], axis=2))
    height = shapes @ value[:3]
    plane = np.column_stack([unit, np.ones(len(unit))])
    height -= plane @ np.linalg.lstsq(plane, height, rcond=None)[0]
    bow = Wish(1000 * float(np.ptp(height)), 1000 * float(np.linalg.norm(sigma[:3])))
    focal = {name: Wish(float(value[4 + c]), float(sigma[4 + c])) for c, name in enumerate(solved.names)}
    return bow, Wish(float(value[3]), float(sigma[3])), focal


def _places(boards: Float64[ndarray, "views 4 4"], middles: Float64[ndarray, "views 3"]) -> int:
    """How many views differ from all counted before in place or turn."""
    kept: list[int] = []
    for v in range(len(boards)):
        moved = [np.linalg.norm(middles[v] - middles[k]) / np.linalg.norm(middles[k]) > PLACE_PART for k in kept]
        alike = [float(np.trace(boards[v, :3, :3].T @ boards[k, :3, :3])) for k in kept]
        turned = [trace < 1 + 2 * np.cos(np.deg2rad(PLACE_DEG)) for trace in alike]
        if all(m or t for m, t in zip(moved, turned, strict=True)):
            kept.append(v)
    return len(kept)
