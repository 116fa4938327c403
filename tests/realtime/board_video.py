"""A video of a board as a person holds it up: still for a moment in each place, moved in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from calib.board import parse_board
from calib.camera import Camera
from tests.calib.render import pose, render_board

BOARD = parse_board("9x6", square_mm=30)
LENS = Camera(640, 480, np.array([[620.0, 0, 322], [0, 622, 236], [0, 0, 1]]), np.array([-0.12, 0.05, 0, 0, 0]))
FPS = 10
STILL, MOVED = 5, 1  # frames in a place, frames on the way to the next
# where the board's middle is held (of the reach), and the axis about which it is tilted
PLACES = [
    (0, 0, 0), (-1, -1, 45), (1, -1, 90), (1, 1, 135), (-1, 1, 180), (0, -1, 225), (0, 1, 270), (-1, 0, 315),
    (1, 0, 0), (0, 0, 90), (-1, -1, 225), (1, -1, 315), (1, 1, 45), (-1, 1, 90), (0, 0, 200), (0.5, 0, 45),
    (-0.5, -0.5, 135), (0.5, 0.5, 300),
]  # fmt: skip


def poses(places: Sequence[tuple[float, float, float]] = PLACES) -> Iterator[np.ndarray]:
    """cam_from_board in each place."""
    for k, (x, y, axis_deg) in enumerate(places):
        off_axis_m = (0.2 * x, 0.145 * y)
        roll_deg, tilt_deg = 4.0 * (k % 3 - 1), 25.0 + 10 * (k % 2)
        yield pose(
            BOARD, distance_m=0.75, tilt_deg=tilt_deg, tilt_axis_deg=axis_deg, roll_deg=roll_deg, off_axis_m=off_axis_m
        )


def pictures(places: Sequence[tuple[float, float, float]] = PLACES, *, still: int = STILL) -> Iterator[np.ndarray]:
    """Grey pictures in order. On its way a board is a smear."""
    rng = np.random.default_rng(5)
    for cam_from_board in poses(places):
        image, _ = render_board(BOARD, LENS, cam_from_board, blur_px=0.6)
        for _ in range(still):
            yield np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
        for _ in range(MOVED):
            yield cv2.blur(image, (61, 1))


def write_video(path: Path, images: Iterator[np.ndarray], *, fps: int = FPS) -> Path:
    """A lossless video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = LENS.width, LENS.height, "gray"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode(None))
    return path
