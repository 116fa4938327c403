from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.crop import Box
from engine.skeleton import MPII16, Skeleton
from realtime.frame import Frame
from realtime.result import Header, Person, Result
from tests.realtime.fake_engine import projected, standing, view
from tests.realtime.screen import person_of


@pytest.fixture
def make_video(tmp_path) -> Callable[..., Path]:
    """Writes a small H.264 video whose grey level is the frame's number."""

    def make(
        name: str = "clip.mp4",
        *,
        frames: int = 30,
        size: tuple[int, int] = (160, 96),
        pts: list[int] | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=options or {}) as container:
            stream = container.add_stream("libx264", rate=Fraction(30), options={"crf": "10", "g": "10"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 600)
            for i in range(frames):
                image = np.full((size[1], size[0], 3), 4 * i, np.uint8)
                image[: size[1] // 4, : size[0] // 4] = (0, 0, 255)  # a red corner, upper left
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = (pts[i] if pts else 20 * i), Fraction(1, 600)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def skeleton() -> Skeleton:
    """Of persons and headers; tests may ask for another."""
    return MPII16


@pytest.fixture
def person(skeleton) -> Person:
    """Somebody 4 m away in a 1280 x 720 picture."""
    _, K = view()
    joints_m = standing((0.3, 0.1, 4.0), arms=0.8, skeleton=skeleton)
    px = projected(joints_m, K)
    return person_of(joints_m, score=0.9, sigma=0.02, presence=0.98, box=Box(px.mean(axis=0), 520.0))


@pytest.fixture
def header(skeleton) -> Header:
    """Of a 1280 x 720 file at 30 frames per second."""
    return Header("test.mp4", "fake engine", "lite", "0" * 64, (1280, 720), Fraction(30), {"height_m": 1.7}, skeleton)


@pytest.fixture
def scene(person) -> Callable[[int], tuple[Frame, Result]]:
    """Frame and result by number; in frame 2 nobody is seen."""

    def make(index: int) -> tuple[Frame, Result]:
        image, _ = view()
        people = [] if index == 2 else [person]
        return Frame(index, index / 30, image), Result(index, index / 30, people, {"engine": 1.0}, "fake")

    return make
