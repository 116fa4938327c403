"""A person who walks, turns, bends and gestures in front of cameras, with the truth at any moment.

World: z up, floor at z = 0. The skeletons are those of the conventions; bones keep their lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from calib.camera import Camera, inverted
from calib.joint_track import Body, Track
from engine import skeleton
from engine.skeleton import MPII16, Skeleton
from tests.calib.made_rig import looking

BODY = Body(
    names=MPII16.names,
    bones=MPII16.bones,
    bone_parts=tuple(skeleton.BONE_OVER_HEIGHT[bone] for bone in MPII16.bones),
    mirror=tuple(MPII16.mirror.tolist()),
    limbs=((0, 1, 2), (10, 11, 12)),
    feet=(0, 5),
    root=skeleton.ROOT,
)
PARTS = skeleton.BONE_OVER_HEIGHT | skeleton.EXTREMITY_OVER_HEIGHT
ANKLE_PART = 0.039  # of height: the ankle above the floor


@dataclass(frozen=True)
class Walker:
    """Motion made of a few sines with random phases: `joints_m` gives the truth at any times."""

    seed: int = 0
    height_m: float = 1.72
    radius_m: float = 0.9  # of the area walked
    rate_hz: float = 0.16  # of going round it
    gestures: float = 1.0  # 0: arms hang
    legs: float = 1.0  # 0: feet stay
    center_m: tuple[float, float] = (0.0, 0.0)
    facing_deg: float | None = None  # None: where it walks
    skeleton: Skeleton = MPII16

    def _sines(self, key: int, time_s, low_hz: float, high_hz: float) -> np.ndarray:
        """About -1 ... 1."""
        rng = np.random.default_rng([self.seed, key])
        rates, phases = rng.uniform(low_hz, high_hz, 3), rng.uniform(0, 2 * np.pi, 3)
        return np.sin(2 * np.pi * rates * np.asarray(time_s)[:, None] + phases).sum(1) / 1.8

    def path_m(self, time_s) -> np.ndarray:
        r, low, high = self.radius_m, 0.5 * self.rate_hz, self.rate_hz
        xy = np.stack([self._sines(1, time_s, low, high), self._sines(2, time_s, low, high)], axis=1)
        return r * 0.8 * xy + self.center_m

    def facing(self, time_s) -> np.ndarray:
        """Heading about z, radians."""
        if self.facing_deg is not None:
            return np.full(len(time_s), np.deg2rad(self.facing_deg)) + 0.15 * self.gestures * self._sines(
                3, time_s, 0.05, 0.3
            )
        time_s = np.asarray(time_s)
        rng = np.random.default_rng([self.seed, 4])
        turning = rng.choice([-1, 1]) * 2 * np.pi * rng.uniform(0.03, 0.08)
        return rng.uniform(0, 2 * np.pi) + turning * time_s + 0.8 * self._sines(3, time_s, 0.05, 0.25)

    def body_from_world(self, time_s) -> Rotation:
        return Rotation.from_euler("z", self.facing(time_s)[:, None]).inv()

    def joints_m(self, time_s) -> np.ndarray:
        time_s = np.asarray(time_s, float)
        h, n = self.height_m, len(time_s)
        at = np.zeros((n, len(self.skeleton), 3))
        stride, g = 2 * np.pi * 0.9 * time_s + self.seed, self.gestures
        lean = 0.12 * g * self._sines(10, time_s, 0.05, 0.3)
        trunk = Rotation.from_euler(
            "zyx", np.stack([0.25 * g * self._sines(11, time_s, 0.1, 0.5), lean + 0.1, 0.5 * lean], axis=1)
        )
        head = trunk * Rotation.from_euler("zy", np.stack([lean * 3, lean * 2], axis=1))

        def up(rotation, length):
            return rotation.apply(np.array([0.0, 0.0, length]))

        at[:, 7] = up(trunk, PARTS[7, 6] * h)
        at[:, 8] = at[:, 7] + up(trunk, PARTS[8, 7] * h)
        at[:, 9] = at[:, 8] + up(head, PARTS[9, 8] * h)
        for side, (hip, knee, ankle, shoulder, elbow, wrist) in {
            -1: (2, 1, 0, 12, 11, 10),
            1: (3, 4, 5, 13, 14, 15),
        }.items():
            phase = stride + (np.pi if side > 0 else 0)
            swing = self.legs * 0.45 * np.sin(phase)
            bend = self.legs * 0.55 * np.maximum(np.sin(phase + 1.3), 0) ** 2
            at[:, hip] = (0, side * PARTS[2, 6] * h, 0)
            thigh = Rotation.from_euler("yx", np.stack([-swing, np.full(n, 0.05 * side)], axis=1))
            shin = thigh * Rotation.from_euler("y", bend[:, None])
            at[:, knee] = at[:, hip] + up(thigh, -PARTS[1, 2] * h)
            at[:, ankle] = at[:, knee] + up(shin, -PARTS[0, 1] * h)
            at[:, shoulder] = at[:, 7] + trunk.apply(np.array([0, side * PARTS[12, 7] * h, 0]))
            lift = 0.4 * self.legs * np.sin(phase + np.pi) + g * 0.9 * self._sines(20 + side, time_s, 0.1, 0.7)
            away = 0.25 + g * 0.6 * np.abs(self._sines(30 + side, time_s, 0.1, 0.6))
            curl = 0.3 + g * 0.8 * np.abs(self._sines(40 + side, time_s, 0.1, 0.8))
            upper = trunk * Rotation.from_euler("yx", np.stack([-lift, side * away], axis=1))
            fore = upper * Rotation.from_euler("y", -curl[:, None])
            at[:, elbow] = at[:, shoulder] + up(upper, -PARTS[11, 12] * h)
            at[:, wrist] = at[:, elbow] + up(fore, -PARTS[10, 11] * h)
            if len(self.skeleton) > len(MPII16):
                extremities(at, h, side, shin, fore, head)
        turned = np.einsum("nij,nkj->nki", Rotation.from_euler("z", self.facing(time_s)[:, None]).as_matrix(), at)
        turned[..., :2] += self.path_m(time_s)[:, None]
        turned[..., 2] += ANKLE_PART * h - turned[:, [0, 5], 2].min(1)[:, None]
        return turned


def extremities(at: np.ndarray, height_m: float, side: int, shin: Rotation, fore: Rotation, head: Rotation) -> None:
    """Puts foot, hand, ear and nose where lower leg, lower arm and head turn them."""
    heel, toe, ear, hand = (16, 17, 21, 23) if side < 0 else (18, 19, 22, 24)
    for joint, turned, way in (
        (heel, shin, (-0.8, 0.0, -0.6)),
        (toe, shin, (0.95, 0.0, -0.3)),
        (hand, fore, (0.0, 0.0, -1.0)),
        (ear, head, (0.1, 0.6 * side, 0.8)),
        (20, head, (0.8, 0.0, 0.6)),
    ):
        parent = skeleton.BODY25.parents[joint]
        length_m = PARTS[joint, parent] * height_m
        at[:, joint] = at[:, parent] + turned.apply(length_m * np.array(way) / np.linalg.norm(way))


@dataclass(frozen=True)
class Planar(Walker):
    """An A-pose that stays in one plane."""

    def joints_m(self, time_s) -> np.ndarray:
        at = replace_pose(self, time_s)
        normal = np.array([np.cos(np.deg2rad(self.facing_deg or 0)), np.sin(np.deg2rad(self.facing_deg or 0)), 0])
        return at - ((at - [*self.center_m, 0]) @ normal)[..., None] * normal


def replace_pose(walker: Walker, time_s) -> np.ndarray:
    still = Walker(walker.seed, walker.height_m, 0.0, 0.1, 0.0, 0.0, walker.center_m, walker.facing_deg or 0.0)
    return still.joints_m(time_s)


def make_pair(baseline_m: float = 2.0, *, distance_m: float = 3.0, f_px=(940.0, 955.0)) -> dict[str, Camera]:
    """Two upright cameras at a distance from the origin, the baseline between them."""
    half = np.arcsin(min(baseline_m / 2 / distance_m, 1.0))
    cameras = {}
    for i, (name, side) in enumerate({"left": -1, "right": 1}.items()):
        center = distance_m * np.array([side * np.sin(half), -np.cos(half), 0]) + (0, 0, 1.25 + 0.15 * i)
        K = np.array([[f_px[i], 0, 645 - 9 * i], [0, f_px[i], 355 + 6 * i], [0, 0, 1]])
        T = looking(center, np.array([0.05 * i, 0.0, 0.95]))
        cameras[name] = Camera(1280, 720, K, np.array([0.05, -0.1, 0.001, -0.001, 0.0]), cam_from_world=T)
    return cameras


def bare(cameras: dict[str, Camera]) -> dict[str, Camera]:
    return {name: replace(camera, cam_from_world=None) for name, camera in cameras.items()}


@dataclass(frozen=True)
class Noise:
    """What a detector of joints adds."""

    px: float = 3.0  # standard deviation per axis, root mean square over joints whose sigmas differ
    outliers: float = 0.10  # of correspondences, in one of both views
    bias_m: float = 0.0  # fixed in the body, another in each view
    swaps: float = 0.0  # of a limb with its mirror image, per frame and view


PERFECT = Noise(0.0, 0.0)


@dataclass(frozen=True)
class Clip:
    """A person, cameras and frame times, by the rig's clock."""

    walker: Walker
    cameras: dict[str, Camera]
    time_s: np.ndarray
    noise: Noise = field(default_factory=Noise)
    seed: int = 0

    def truth_m(self, time_s=None) -> np.ndarray:
        return self.walker.joints_m(self.time_s if time_s is None else time_s)

    def tracks(self, *, offset_s: float = 0.0, drift_ppm: float = 0.0) -> dict[str, Track]:
        """What both cameras see. The second camera's clock: rig time = own + offset + drift * own."""
        result = {}
        for i, (name, camera) in enumerate(self.cameras.items()):
            rig_s = self.time_s
            own_s = (rig_s - offset_s) / (1 + 1e-6 * drift_ppm) if i else rig_s
            result[name] = self.track(i, camera, rig_s, own_s)
        return result

    def track(self, index: int, camera: Camera, rig_s: np.ndarray, own_s: np.ndarray) -> Track:
        """One camera's view of moments of the rig's clock, with its own stamps."""
        rng, noise = np.random.default_rng([self.seed, index]), self.noise
        at = self.walker.joints_m(rig_s)
        if noise.bias_m:
            bias = rng.normal(0, noise.bias_m / np.sqrt(3), (1, at.shape[1], 3))
            turn = self.walker.body_from_world(rig_s).inv().as_matrix()
            at = at + np.einsum("nij,nkj->nki", turn, np.broadcast_to(bias, at.shape))
        cam_m = at.reshape(-1, 3) @ camera.R.T + camera.t
        px = camera.project(cam_m).reshape(*at.shape[:2], 2)
        sigma = np.exp(rng.normal(0, 0.5, px.shape[:2]))
        sigma *= noise.px / np.exp(0.5**2)  # root mean square of exp(normal(0, s)) is exp(s^2)
        px = px + rng.normal(size=px.shape) * sigma[..., None]
        score = np.clip(0.95 - 0.06 * sigma + rng.normal(0, 0.05, sigma.shape), 0.05, 1.0)
        wild = rng.random(px.shape[:2]) < noise.outliers / 2
        way = rng.uniform(0, 2 * np.pi, px.shape[:2])
        far = np.stack([np.cos(way), np.sin(way)], axis=-1) * rng.uniform(20, 120, px.shape[:2])[..., None]
        px = np.where(wild[..., None], px + far, px)
        score = np.where(wild, score * rng.uniform(0.5, 1.0, score.shape), score)
        for limb in BODY.limbs:
            rows = np.flatnonzero(rng.random(len(px)) < noise.swaps / 2)
            other = [BODY.mirror[j] for j in limb]
            for row in rows:
                px[row, [*limb, *other]] = px[row, [*other, *limb]]
        outside = ~((px > -0.5) & (px < (camera.width - 0.5, camera.height - 0.5))).all(-1)
        px[outside], score[outside] = np.nan, 0.0
        return Track(own_s, px, score)


def spread_times(frames: int, seconds: float) -> np.ndarray:
    """Frame times that share 30 Hz frames of a clip evenly."""
    return np.round(np.linspace(0, seconds, frames) * 30) / 30


def true_relative(cameras: dict[str, Camera]) -> np.ndarray:
    """Second camera's axes from the first's."""
    a, b = cameras.values()
    return b.cam_from_world @ inverted(a.cam_from_world)


def scaled_error_mm(found_m: np.ndarray, truth_m: np.ndarray, root: int = skeleton.ROOT) -> np.ndarray:
    """Root-relative distances after one scale for all, mm; NaN where nothing was found."""
    a, b = found_m - found_m[:, [root]], truth_m - truth_m[:, [root]]
    ok = np.isfinite(a).all(-1)
    size = np.linalg.norm(b[ok], axis=-1)
    scale = np.median(size[size > 0.1] / np.maximum(np.linalg.norm(a[ok], axis=-1)[size > 0.1], 1e-9))
    return 1000 * np.linalg.norm(a * scale - b, axis=-1)
