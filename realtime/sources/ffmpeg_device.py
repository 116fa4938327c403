"""A camera of Linux through FFmpeg, with the manners of `cv2.VideoCapture`.

FFmpeg hands out packets as the driver gave them, with the kernel's own stamps, keeps 256 buffers where OpenCV keeps
four, and says why a stream does not start: no room on the bus is an error of its own.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer

from realtime.sources import SourceError
from realtime.sources.device import BandwidthError

Opener = Callable[..., InputContainer]
RAW_PIXELS = {"yuyv422": "YUYV", "nv12": "NV12", "uyvy422": "UYVY", "yuv420p": "YU12", "gray": "GREY"}


class FFmpegDevice:
    """Opened at the first grab, when it is known what is asked. A format that it does not have is not insisted on."""

    def __init__(self, index: int, *, opener: Opener = av.open) -> None:
        self._index, self._path, self._opener = index, f"/dev/video{index}", opener
        self._wanted: dict[int, float] = {}
        self._convert = True
        self._container: InputContainer | None = None
        self._packets: Iterator[av.Packet] = iter(())
        self._packet: av.Packet | None = None

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Whether it can be opened. SourceError where that is forbidden."""
        if os.path.exists(self._path) and not os.access(self._path, os.R_OK | os.W_OK):
            raise SourceError(f"camera {self._index} may not be used; `sudo usermod -aG video $USER`, then log in anew")
        return True

    def set(self, propId: int, value: float) -> bool:
        """What to ask for. The next grab opens it anew, but for the form of the pictures."""
        if propId == cv2.CAP_PROP_CONVERT_RGB:
            self._convert = bool(value)
            return True
        if self._wanted.get(propId) != value:
            self._wanted[propId] = value
            self.release()
        return True

    def get(self, propId: int) -> float:
        """What was obtained; the newest packet's stamp in milliseconds, 0 where it has none."""
        if propId == cv2.CAP_PROP_POS_MSEC:
            stamped = self._packet is not None and self._packet.pts is not None and self._packet.time_base is not None
            return float(self._packet.pts * self._packet.time_base * 1000) if stamped else 0.0  # type: ignore
        stream = self._stream()
        if propId == cv2.CAP_PROP_FPS:
            return float(stream.average_rate or 0.0)
        if propId == cv2.CAP_PROP_FOURCC:
            name = stream.codec_context.name
            pixels = "MJPG" if name == "mjpeg" else RAW_PIXELS.get(stream.codec_context.pix_fmt or "", "")
            return float(cv2.VideoWriter.fourcc(*pixels)) if pixels else 0.0
        return 0.0

    def grab(self) -> bool:
        """Waits for the next packet; False where the camera is gone."""
        try:
            self._stream()
            self._packet = next((packet for packet in self._packets if packet.size), None)
        except (av.error.FFmpegError, OSError):
            return False
        return self._packet is not None

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]:
        """The bytes of the JPEG, or the picture where one was asked for."""
        empty = np.zeros((1, 0), np.uint8)
        if self._packet is None:
            return False, empty
        if not self._convert and self._stream().codec_context.name == "mjpeg":
            return True, np.frombuffer(bytes(self._packet), np.uint8).reshape(1, -1)
        try:
            pictures = self._packet.decode()
        except av.error.FFmpegError:
            return False, empty
        return (True, pictures[0].to_ndarray(format="bgr24")) if pictures else (False, empty)

    def release(self) -> None:
        """Lets the driver go; may be called twice."""
        if self._container is not None:
            self._container.close()
        self._container, self._packet, self._packets = None, None, iter(())

    def _stream(self) -> av.VideoStream:
        if self._container is None:
            self._container = self._opened()
            self._packets = self._container.demux(self._container.streams.video[0])
        return self._container.streams.video[0]

    def _opened(self) -> InputContainer:
        options = {"timestamps": "default"}  # the kernel's: monotonic where the driver is sane
        width, height = (self._wanted.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width and height:
            options["video_size"] = f"{int(width)}x{int(height)}"
        if fps := self._wanted.get(cv2.CAP_PROP_FPS):
            options["framerate"] = f"{fps:g}"
        for form in ({"input_format": "mjpeg"}, {}):
            try:
                return self._opener(self._path, format="v4l2", options=options | form)
            except (av.error.FFmpegError, OSError) as error:
                if error.errno == errno.ENOSPC:
                    raise BandwidthError(_crowded(self._index)) from error
                if error.errno == errno.EBUSY:
                    raise SourceError(f"camera {self._index} is used by another program; close that") from error
                if error.errno != errno.EINVAL or not form:
                    raise
        raise AssertionError("the second form is returned or raised")


def make_ffmpeg_device(index: int) -> FFmpegDevice:
    """The system's camera of that number."""
    return FFmpegDevice(index)


def _crowded(index: int) -> str:
    return (
        f"camera {index} finds no USB bandwidth left beside the other cameras, at no size and rate (the disk is not "
        "full); plug it into a port of another controller, not into the same hub"
    )
