"""One training sample, whatever it came from: a picture, the camera that took it, joints and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped, UInt8
from numpy import ndarray

from calib.camera import Camera
from engine.crop import Box, camera_matrix
from engine.errors import UserError
from engine.skeleton import MPII16, Skeleton, skeleton_of

REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
# a photo without a known camera is taken to span this angle; it matters only for how a crop is turned
ASSUMED_FOV_DEG = 60.0


@runtime_checkable
class Readable(Protocol):
    """Something that has bytes: a file, or a part of one far away."""

    def read_bytes(self) -> bytes:
        """All of them. OSError where it is gone."""
        ...


SPINE = len(MPII16)  # row of `Captured.joints_m` after mpii16's


@dataclass(frozen=True, slots=True)
class Captured:
    """What a motion capture studio knows of a picture."""

    subject: str
    action: str
    recording: str  # one take of an action, by all cameras
    camera: str
    frame: int  # of its recording
    joints_m: Float64[ndarray, "17 3"]  # mpii16, then the spine; camera axes; NaN where the studio has no such joint
    lens: Camera  # with distortion; placed in the studio where that is known


@dataclass(frozen=True, slots=True)
class Sample:
    """A person in a picture, or a picture without one (`box` is None)."""

    name: str
    jpeg: bytes | Readable  # the encoded picture, or its file: large sets stay on the disk
    K: Float64[ndarray, "3 3"]
    joints_px: Float32[ndarray, "joints 2"]  # of the picture; meaningless where the weight is 0
    relative_depth: Float32[ndarray, "joints"]  # (Z_j - Z_root) / Z_root in the picture's camera
    weight: Float32[ndarray, "joints 3"]  # how far x, y, z of each joint can be trusted, 0 = not labelled
    box: Box | None  # the tight box x 1.25, before jitter
    head_xyxy: Float64[ndarray, "4"] | None = None  # MPII's box of the head
    captured: Captured | None = None
    person: bytes | None = None  # a PNG of the picture's size, 255 where the person is: who may be given other clothes
    exchanged: float = float("nan")  # by how many of its limb joints a teacher would exchange left and right, -1 ... 1
    stretch: float = 0.0  # by how much of it the person's width may be wrong: the picture's true aspect is not known

    @property
    def skeleton(self) -> Skeleton:
        """Which joints it has."""
        return skeleton_of(len(self.joints_px))

    def with_joints(self, skeleton: Skeleton) -> Sample:
        """The same with the joints of another skeleton: what it lacks is not labelled, what is too much goes."""
        return replace(
            self,
            joints_px=resized(self.joints_px, len(skeleton)),
            relative_depth=resized(self.relative_depth, len(skeleton)),
            weight=resized(self.weight, len(skeleton)),
        )

    def encoded(self) -> bytes:
        """The picture as it is stored. OSError where its file is gone."""
        return self.jpeg if isinstance(self.jpeg, bytes) else self.jpeg.read_bytes()

    def image_bgr(self) -> UInt8[ndarray, "h w 3"]:
        """The decoded picture. UserError, which names it, where it is damaged."""
        return self._decoded(1)

    def reduced(self, factor: int) -> tuple[Sample, UInt8[ndarray, "h w 3"]]:
        """The picture decoded at 1/factor of its size, and this sample in its pixels.

        A JPEG of that size is made of fewer coefficients: an eighth takes a fraction of the time.
        """
        image = self._decoded(factor)
        if factor == 1:
            return self, image
        K = self.K.copy()
        K[:2, :2] /= factor
        K[:2, 2] = (K[:2, 2] + 0.5) / factor - 0.5
        box = self.box and Box((self.box.center_px + 0.5) / factor - 0.5, self.box.side_px / factor)
        return replace(self, K=K, joints_px=(self.joints_px + 0.5) / factor - 0.5, box=box), image

    def person_mask(self, shape: tuple[int, int]) -> UInt8[ndarray, "h w"] | None:
        """Where the person is in the picture, at some (height, width); None where nobody knows."""
        if self.person is None:
            return None
        mask = cv2.imdecode(np.frombuffer(self.person, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert mask is not None, "it was made here"
        return mask if mask.shape == shape else cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_AREA)

    def _decoded(self, factor: int) -> UInt8[ndarray, "h w 3"]:
        try:
            return decode_jpeg(self.encoded(), factor)
        except ValueError as error:
            where = f"{self.jpeg} of {self.name}" if isinstance(self.jpeg, Path) else self.name
            raise UserError(f"{where}: {error}; put the picture there anew or take the record out") from None


def decode_jpeg(data: bytes, factor: int = 1) -> UInt8[ndarray, "h w 3"]:
    """A JPEG's pixels, BGR, at 1/factor of its size (1, 2, 4, 8). ValueError when the bytes are damaged."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), REDUCED[factor])
    if image is None:
        raise ValueError(f"not a readable JPEG ({len(data)} bytes)")
    return image


def boxed(weight: Float32[ndarray, "joints 3"]) -> Int64[ndarray, "labelled"]:
    """The labelled joints that a person's box is put around: those of `mpii16`, whatever else is known."""
    return np.flatnonzero(weight[: len(MPII16), 0] > 0)


def resized(rows: Shaped[ndarray, "joints ..."], count: int) -> Float32[ndarray, "count ..."]:
    """The first `count` rows; zeros where there are fewer."""
    new = np.zeros((count, *rows.shape[1:]), np.float32)
    new[: len(rows)] = rows[:count]
    return new


def assumed_camera(width: int, height: int) -> Float64[ndarray, "3 3"]:
    """K of a photo of which nothing is known."""
    return camera_matrix(width, height, fov_deg=ASSUMED_FOV_DEG)


def background(name: str, jpeg: bytes) -> Sample:
    """A picture without a person."""
    height, width = decode_jpeg(jpeg).shape[:2]
    px, depth, weight = (np.zeros((len(MPII16), *shape), np.float32) for shape in ((2,), (), (3,)))
    return Sample(name, jpeg, assumed_camera(width, height), px, depth, weight, None)
