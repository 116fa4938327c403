"""What a small residual hides when cameras are placed by a person: too little movement, a flat body, views too alike.

Everything is measured in parts of the body's height, since the metre is not known yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.epipolar import Pairs
from calib.epipolar_pose import Pose
from calib.epipolar_search import NOMINAL_FOCAL_PX, thinned, threshold_px
from calib.joint_track import Body
from calib.triangulate import midpoints
from calib.verdict import Light, Reason, Verdict

FRAMES = 300
PLANAR = (0.65, 0.8)  # share of pairs that a plane explains as well: yellow, red
THIN = 0.09  # least extent of all joints of all frames, parts of height
STILL = 0.05  # spread of the places where the person stood
PARALLAX_DEG = (8.0, 2.5)  # yellow, red
FACING_DEG = 150.0
RIVAL = 1.2  # another answer that fits nearly as well
ROTATION_DEG = (0.7, 2.5)  # standard deviation
DIRECTION_DEG = (1.0, 4.0)
RESIDUAL_PX = (5.5, 9.0)  # at 950 px of focal length
FRONT = (0.97, 0.85)
FIT = (0.8, 0.6)  # share of pairs that fit


@dataclass(frozen=True, slots=True)
class Shape:
    """Numbers that say whether the pose could be found at all."""

    planar: float  # share of fitting pairs that one plane explains
    thickness: float  # least standard deviation of joints over all frames, parts of height
    path: float  # second standard deviation of where the body's middle was, parts of height
    parallax_deg: float  # between both rays of a joint, typical
    fitting: float  # share of pairs
    residual_px: float  # at 950 px of focal length


def shape_of(pose: Pose, body: Body, height: float) -> Shape:
    """`height`: of the body, in baselines."""
    fit = pose.fit
    fits = np.abs(fit.linear.residuals_px) < fit.width_px
    pairs = thinned(fit.pairs.picked(fits), FRAMES)
    b_from_a = pose.relative.b_from_a
    points = midpoints(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), b_from_a]))
    rays = points / np.linalg.norm(points, axis=1, keepdims=True)
    center = -b_from_a[:3, :3].T @ b_from_a[:3, 3]
    other = points - center
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    angle = np.rad2deg(np.arccos(np.clip((rays * other).sum(1), -1, 1)))
    return Shape(
        planar=_planar_share(pairs),
        thickness=_least_extent(points) / height,
        path=_path(points, pairs) / height,
        parallax_deg=float(np.median(angle)),
        fitting=float(np.average(fits, weights=fit.pairs.weight)),
        residual_px=fit.sigma_px * NOMINAL_FOCAL_PX / fit.pairs.focal_px,
    )


def reasons_of(pose: Pose, shape: Shape) -> Iterable[Reason]:
    """What speaks against the pose, and what was checked."""
    yield from _fit(pose, shape)
    if shape.planar > PLANAR[0]:
        text = f"one plane explains {100 * shape.planar:.0f} % of the joints: walk, turn and swing your arms"
        yield Reason("red" if shape.planar > PLANAR[1] else "yellow", text)
    if shape.path < STILL or shape.thickness < THIN:
        yield Reason("yellow", "the person hardly left one place: walk through the whole space, also to and fro")
    yield from _angle(shape)
    if pose.rival_cost is not None and pose.rival_cost < RIVAL:
        text = f"another answer fits only {100 * (pose.rival_cost - 1):.0f} % worse: walk through more of the space"
        yield Reason("red", text)
    turn, way = pose.sigmas_deg
    light = _worse(_over(turn, ROTATION_DEG), _over(way, DIRECTION_DEG))
    advice = "" if light == "green" else "; record longer, and walk through the whole space"
    yield Reason(light, f"the cameras' turn is sure to {turn:.2f} degrees, their direction to {way:.2f}{advice}")


def _fit(pose: Pose, shape: Shape) -> Iterable[Reason]:
    light = _worse(_over(shape.residual_px, RESIDUAL_PX), _over(-shape.fitting, (-FIT[0], -FIT[1])))
    said = f"joints of both views miss each other by {pose.fit.sigma_px:.1f} px, {100 * shape.fitting:.0f} % fit"
    advice = "" if light == "green" else "; did both cameras see the same person, at the same time, one person only?"
    yield Reason(light, said + advice)
    if pose.front_share < FRONT[0]:
        light = "red" if pose.front_share < FRONT[1] else "yellow"
        text = f"{100 * (1 - pose.front_share):.0f} % of the joints come to lie behind a camera"
        yield Reason(light, f"{text}: a video may be mirrored, or the cameras are too close together")


def _angle(shape: Shape) -> Iterable[Reason]:
    angle = shape.parallax_deg
    if angle < PARALLAX_DEG[0]:
        text = f"the cameras are too close together: they see a joint under {angle:.1f} degrees; move them apart"
        yield Reason("red" if angle < PARALLAX_DEG[1] else "yellow", text)
    if angle > FACING_DEG:
        yield Reason("yellow", f"the cameras face each other ({angle:.0f} degrees): depths will be poor between them")


def _over(value: float, limits: tuple[float, float]) -> Light:
    return "red" if value > limits[1] else "yellow" if value > limits[0] else "green"


def _worse(one: Light, other: Light) -> Light:
    return Verdict((Reason(one, ""), Reason(other, ""))).light


def _planar_share(pairs: Pairs) -> float:
    if len(pairs) < 8:
        return 1.0
    a, b = (np.ascontiguousarray(rays * pairs.focal_px) for rays in (pairs.a, pairs.b))
    _, inside = cv2.findHomography(a, b, cv2.USAC_MAGSAC, 2 * threshold_px(pairs))
    return 0.0 if inside is None else float(inside.mean())


def _least_extent(points: Float64[ndarray, "n 3"]) -> float:
    """Standard deviation along the narrowest direction, outliers left out."""
    middle = np.median(points, axis=0)
    away = np.linalg.norm(points - middle, axis=1)
    near = points[away < 4 * np.median(away)]
    return float(np.linalg.svd(near - near.mean(0), compute_uv=False)[2] / np.sqrt(len(near)))


def _path(points: Float64[ndarray, "n 3"], pairs: Pairs) -> float:
    """Second extent of the middles of frames."""
    frames, at = np.unique(pairs.frame, return_inverse=True)
    middles = np.array([np.median(points[at == i], axis=0) for i in range(len(frames))])
    if len(middles) < 3:
        return 0.0
    away = np.linalg.norm(middles - np.median(middles, axis=0), axis=1)
    near = middles[away <= 4 * np.median(away) + 1e-12]
    return float(np.linalg.svd(near - near.mean(0), compute_uv=False)[1] / np.sqrt(len(near)))
