"""The floor and the world that stands on it: z up, floor at z = 0, origin under the first camera, y where it looks.

A board on the floor has two poses where one camera sees it; taking the wrong one, or its other side, puts the cameras
under the floor at a small residual. So the side is chosen by where cameras and people are, and checked afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, inverted, rigid
from calib.errors import UserError
from calib.linking import board_choices
from calib.planar import Look
from calib.verdict import Reason

FEET_MIN = 10
FEET_SPREAD_M = 0.15  # standard deviation of feet in their second direction: less is a line, not a floor
FEET_SIGMA_M = 0.03  # ankles stand off the floor by their own height, steps lift them
BELOW_M = 0.08  # what is held above the floor may seem to lie this much under it
ROUNDING_M = 1e-6  # where the floor is not known it is put under what is lowest, which may be a camera
TWO_WAYS = 1.5  # the second pose of a floor board must fit worse by this factor


@dataclass(frozen=True, slots=True)
class FloorBoard:
    """A board lies on the floor in this view; one camera that sees it is enough."""

    view: int


@dataclass(frozen=True, slots=True)
class FloorFeet:
    """Where feet touched the floor, in the first camera's axes at the board's scale."""

    points_m: Float64[ndarray, "n 3"]

    def __post_init__(self) -> None:
        if len(self.points_m) < FEET_MIN or not np.isfinite(self.points_m).all():
            raise UserError(f"the floor needs at least {FEET_MIN} places of feet, not {len(self.points_m)}")


Floor = FloorBoard | FloorFeet


@dataclass(frozen=True, slots=True)
class Ground:
    """A plane in the first camera's axes, and what was found on the way."""

    up: Float64[ndarray, "3"]
    height_m: float  # of the first camera
    reasons: tuple[Reason, ...]

    @property
    def world_from_root(self) -> Float64[ndarray, "4 4"]:
        """The world's axes: origin under the first camera, y where it looks (or where its picture's top points)."""
        forward = np.array([0.0, 0.0, 1.0])
        if abs(self.up[2]) > 0.99:  # it looks straight down or up
            forward = np.array([0.0, -1.0, 0.0])
        y = forward - (forward @ self.up) * self.up
        y /= np.linalg.norm(y)
        return rigid(np.stack([np.cross(y, self.up), y, self.up]), np.array([0, 0, self.height_m]))


def assumed(boards_m: Float64[ndarray, "n 3"], centers_m: Float64[ndarray, "cameras 3"]) -> Ground:
    """Nothing is known: up is the first camera's own, the floor under the lowest corner and camera that were seen."""
    up = np.array([0.0, -1.0, 0.0])
    height_m = max(-float((boards_m @ up).min()), -float((centers_m @ up).min()), 0.0)
    text = "the floor is not known: up is the top of the first camera's picture, the floor lies under the lowest board"
    return Ground(up, height_m, (Reason("yellow", f"{text}; lay the board on the floor once"),))


def from_feet(feet: FloorFeet, centers_m: Float64[ndarray, "cameras 3"]) -> Ground:
    """The plane of least squares through feet, without those that stick out (trimmed three times)."""
    kept = feet.points_m
    for _ in range(3):
        middle = np.median(kept, axis=0)
        normal = np.linalg.svd(kept - kept.mean(0))[2][2]
        away = np.abs((kept - middle) @ normal)
        kept = kept[away <= max(3 * 1.4826 * float(np.median(away)), FEET_SIGMA_M)]
    middle = kept.mean(0)
    _, spread, axes = np.linalg.svd(kept - middle, full_matrices=False)
    spread_m = float(spread[1]) / np.sqrt(len(kept))
    if spread_m < FEET_SPREAD_M:
        raise UserError("the feet walk along one line, which does not fix the floor; walk over an area, also sideways")
    ground = _plane(axes[2], middle, centers_m)
    off_m = float(np.sqrt(np.mean(((kept - middle) @ axes[2]) ** 2)))
    light = "green" if off_m < FEET_SIGMA_M else "yellow"
    text = f"{len(kept)} places of feet lie within {off_m * 1000:.0f} mm of the floor"
    return Ground(ground.up, ground.height_m, (*ground.reasons, Reason(light, text)))


def from_board(
    seen: Sequence[tuple[int, Look]],
    cam_from_root: Float64[ndarray, "cameras 4 4"],
    corners_m: Float64[ndarray, "c 3"],
    above_m: Float64[ndarray, "n 3"],
) -> Ground:
    """The plane of a board on the floor. Where its poses fit alike, the one that has cameras and `above_m` above it."""
    centers_m = np.array([inverted(T)[:3, 3] for T in cam_from_root])
    grounds = []
    for misfit, pose, _ in board_choices(seen, cam_from_root, corners_m):
        ground = _plane(pose[:3, 2], pose[:3, :3] @ corners_m.mean(0) + pose[:3, 3], centers_m)
        heights = np.concatenate([above_m, centers_m]) @ ground.up + ground.height_m
        grounds.append((misfit, float(heights.min()) > -BELOW_M and -ground.up[1] > 0, ground))
    best_misfit = grounds[0][0]
    near = [(fits, ground) for misfit, fits, ground in grounds if misfit < TWO_WAYS * best_misfit]
    fitting = [ground for fits, ground in near if fits]
    chosen = fitting[0] if fitting else near[0][1]
    rivals = [g for g in fitting if g.up @ chosen.up < np.cos(np.deg2rad(3))]
    if not rivals:
        return chosen
    text = "the board on the floor can be read in two ways; lay it where two cameras see it, or nearer to the camera"
    return Ground(chosen.up, chosen.height_m, (*chosen.reasons, Reason("yellow", text)))


def world_reasons(
    cameras: Mapping[str, Camera], above_world_m: Float64[ndarray, "n 3"], *, what: str = "the boards"
) -> list[Reason]:
    """Whether cameras, and what is known to be above the floor, are above it: a flipped world is red."""
    low = {name: float(camera.center_world_m[2]) for name, camera in cameras.items()}
    reasons = [
        Reason("red", f"camera {name} lies {-z:.2f} m under the floor: the world is flipped, or it is not the floor")
        for name, z in low.items()
        if z < -ROUNDING_M
    ]
    under = float(np.mean(above_world_m[:, 2] < -BELOW_M)) if len(above_world_m) else 0.0
    if under > 0.02:
        deepest = -float(np.percentile(above_world_m[:, 2], 2))
        text = f"{what} reach {deepest:.2f} m under the floor: the world is flipped, or the board did not lie on it"
        reasons.append(Reason("red", text))
    downward = [name for name, camera in cameras.items() if camera.R[1, 2] > 0]  # the picture's down points up
    if downward and len(downward) == len(cameras):
        reasons.append(Reason("red", "up in the world is down in every picture: the floor is flipped"))
    elif downward:
        text = f"camera {', '.join(downward)} stands on its head, or the floor is flipped; look at the floor again"
        reasons.append(Reason("yellow", text))
    return reasons or [Reason("green", f"cameras and {what} are above the floor")]


def _plane(
    normal: Float64[ndarray, "3"], point_m: Float64[ndarray, "3"], centers_m: Float64[ndarray, "cameras 3"]
) -> Ground:
    """The plane with the cameras above it; what cannot be is left to `world_reasons`."""
    heights = (centers_m - point_m) @ normal
    up = normal if heights.sum() > 0 else -normal
    return Ground(up, float(-point_m @ up), ())
