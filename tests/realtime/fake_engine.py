"""An engine for tests: it knows who stands where, and answers like a network for any box."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import Box, camera_matrix, crop_camera, crop_labels
from engine.joints import EngineOutput, ScoreMap
from engine.skeleton import BONE_OVER_HEIGHT, CORE, EXTREMITY_OVER_HEIGHT, MPII16, ROOT, Skeleton

Number = float | int
SCORES = ScoreMap(intercept=0.0, mass=1.0, fill=3.0)
# half of the mass stands around the peak at a spread of 0.06 of the crop; steep
HALF_SIGMA = 0.06
SURE_SIGMA, LOST_SIGMA = 0.015, 0.2

OVER_HEIGHT = BONE_OVER_HEIGHT | EXTREMITY_OVER_HEIGHT
# directions, camera axes, from the parent of each bone to its child: a person who faces us
_STANDING = {
    (1, 2): (-0.05, 1, -0.1), (0, 1): (0, 1, 0.1), (4, 3): (0.05, 1, -0.1), (5, 4): (0, 1, 0.1),
    (2, 6): (-1, 0.2, 0), (3, 6): (1, 0.2, 0), (7, 6): (0, -1, 0), (8, 7): (0, -1, 0), (9, 8): (0, -1, 0),
    (12, 7): (-1, 0.2, 0), (13, 7): (1, 0.2, 0), (11, 12): (-0.3, 1, 0.1), (10, 11): (-0.2, 1, -0.3),
    (14, 13): (0.3, 1, 0.1), (15, 14): (0.2, 1, -0.3),
    (16, 0): (0, 0.6, 0.8), (17, 0): (-0.2, 0.3, -1), (18, 5): (0, 0.6, 0.8), (19, 5): (0.2, 0.3, -1),
    (20, 8): (0, -0.6, -0.8), (21, 8): (-0.6, -0.8, -0.1), (22, 8): (0.6, -0.8, -0.1),
    (23, 10): (-0.1, 1, -0.3), (24, 15): (0.1, 1, -0.3),
}  # fmt: skip


def standing(
    root_m: tuple[Number, Number, Number],
    *,
    height_m: Number = 1.70,
    arms: Number = 0.0,
    skeleton: Skeleton = MPII16,
) -> Float64[ndarray, "joints 3"]:
    """A person with standard bones whose pelvis is at `root_m`, camera axes. `arms` swings both, radians, 0 = down."""
    joints = np.full((len(skeleton), 3), np.nan)
    joints[ROOT] = root_m
    while np.isnan(joints).any():
        for child, parent in skeleton.bones:
            if np.isnan(joints[parent]).any():
                continue
            direction = np.array(_STANDING[child, parent], float)
            if child in (10, 11, 14, 15, 23, 24):
                direction = _swung(direction, arms)
            length_m = OVER_HEIGHT[child, parent] * height_m
            joints[child] = joints[parent] + length_m * direction / np.linalg.norm(direction)
    return joints


def _swung(direction: Float64[ndarray, "3"], angle: Number) -> Float64[ndarray, "3"]:
    """Turned outwards and up in the picture's plane."""
    x, y, z = direction
    side = np.sign(x)
    return np.array([x * np.cos(angle) + side * y * np.sin(angle), y * np.cos(angle) - side * x * np.sin(angle), z])


def projected(joints_m: Float64[ndarray, "joints 3"], K: Float64[ndarray, "3 3"]) -> Float64[ndarray, "joints 2"]:
    """Pixels of joints in camera axes."""
    seen = joints_m @ K.T
    return seen[:, :2] / seen[:, 2:]


@dataclass(frozen=True, slots=True)
class FakeTicket:
    """An answer that is already there."""

    output: EngineOutput

    def result(self) -> EngineOutput:
        """The answer."""
        return self.output


@dataclass(slots=True)
class FakeEngine:
    """Sees `people` (joints in camera axes, metres). Set them anew before each frame."""

    people: list[Float64[ndarray, "joints 3"]] = field(default_factory=list)
    noise: float = 0.0  # sd, crop units
    broken: bool = False  # answers NaN
    name: str = "fake"
    description: str = "an engine for tests"
    input_px: int = 192
    score_map: ScoreMap = SCORES
    skeleton: Skeleton = MPII16
    weights_name: str = "fake"
    weights_sha256: str = "0" * 64
    calls: list[list[Box]] = field(default_factory=list)  # the boxes of each call
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> FakeTicket:
        """Answers for each box."""
        self.calls.append(list(boxes))
        size = (image_bgr.shape[1], image_bgr.shape[0])
        rows = [self._row(box, K, size) for box in boxes]
        joints = np.array([row for row, _ in rows], np.float32).reshape(-1, len(self.skeleton), 7)
        if self.broken:
            joints[:] = np.nan
        return FakeTicket(EngineOutput(joints, np.array([presence for _, presence in rows], np.float32)))

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> FakeEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(
        self, box: Box, K: Float64[ndarray, "3 3"], size_px: tuple[int, int]
    ) -> tuple[Float64[ndarray, "joints 7"], float]:
        """Joints and presence of the person who fits this box best."""
        joints = len(self.skeleton)
        best, best_fit = self.rng.uniform(-0.4, 0.4, (joints, 3)), 0.0
        seen = np.zeros(joints, bool)
        for joints_m in (known[:joints] for known in self.people):
            units, depth = crop_labels(crop_camera(box, K, 1), joints_m, root=ROOT)
            px = projected(joints_m, K)
            visible = (
                (np.abs(units) < 0.5).all(axis=1) & (px > -0.5).all(axis=1) & (px < np.array(size_px) - 0.5).all(axis=1)
            )
            fit = float(visible[CORE].mean()) * _likes(float(np.ptp(units[CORE], axis=0).max()))
            if fit > best_fit:
                best, best_fit, seen = np.column_stack([units, depth]), fit, visible
        unsure = self.noise + 0.1 * (1.0 - best_fit) ** 2
        best = best + self.rng.normal(0, 1, (joints, 3)) * unsure
        best[:, :2] = best[:, :2].clip(-0.5, 0.5)
        sigma = np.where(seen, SURE_SIGMA + (1 - best_fit) ** 2 * 0.1, LOST_SIGMA)
        presence = 1.0 / (1.0 + np.exp(-10.0 * (best_fit - 0.5)))
        mass = 1.0 / (1.0 + (sigma / HALF_SIGMA) ** 3)
        return np.column_stack([best, np.repeat(sigma[:, None], 3, axis=1), mass]), presence


def _likes(fill: float) -> float:
    """1 where a person fills 0.35 ... 1.0 of the crop, falling to 0 at 0.12 and at 2."""
    return float(np.interp(fill, [0.12, 0.35, 1.0, 2.0], [0.0, 1.0, 1.0, 0.0]))


def view(
    width: int = 1280, height: int = 720, fov_deg: float = 60.0
) -> tuple[UInt8[ndarray, "h w 3"], Float64[ndarray, "3 3"]]:
    """An empty picture and its camera."""
    return np.zeros((height, width, 3), np.uint8), camera_matrix(width, height, fov_deg=fov_deg)
