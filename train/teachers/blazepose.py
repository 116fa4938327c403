"""BlazePose GHUM (Bazarevsky et al. 2020; Grishchenko et al. 2022), MediaPipe's network for one person, by OpenVINO.

    network = BlazePose(Path("pose_landmark_heavy.tflite"))
    points = look(network, image_bgr, region_around(joints_px))

It sees a square of 256 pixels in which the person stands upright, and gives 33 points in its pixels and in metres from
the middle of the hips. Its numbers lie right of a pixel's left edge, so a pixel's centre is at 0.5 (x of a picture and
of its mirror image add up to 256): they are moved to our convention here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import openvino as ov
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from engine.errors import UserError
from train.teachers.region import Region

SIDE_PX = 256
POINTS = 33
TORSO = (11, 24)  # left shoulder, right hip
# the point that takes a point's place in the mirror image: after the nose, eyes and mouth, pairs of left and right
MIRROR = (0, 4, 5, 6, 1, 2, 3, *(row for left in range(7, POINTS, 2) for row in (left + 1, left)))
PRESENT = 0.5  # the network's own yes or no to somebody being there
MAGIC = b"TFL3"  # of every TFLite file, after its first offset
PACKAGE = "@mediapipe/pose@0.5.1675469404"
GET = f"get it: `npm pack {PACKAGE}`, in it package/pose_landmark_heavy.tflite"
OUTPUTS = {"Identity": 195, "Identity_1": 1, "Identity_4": 117}  # five numbers of 39 points; presence; metres


class TeacherError(UserError):
    """A teacher that cannot be asked, and what to do."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says of one crop."""

    px: Float64[ndarray, "33 2"]  # of the crop
    world_m: Float64[ndarray, "33 3"]  # from the middle of the hips; x right, y down, z away, in the crop's axes
    visibility: Float64[ndarray, "33"]  # 0 ... 1
    presence: float  # 0 ... 1: of a person


@runtime_checkable
class Network(Protocol):
    """Anything that answers for a crop."""

    @property
    def name(self) -> str:
        """With its terms."""
        ...

    def __call__(self, rgb: Float32[ndarray, "256 256 3"]) -> Output:
        """Of a picture with values 0 ... 1."""
        ...


class BlazePose:
    """The network from its file. TeacherError where that is another file."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if not path.is_file():
            raise TeacherError(f"no file {path}; {GET}")
        core, content = ov.Core(), path.read_bytes()
        try:
            if content[4:8] != MAGIC:
                raise ValueError("not TFLite")
            model = core.read_model(path)
            sizes = {name: output.shape[1] for output in model.outputs for name in output.names}
            fits = list(model.input(0).shape) == [1, SIDE_PX, SIDE_PX, 3] and OUTPUTS.items() <= sizes.items()
        except (RuntimeError, ValueError, IndexError):
            fits = False
        if not fits:
            raise TeacherError(f"{path} is not MediaPipe's network for poses (pose_landmark_heavy.tflite); {GET}")
        # in bf16 its points lie more than a pixel of the crop elsewhere
        hints: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            hints["INFERENCE_NUM_THREADS"] = threads
        self._request = core.compile_model(model, "CPU", hints).create_infer_request()
        sha256 = hashlib.sha256(content).hexdigest()
        self.name = f"MediaPipe's {path.stem} {sha256[:12]} (Apache-2.0)"

    def __call__(self, rgb: Float32[ndarray, "256 256 3"]) -> Output:
        """33 of its 39 points: the others are no joints."""
        found = self._request.infer([rgb[None]])
        marks, presence, world = (found[name][0].astype(np.float64) for name in OUTPUTS)
        marks = marks.reshape(-1, 5)[:POINTS]
        return Output(
            px=marks[:, :2] - 0.5,
            world_m=world.reshape(-1, 3)[:POINTS],
            visibility=1 / (1 + np.exp(-np.clip(marks[:, 3], -50, 50))),
            presence=float(presence[0]),
        )


@dataclass(frozen=True, slots=True)
class Points:
    """The mean of the answers for a picture and its mirror image, and how far these lie apart."""

    px: Float64[ndarray, "33 2"]  # of the picture
    world_m: Float64[ndarray, "33 3"]  # from the middle of the hips, in the picture's axes
    visibility: Float64[ndarray, "33"]
    presence: Float64[ndarray, "2"]  # of the picture, of its mirror image
    apart_px: Float64[ndarray, "33"]
    apart_m: Float64[ndarray, "33"]  # in depth

    @property
    def torso_px(self) -> float:
        """Left shoulder to right hip."""
        return float(np.linalg.norm(self.px[TORSO[0]] - self.px[TORSO[1]]))

    @property
    def present(self) -> bool:
        """Whether somebody is there, by both answers."""
        return bool(self.presence.min() >= PRESENT)


def look(network: Network, image_bgr: UInt8[ndarray, "h w 3"], region: Region) -> Points:
    """What the network sees in a region of a picture."""
    rgb = region.cut(image_bgr, SIDE_PX)[..., ::-1].astype(np.float32) / np.float32(255)
    straight = network(np.ascontiguousarray(rgb))
    mirrored = network(np.ascontiguousarray(rgb[:, ::-1]))
    order = list(MIRROR)
    back_px = mirrored.px[order] * (-1, 1) + (SIDE_PX - 1, 0)
    back_m = mirrored.world_m[order] * (-1, 1, 1)
    world_m = (straight.world_m + back_m) / 2
    world_m[:, :2] = world_m[:, :2] @ region.crop_from_picture
    return Points(
        px=region.to_picture((straight.px + back_px) / 2, SIDE_PX),
        world_m=world_m,
        visibility=(straight.visibility + mirrored.visibility[order]) / 2,
        presence=np.array([straight.presence, mirrored.presence]),
        apart_px=np.linalg.norm(straight.px - back_px, axis=1) * region.side_px / SIDE_PX,
        apart_m=np.abs(straight.world_m[:, 2] - back_m[:, 2]),
    )
