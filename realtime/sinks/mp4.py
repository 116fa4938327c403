"""A video to look at: the picture with the skeletons drawn on it, beside the same skeletons in space.

While a run lasts, the file is a fragmented MP4 with a fragment per frame: a killed run loses one frame. Closing makes
it an ordinary MP4, which every player takes (FFmpeg's `hybrid_fragmented`). Times are those of the frames, to the
microsecond, from the first frame on; `comment` in its metadata is the header, with the first frame's own time.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.video.frame import PictureType
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Frame
from realtime.overlay import draw_people
from realtime.result import Header, Result
from realtime.scene import Scene
from realtime.sinks.fragment_file import CONTAINER_OPTIONS, TIME_BASE, FragmentFile
from realtime.sinks.records import header_record

SCHEMA = "video/1"
HEIGHT_PX = 540
PICTURE_WIDTHS_PX = (320, 1280)
KEY_FRAME_S = 1.0  # between pictures that a player can jump to
KEY_FRAME_FRAMES = "600"  # the encoder sets none of its own before ours
# no frame waits in the encoder for later ones: what was written is in the file
CODEC_OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "22", "tune": "zerolatency", "forced-idr": "1", "g": KEY_FRAME_FRAMES},
    "mpeg4": {"q": "4", "g": KEY_FRAME_FRAMES},
}


class SideBySide:
    """H.264 where this PyAV has an encoder for it, else MPEG-4."""

    shows_pictures = True

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self._header = header_record(header, SCHEMA)
        width = round(HEIGHT_PX * header.size_px[0] / header.size_px[1])
        self._picture_px = (_even(int(np.clip(width, *PICTURE_WIDTHS_PX))), HEIGHT_PX)
        self._scene = Scene((HEIGHT_PX, HEIGHT_PX))
        self._file = FragmentFile(path)
        self._container = av.open(self._file, "w", format="mp4", options=CONTAINER_OPTIONS)
        codec = next(name for name in CODEC_OPTIONS if name in av.codecs_available)
        stream = self._container.add_stream(codec, rate=header.rate or 30, options=CODEC_OPTIONS[codec])
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = self._picture_px[0] + HEIGHT_PX, HEIGHT_PX
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._start_s: float | None = None
        self._last_pts, self._key_pts = -1, 0
        self._open = True

    def write(self, frame: Frame, result: Result) -> None:
        """Draws and encodes one frame."""
        left = _fitted(draw_people(frame.image_bgr.copy(), result.people), self._picture_px)
        picture = av.VideoFrame.from_ndarray(np.hstack([left, self._scene.render(result)]), format="bgr24")
        if self._start_s is None:
            self._start_s = frame.time_s
            about = self._header | {"first_frame": frame.index, "first_time_s": frame.time_s}
            self._container.metadata["comment"] = json.dumps(about)
        # an encoder refuses times that stand still, which a restarted stream gives
        self._last_pts = max(round((frame.time_s - self._start_s) / TIME_BASE), self._last_pts + 1)
        picture.pts, picture.time_base = self._last_pts, TIME_BASE
        if self._last_pts >= self._key_pts:
            picture.pict_type = PictureType.I
            self._key_pts = self._last_pts + round(KEY_FRAME_S / TIME_BASE)
        self._mux(picture)

    def flush(self) -> None:
        """Nothing is held back, but the frame whose duration is known once the next one has come."""

    def close(self) -> None:
        """Writes the last frame and the table of an ordinary MP4. After an error, cuts off what is not whole."""
        if not self._open:
            return
        self._open = False
        try:
            if self._start_s is None:
                self._container.start_encoding()
            elif self._file.error is None:
                self._mux(None)
        finally:
            with suppress(av.error.FFmpegError):  # the file keeps the error that came first
                self._container.close()
            self._file.close()
        if self._file.error is not None:
            raise self._file.error

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            self._container.mux(packet)
            if self._file.error is not None:
                raise self._file.error
            self._file.mark()


def open_format(path: Path, header: Header) -> SideBySide:
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
