"""A video to look at: the picture with the skeletons drawn on it, beside the same skeletons in space."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Frame
from realtime.overlay import draw_people
from realtime.result import Header, Result
from realtime.scene import Scene
from realtime.sinks import SinkError

HEIGHT_PX = 540
PICTURE_WIDTHS_PX = (320, 1280)
TIME_BASE = Fraction(1, 90_000)
CODEC_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "22"}, "mpeg4": {"q": "4"}}


class SideBySide:
    """H.264 where this PyAV has an encoder for it, else MPEG-4. Each frame keeps its own time."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        width = round(HEIGHT_PX * header.size_px[0] / header.size_px[1])
        self._picture_px = (_even(int(np.clip(width, *PICTURE_WIDTHS_PX))), HEIGHT_PX)
        self._scene = Scene((HEIGHT_PX, HEIGHT_PX))
        try:
            self._container = av.open(str(path), "w")
        except (OSError, av.error.FFmpegError) as error:
            raise SinkError(f"{path} cannot be written ({error.strerror}); choose another place") from error
        codec = next(name for name in CODEC_OPTIONS if name in av.codecs_available)
        stream = self._container.add_stream(codec, rate=header.rate or 30, options=CODEC_OPTIONS[codec])
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = self._picture_px[0] + HEIGHT_PX, HEIGHT_PX
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._start_s: float | None = None
        self._last_pts = -1
        self._open = True

    def write(self, frame: Frame, result: Result) -> None:
        """Draws and encodes one frame."""
        left = _fitted(draw_people(frame.image_bgr.copy(), result.people), self._picture_px)
        picture = av.VideoFrame.from_ndarray(np.hstack([left, self._scene.render(result)]), format="bgr24")
        if self._start_s is None:
            self._start_s = frame.time_s
        # an encoder refuses times that stand still, which a restarted stream gives
        self._last_pts = max(round((frame.time_s - self._start_s) / TIME_BASE), self._last_pts + 1)
        picture.pts, picture.time_base = self._last_pts, TIME_BASE
        self._mux(picture)

    def close(self) -> None:
        """Writes what the encoder still holds, and the file's table."""
        if not self._open:
            return
        self._open = False
        if self._start_s is not None:
            self._mux(None)
        self._container.close()

    def _mux(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (OSError, av.error.FFmpegError) as error:
            raise SinkError(f"{self.path} cannot be written on ({error.strerror}); is the disk full?") from error


def open_sink(path: Path, header: Header) -> SideBySide:
    """A new video."""
    return SideBySide(path, header)


def _even(n: int) -> int:
    return n // 2 * 2  # of yuv420p


def _fitted(image_bgr: UInt8[ndarray, "h w 3"], size_px: tuple[int, int]) -> UInt8[ndarray, "h2 w2 3"]:
    """The picture in a frame of this size, shape kept; only folders of photos need the black bars."""
    height, width = image_bgr.shape[:2]
    scale = min(size_px[0] / width, size_px[1] / height)
    inner = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image_bgr, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((size_px[1], size_px[0], 3), np.uint8)
    x, y = (size_px[0] - inner[0]) // 2, (size_px[1] - inner[1]) // 2
    canvas[y : y + inner[1], x : x + inner[0]] = small
    return canvas
