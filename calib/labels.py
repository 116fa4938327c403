"""3D labels from two views of one person: gated, left and right mended, fitted to bones, smoothed, with covariances.

Gate, then fit, then smooth: a filter before the gate smears every wrong joint over its neighbours in time. What is
flagged takes part only as far as the fit needs it, and is not to be learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib import label_checks as checks
from calib.bone_fit import View, fit_bones
from calib.camera import Camera, inverted
from calib.epipolar import Relative, sampson
from calib.joint_track import Body, Track
from calib.label_checks import Flag
from calib.moments import local_parabola
from calib.sides import Rays, told_sides
from calib.triangulate import triangulated

SMOOTHING_S = 0.03  # standard deviation of the kernel
GAP_S = 0.3  # shorter gaps are bridged, for smoothing only
LENGTH_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Labels:
    """Joints in the rig's world at the tracks' moments, in the rig's unit."""

    time_s: Float64[ndarray, "frames"]
    points: Float64[ndarray, "frames joints 3"]  # smoothed; of flagged joints a guess
    covariance: Float64[ndarray, "frames joints 3 3"]
    flags: Int64[ndarray, "frames joints"]  # bits of `Flag`; 0: kept
    suspicion: Float64[ndarray, "frames joints"]  # over 1: flagged
    bones: Float64[ndarray, "bones"]
    height: float  # that the bones give
    sigma_px: float  # of a joint's coordinate in a view
    raw: Float64[ndarray, "frames joints 3"]  # triangulated as seen; NaN where not in both views

    @property
    def kept(self) -> Bool[ndarray, "frames joints"]:
        """What may be learned from."""
        return self.flags == 0

    @property
    def sigma(self) -> Float64[ndarray, "frames joints"]:
        """Standard deviation of each point: root of the covariance's trace."""
        return np.sqrt(np.maximum(np.einsum("njaa->nj", self.covariance), 0.0))


def fit_labels(a: Track, b: Track, cameras: Sequence[Camera], body: Body) -> Labels:
    """Labels from tracks of the same moments and cameras placed in one world, of any unit."""
    relative = Relative.of(cameras[1].cam_from_world @ inverted(cameras[0].cam_from_world))  # type: ignore[operator]
    focal_px = float(np.mean([camera.K[0, 0] for camera in cameras]))
    rays = np.stack([track.rays(camera) for track, camera in zip((a, b), cameras, strict=True)])
    rays, score, sided = _sides_told(rays, (a, b), relative, cameras, body)
    residuals_px = focal_px * _residuals(rays[0], rays[1], relative)
    raw = _points(rays, cameras)
    gate_px = checks.gate_px(residuals_px[:, body.core], focal_px)
    met = np.abs(residuals_px) <= gate_px  # NaN: no
    gated = np.where(met[..., None], raw, np.nan)
    height, bones = lengths(gated, body)
    around = _bridged(checks.running_median(gated, checks.MEDIAN_FRAMES), raw)
    near = np.linalg.norm(gated - around, axis=-1) <= checks.AWAY * height
    start = np.where((met & near)[..., None], gated, around)
    sigma_px = max(1.4826 * float(np.nanmedian(np.abs(residuals_px[:, body.core]))), 1e-3)
    views = [
        View(camera, seen, np.where(np.isfinite(seen[..., 0]), of_view**2, 0.0))
        for camera, seen, of_view in zip(cameras, rays, score, strict=True)
    ]
    for _ in range(LENGTH_ROUNDS):
        fitted = fit_bones(views, start, around, body, bones, sigma_px=sigma_px, height=height)
        sure = np.where((fitted.kept > checks.KEPT_LEAST)[..., None] & met[..., None], fitted.points, np.nan)
        start = fitted.points
        around = _bridged(checks.running_median(sure, checks.MEDIAN_FRAMES), fitted.points)
    flags, suspicion = _flags(
        raw, fitted.points, around, fitted.kept, residuals_px, gate_px, sided, body, bones, height
    )
    smooth = _smoothed(a.time_s, fitted.points, flags == 0, fitted.covariance)
    return Labels(a.time_s, smooth, fitted.covariance, flags, suspicion, bones, height, sigma_px, raw)


def lengths(points: Float64[ndarray, "frames joints 3"], body: Body) -> tuple[float, Float64[ndarray, "bones"]]:
    """The body's height and bones: medians over frames, left like right; what is never seen, by proportion."""
    found = np.full(len(body.bones), np.nan)
    for i, (child, parent) in enumerate(body.bones):
        now = np.linalg.norm(points[:, child] - points[:, parent], axis=-1)
        now = now[np.isfinite(now)]
        found[i] = float(np.median(now)) if len(now) else np.nan
    both = np.stack([found, found[body.mirrored_bones]])
    some = np.isfinite(both).any(0)
    found[some] = np.nanmean(both[:, some], axis=0)
    parts = np.array(body.bone_parts)
    telling = some & body.core[np.array(body.bones)].all(1)
    if not telling.any():
        raise ValueError("no bone was seen by both cameras in any frame")
    # long bones are little stretched by noise and differ little between people
    weights = np.where(telling, parts, 0.0)
    height = float((weights * np.where(some, found / parts, 0.0)).sum() / weights.sum())
    return height, np.where(some, found, parts * height)


def _residuals(a: ndarray, b: ndarray, relative: Relative) -> Float64[ndarray, "frames joints"]:
    return sampson(relative.E, a.reshape(-1, 2), b.reshape(-1, 2)).reshape(a.shape[:2])


def _points(rays: Float64[ndarray, "2 frames joints 2"], cameras: Sequence[Camera]) -> ndarray:
    poses = np.stack([camera.cam_from_world for camera in cameras])  # type: ignore[misc]
    known = np.isfinite(rays).all((0, 3))
    points = np.full((*rays.shape[1:3], 3), np.nan)
    points[known] = triangulated(np.ascontiguousarray(rays[:, known]), poses)
    for camera in cameras:  # a point behind a camera is none
        points[points @ camera.R[2] + camera.t[2] <= 0] = np.nan
    return points


def _sides_told(
    rays: Rays, tracks: Sequence[Track], relative: Relative, cameras: Sequence[Camera], body: Body
) -> tuple[Rays, Float64[ndarray, "2 frames joints"], Float64[ndarray, "frames joints"]]:
    """Rays and scores with left and right where they belong, and how sure each joint's side is."""
    misses = _residuals(rays[0], rays[1], relative)
    usual = max(1.4826 * float(np.nanmedian(np.abs(misses[:, body.core]))), 1e-9)
    raw = _points(rays, cameras)
    height, _ = lengths(np.where((np.abs(misses) < checks.GATE_SIGMAS * usual)[..., None], raw, np.nan), body)
    sides = told_sides(
        rays, lambda r: _points(r, cameras), lambda r: _residuals(r[0], r[1], relative) / usual, body, height
    )
    rays, score = rays.copy(), np.stack([track.score for track in tracks])
    sure, mirror = np.ones(score.shape[1:]), np.array(body.mirror)
    for k, limb in enumerate(body.limbs):
        right = [*limb, *body.along[k]]
        joints = np.array([*right, *mirror[right]])
        sure[:, joints] = sides.sure[:, [k]]
        for view in (0, 1):
            frames = np.flatnonzero(sides.exchanged[view, :, k])[:, None]
            for values in (rays[view], score[view]):
                values[frames, joints] = values[frames, mirror[joints]]
    return rays, score, sure


def _bridged(points: ndarray, instead: ndarray) -> ndarray:
    """Without NaN: along lines in time, else by the other points, else the middle of all."""
    result = points.copy()
    frames = np.arange(len(points))
    middle = np.nanmedian(points.reshape(-1, 3), axis=0)
    for joint in range(points.shape[1]):
        known = np.isfinite(points[:, joint, 0])
        if known.any():
            for axis in range(3):
                result[~known, joint, axis] = np.interp(frames[~known], frames[known], points[known, joint, axis])
    result = np.where(np.isfinite(result), result, instead)
    return np.where(np.isfinite(result), result, middle)


def _flags(
    raw, points, around, kept, residuals_px, gate_px, sided, body, bones, height
) -> tuple[Int64[ndarray, "frames joints"], Float64[ndarray, "frames joints"]]:
    """Bits, and the largest of all checks by its own limit."""
    away = np.linalg.norm(points - around, axis=-1) / (checks.AWAY * height)
    raw_away = np.linalg.norm(raw - around, axis=-1) / (checks.AWAY * height)
    amounts = {
        Flag.EPIPOLAR: np.abs(residuals_px) / gate_px,
        Flag.BONE: checks.bone_off(raw, body, bones) / checks.BONE_OFF,
        Flag.LOSS: (1 - kept) / (1 - checks.KEPT_LEAST),
        Flag.JUMP: np.fmax(away, raw_away),
        Flag.TWICE: checks.beside_mirror(points, body, height),
        Flag.SIDES: (1 - sided) / (1 - checks.SIDES_SURE),
    }
    unseen = ~np.isfinite(raw).all(-1)
    flags = np.where(unseen, int(Flag.UNSEEN), 0)
    suspicion = np.zeros(flags.shape)
    for flag, amount in amounts.items():
        known = np.where(np.isfinite(amount), amount, 0.0)
        flags = flags | np.where(known > 1, int(flag), 0)
        suspicion = np.maximum(suspicion, known)
    return flags.astype(np.int64), np.where(unseen, np.inf, suspicion)


def _smoothed(time_s: ndarray, points: ndarray, kept: ndarray, covariance: ndarray) -> ndarray:
    """Local parabolas over kept joints; where none is near, the fitted point stays."""
    weights = kept / np.maximum(np.einsum("njaa->nj", covariance), 1e-12)
    typical = float(np.median(weights[kept])) if kept.any() else 1.0
    values = np.where(kept[..., None], points, np.nan)
    smooth, _ = local_parabola(time_s, values, weights / typical, SMOOTHING_S)
    return np.where(np.isfinite(smooth), smooth, points)
