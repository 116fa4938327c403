"""Takes of a made-up person who walks before two cameras, drawn as a stick figure, and an engine that knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from calib.camera import Camera
from engine.skeleton import BODY25, skeleton_of
from realtime.take_joints import CameraJoints
from realtime.takes import CameraAbout, Row, create_take
from tests.calib.made_rig import looking
from tests.calib.walker import Walker
from tests.realtime.fake_engine import FakeEngine, FakeTicket

SIZE_PX = (320, 240)
BITS = 10


def pair(*, apart_deg: float = 80.0, distance_m: float = 3.2) -> dict[str, Camera]:
    """Two cameras without distortion that see the whole area walked."""
    cameras = {}
    for i, side in enumerate((-1, 1)):
        angle = np.deg2rad(side * apart_deg / 2)
        center = distance_m * np.array([np.sin(angle), -np.cos(angle), 0]) + (0, 0, 1.3 + 0.15 * i)
        K = np.array([[225.0 + 9 * i, 0, 159.5], [0, 225.0 + 9 * i, 119.5 + 2 * i], [0, 0, 1]])
        cameras[f"cam{i}"] = Camera(*SIZE_PX, K, cam_from_world=looking(center, np.array([0, 0, 0.95])))
    return cameras


@dataclass
class Scene:
    """Who walks where, seen by whom, and how the clocks of the cameras differ."""

    seconds: float = 12.0
    rate_hz: float = 30.0
    walker: Walker = field(default_factory=lambda: Walker(seed=3, radius_m=0.6))
    second: Walker | None = None
    cameras: dict[str, Camera] = field(default_factory=pair)
    offset_s: float = 0.012  # camera time of cam1 = rig time - offset
    mirrored: tuple[str, ...] = ()  # cameras whose pictures are mirrored
    other_in: tuple[str, ...] = ()  # cameras in which the engine follows the second person

    def rig_s(self, camera: int) -> np.ndarray:
        """Moments of a camera's frames on the rig's clock; the second camera's lie between the first one's."""
        count = int(self.seconds * self.rate_hz)
        return (np.arange(count) + 0.37 * camera) / self.rate_hz + 1.0

    def people_m(self, camera: int) -> np.ndarray:
        """(frames, people, joints, 3) in the camera's axes."""
        name, lens = list(self.cameras.items())[camera]
        who = [w for w in (self.walker, self.second) if w is not None]
        if name in self.other_in:
            who.reverse()
        world = np.stack([w.joints_m(self.rig_s(camera)) for w in who], axis=1)
        return world @ lens.R.T + lens.t

    def write(self, folder: Path) -> Path:
        """The take, with a stick figure in each picture and the frame's number along the top."""
        about = {name: CameraAbout("made up", *SIZE_PX, clock="exact") for name in self.cameras}
        with create_take(folder, about, made_by="synth", subject_height_m=self.walker.height_m) as writer:
            for i, (name, lens) in enumerate(self.cameras.items()):
                own_s = self.rig_s(i) - self.offset_s * i
                for number, (moment_s, people) in enumerate(zip(own_s, self.people_m(i), strict=True)):
                    image = drawn(people, lens)
                    if name in self.mirrored:
                        image = np.ascontiguousarray(image[:, ::-1])
                    writer[name].write_image(with_number(image, number, i), Row(round(moment_s * 1e6)))
        return folder

    def joints(self, camera: int, *, noise_px: float = 0.8) -> CameraJoints:
        """What an engine would see of the first person, without looking: for tests of what comes after."""
        lens, people = list(self.cameras.values())[camera], self.people_m(camera)
        px = np.stack([lens.project(person) for person in people[:, 0]])
        rng = np.random.default_rng(camera)
        if list(self.cameras)[camera] in self.mirrored:
            px = (lens.width - 1, 0) + px[:, self.walker.skeleton.mirror] * (-1, 1)
        px = px + rng.normal(0, noise_px, px.shape)
        count, none = len(px), np.zeros(0, np.int64)
        looked = np.arange(0, count, 30, dtype=np.int64)
        others = np.full(len(looked), people.shape[1] - 1, np.int64) if people.shape[1] > 1 else none
        return CameraJoints(
            frame=np.arange(count, dtype=np.int64),
            time_s=self.rig_s(camera) - self.offset_s * camera,
            px=px,
            sigma_px=np.full(px.shape[:2], noise_px),
            score=np.full(px.shape[:2], 0.9),
            presence=np.ones(count),
            weights_hash="a" * 64,
            looked=looked if len(others) else none,
            others=others,
        )

    def engine(self, *, noise: float = 0.004, hash: str = "a" * 64) -> SceneEngine:
        """One that sees what is drawn."""
        return SceneEngine(noise=noise, weights_sha256=hash, scene=self, skeleton=self.walker.skeleton)


@dataclass
class SceneTeacher:
    """A teacher that knows the scene; `scene` may differ from what was recorded."""

    scene: Scene
    name: str = "a test"

    def __call__(self, take, step) -> dict[str, CameraJoints]:
        return {name: self.scene.joints(i) for i, name in enumerate(self.scene.cameras)}


@dataclass(slots=True)
class SceneEngine(FakeEngine):
    """Reads camera and frame off the picture and answers for the people of that moment."""

    scene: Scene = field(default_factory=Scene)
    frames: int = 0

    def submit(self, image_bgr, boxes, K) -> FakeTicket:
        number, camera = number_in(image_bgr)
        people = self.scene.people_m(camera)[number]
        if list(self.scene.cameras)[camera] in self.scene.mirrored:
            people = people[:, self.skeleton.mirror] * (-1, 1, 1)
        self.people = list(people)
        self.frames += 1
        return FakeEngine.submit(self, image_bgr, boxes, K)


def drawn(people: np.ndarray, lens: Camera) -> np.ndarray:
    """Orange left, blue right, white between, on a grey room."""
    width, height = lens.width, lens.height
    image = np.full((height, width, 3), 70, np.uint8)
    image[height * 2 // 3 :] = 95
    for person in people:
        px = lens.project(person)
        for child, parent in skeleton_of(len(person)).bones:
            a, b = (tuple(int(v) for v in np.clip(np.round(px[j] * 8), -(2**14), 2**14)) for j in (child, parent))
            colour = (200, 120, 40) if child in BODY25.right else (40, 140, 240) if child in BODY25.left else (235,) * 3
            cv2.line(image, a, b, colour, 5, cv2.LINE_AA, 3)
    return image


def with_number(image: np.ndarray, number: int, camera: int) -> np.ndarray:
    """Frame number and camera as black and white fields along the top."""
    image = image.copy()
    for bit in range(BITS):
        image[:16, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    image[:16, 16 * BITS : 16 * BITS + 16] = 255 * camera
    return image


def number_in(image: np.ndarray) -> tuple[int, int]:
    """Frame number and camera of a picture."""
    fields = [int(image[4:12, 16 * bit + 4 : 16 * bit + 12].mean() > 127) for bit in range(BITS + 1)]
    return sum(on << bit for bit, on in enumerate(fields[:-1])), fields[-1]
