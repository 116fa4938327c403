"""What is looked at: the bundled clip, with the place of its person known, in memory and as a file of 720 lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from calib.camera import Camera
from engine.crop import Box, box_around
from realtime.session import FOV_DEG

CLIP = Path(__file__).resolve().parents[2] / "assets" / "demo.mp4"
FIRST, EVERY = 40, 6  # from where on the whole person is in the picture; every sixth picture is another pose
SIZE_PX = (1280, 720)


@dataclass(frozen=True, slots=True)
class Sight:
    """Pictures and the box of the person in each."""

    images: list[UInt8[ndarray, "h w 3"]]
    boxes: list[Box]
    K: Float64[ndarray, "3 3"]


def read_sights(count: int) -> Sight:
    """`count` pictures of 1280 x 720 with the true box in each."""
    truth = np.load(CLIP.with_name("demo_truth.npz"), allow_pickle=False)
    joints_m, K = truth["joints_cam_m"].astype(np.float64), truth["K"].astype(np.float64)
    scale = SIZE_PX[1] / 480
    shift = (SIZE_PX[0] - 640 * scale) / 2
    images, boxes = [], []
    for index, image in islice(enumerate(clip_images()), FIRST, FIRST + count * EVERY, EVERY):
        px = joints_m[index] @ K.T
        px = (px[:, :2] / px[:, 2:] + 0.5) * scale - 0.5 + (shift, 0.0)
        images.append(image)
        boxes.append(box_around(px))
    return Sight(images, boxes, Camera.from_fov(*SIZE_PX, FOV_DEG).K)


def clip_images() -> Iterator[UInt8[ndarray, "720 1280 3"]]:
    """The clip's pictures, enlarged, its edges drawn out to both sides."""
    with av.open(str(CLIP)) as container:
        for picture in container.decode(video=0):
            yield _enlarged(picture.to_ndarray(format="bgr24"))


def write_clip(path: Path) -> int:
    """The enlarged clip as a file of its own; how many frames it has."""
    frames = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_PX, "yuv420p"
        for frames, image in enumerate(clip_images(), start=1):  # noqa: B007 - the count is the result
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return frames


def _enlarged(image_bgr: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "720 1280 3"]:
    scale = SIZE_PX[1] / image_bgr.shape[0]
    large = cv2.resize(image_bgr, (round(image_bgr.shape[1] * scale), SIZE_PX[1]), interpolation=cv2.INTER_CUBIC)
    side = (SIZE_PX[0] - large.shape[1]) // 2
    return cv2.copyMakeBorder(large, 0, 0, side, side, cv2.BORDER_REPLICATE)
