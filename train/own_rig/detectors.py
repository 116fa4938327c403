"""Other programs as teachers: MediaPipe and RTMPose, which find joints in pictures better than a small network can.

Both are optional packages, imported when a take is looked at. They run here; RTMPose's networks are fetched by its own
package when it is first used, MediaPipe's is a file that the user fetches. Neither knows our upper neck, MediaPipe no
head top and RTMPose no hands: those are not taught.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.places import data_place
from engine.skeleton import BODY25, LIMB_JOINTS
from realtime.progress import Step
from realtime.take_joints import CameraJoints, read_camera_joints, write_joints
from realtime.takes import Take
from realtime.takes.take import TakeCamera
from train.own_rig.labels import LabelError
from train.own_rig.teachers import SIGMA_PX
from train.teachers.joints import from_blazepose, from_halpe

SEEN_SCORE = 0.3  # mean over limbs: with less nobody is there
OTHER_SCORE, OTHER_SIZE = 0.5, 0.4  # of the person followed: less is furniture
MODEL = "pose_landmarker_heavy.task"
MODEL_URL = (
    f"https://storage.googleapis.com/mediapipe-models/pose_landmarker/pose_landmarker_heavy/float16/latest/{MODEL}"
)

# of `body25` per person: x, y in pixels and a score; NaN and 0 where the detector has no such joint
Person = Float64[ndarray, "joints 3"]
People = list[Person]
Detect = Callable[[UInt8[ndarray, "h w 3"], float], People]  # of a picture (BGR) and its time, s


@contextmanager
def mediapipe() -> Iterator[Detect]:
    """MediaPipe's Pose Landmarker in its video mode. LabelError where package or network are missing."""
    package = _imported("mediapipe", extra="mediapipe")
    path = data_place() / "mediapipe" / MODEL
    if not path.is_file():
        raise LabelError(f"mediapipe needs its network: curl --create-dirs -o '{path}' {MODEL_URL}")
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    base = importlib.import_module("mediapipe.tasks.python").BaseOptions(model_asset_path=str(path))
    options = vision.PoseLandmarkerOptions(base_options=base, running_mode=vision.RunningMode.VIDEO, num_poses=2)
    try:
        landmarker = vision.PoseLandmarker.create_from_options(options)
    except (RuntimeError, ValueError, OSError) as error:
        raise LabelError(
            f"{path} is no network of MediaPipe ({' '.join(str(error).split())[:120]}); fetch it again"
        ) from None

    last_ms = -1

    def detect(image_bgr: UInt8[ndarray, "h w 3"], time_s: float) -> People:
        nonlocal last_ms
        last_ms = max(round(1000 * time_s), last_ms + 1)  # it insists on time that goes forward
        image = package.Image(package.ImageFormat.SRGB, np.ascontiguousarray(image_bgr[..., ::-1]))
        found = landmarker.detect_for_video(image, last_ms)
        size = np.array(image_bgr.shape[1::-1])
        return [scored(from_blazepose(_landmarks(person, size))) for person in found.pose_landmarks]

    with landmarker:
        yield detect


@contextmanager
def rtmpose() -> Iterator[Detect]:
    """RTMPose by rtmlib, body and head (Jiang et al. 2023). LabelError where the package is missing or cannot fetch."""
    package = _imported("rtmlib", extra="rtmpose")
    try:
        body = package.BodyWithFeet(mode="performance", backend="onnxruntime", device="cpu")
    except Exception as error:  # noqa: BLE001 - of urllib, zipfile, onnxruntime
        raise LabelError(
            f"rtmlib could not fetch or load its networks ({' '.join(str(error).split())[:160]})"
        ) from None

    def detect(image_bgr: UInt8[ndarray, "h w 3"], time_s: float) -> People:
        places, scores = body(image_bgr)
        halpe = [np.column_stack([p, s]).astype(np.float64) for p, s in zip(places, scores, strict=True)]
        return [scored(from_halpe(points)) for points in halpe]

    yield detect


DETECTORS: dict[str, tuple[str, Callable[[], AbstractContextManager[Detect]]]] = {
    "mediapipe": ("MediaPipe Pose Landmarker (Apache-2.0)", mediapipe),
    "rtmpose": ("RTMPose by rtmlib (Apache-2.0; its photos have terms of their own)", rtmpose),
}


@dataclass(frozen=True, slots=True)
class DetectorTeacher:
    """A detector by its name in DETECTORS."""

    detector: str

    @property
    def name(self) -> str:
        """With its terms."""
        return DETECTORS[self.detector][0]

    def __call__(self, take: Take, step: Step) -> Mapping[str, CameraJoints]:
        """Joints, also those that were found before by the same detector. LabelError where it cannot run."""
        return looked_once(take, self.name, self._looked, step)

    def _looked(self, camera: TakeCamera, step: Callable[[int], None]) -> CameraJoints:
        frames, rows, others = [], [], []
        with DETECTORS[self.detector][1]() as detect:  # one for each camera: it may follow the person
            for frame in camera.frames():
                people = [p for p in detect(frame.image_bgr, float(camera.steady_s[frame.index])) if sure(p)]
                people.sort(key=size_px, reverse=True)
                frames.append(frame.index)
                rows.append(people[0] if people else None)
                others.append(sum(_as_sure(other, people[0]) for other in people[1:]))
                step(frame.index + 1)
        return camera_joints(camera, frames, rows, self.name, looked=frames, others=others)


def looked_once(
    take: Take, teacher: str, look: Callable[[TakeCamera, Callable[[int], None]], CameraJoints], step: Step
) -> dict[str, CameraJoints]:
    """Every camera's joints, looked at where the take does not hold the same teacher's; they stay with the take."""
    total = sum(len(camera.table) for camera in take.cameras.values())
    found, done = {}, 0
    for name, camera in take.cameras.items():
        stored = read_camera_joints(take.folder, name)
        if stored is None or not _fits(stored, teacher, camera):
            stored = look(camera, lambda n, at=done, of=name: step(at + n, total, of))
            write_joints(take.folder, name, stored)
        found[name] = stored
        done += len(camera.table)
        step(done, total, name)
    return found


def _fits(stored: CameraJoints, teacher: str, camera: TakeCamera) -> bool:
    """Whether joints are this teacher's of this recording; those of a version that knew fewer joints are not."""
    same = stored.weights_hash == teacher and len(stored.frame) == len(camera.table)
    return same and stored.px.shape[1] == len(BODY25)


def camera_joints(
    camera: TakeCamera,
    frames: Sequence[int],
    rows: Sequence[Person | None],
    teacher: str,
    *,
    looked: Sequence[int],
    others: Sequence[int],
) -> CameraJoints:
    """One person's joints in the frames of a camera; what lies outside of the picture is not seen.

    `others` were seen beside them in the frames `looked` at for that. LabelError where nobody ever was.
    """
    nobody = np.full((len(BODY25), 3), np.nan)
    joints = np.stack([nobody if row is None else row for row in rows]) if rows else nobody[None][:0]
    inside = np.all((joints[..., :2] > -0.5) & (joints[..., :2] < np.array(camera.size_px) - 0.5), axis=-1)
    if not inside.any():
        raise LabelError(f"{camera.path.name}: {teacher} saw nobody in {len(frames)} frames")
    score = np.where(inside, joints[..., 2].clip(0, 1), 0.0)
    index = np.array(frames, np.int64)
    return CameraJoints(
        frame=index,
        time_s=camera.steady_s[index],
        px=np.where(inside[..., None], joints[..., :2], np.nan),
        sigma_px=np.where(inside, SIGMA_PX, np.nan),
        score=score,
        presence=score.max(axis=1),
        weights_hash=teacher,
        looked=np.array(looked, np.int64),
        others=np.array(others, np.int64),
    )


def scored(joints: Person) -> Person:
    """The score of a joint that is not known is 0."""
    joints[~np.isfinite(joints).all(axis=1)] = (np.nan, np.nan, 0.0)
    return joints


def sure(joints: Person) -> bool:
    """Whether this is somebody."""
    return float(joints[list(LIMB_JOINTS), 2].mean()) >= SEEN_SCORE


def size_px(joints: Person) -> float:
    """The longer side of the limb joints' tight box."""
    return float(np.ptp(joints[list(LIMB_JOINTS), :2], axis=0).max())


def _landmarks(person: Sequence[Any], size: ndarray) -> Float64[ndarray, "33 3"]:
    """Pixels and visibility: the package gives shares of the picture's width and height."""
    marks = np.array([(mark.x, mark.y, mark.visibility or 0.0) for mark in person], np.float64)
    marks[:, :2] = marks[:, :2] * size - 0.5
    return marks


def _as_sure(other: Person, joints: Person) -> bool:
    """Whether what was seen beside the person followed is one as well."""
    limbs = list(LIMB_JOINTS)
    as_sure = other[limbs, 2].mean() >= OTHER_SCORE * joints[limbs, 2].mean()
    return bool(as_sure and size_px(other) > OTHER_SIZE * size_px(joints))


def _imported(package: str, *, extra: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise LabelError(f"--teacher {extra} needs a package ({error}): pip install -e '.[{extra}]'") from None
