"""`camN.mp4`: pictures with their exact moments, in a container that a crash leaves readable.

Stamps are whole microseconds from the camera's first frame on. Pictures are JPEGs as a camera sends them, each
decodable alone, or H.264 with a key frame per second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.video.frame import PictureType
from jaxtyping import UInt8
from numpy import ndarray

from realtime.sinks.fragment_file import CONTAINER_OPTIONS, TIME_BASE, FragmentFile
from realtime.sources.device import unpacked
from realtime.takes.errors import TakeError

KEY_FRAME_US = 1_000_000
JPEG_QUALITY = 95  # of pictures that come undecoded; a webcam's own are about that good
H264_OPTIONS = {
    "preset": "ultrafast",
    "crf": "18",
    "tune": "zerolatency",  # no frame waits in the encoder for later ones
    "forced-idr": "1",
    "g": "600",  # the encoder sets no key frames of its own before ours
}


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a picture."""

    size_bytes: int
    key: bool


class VideoWriter:
    """One camera's pictures into a new file. A write that fails leaves the file whole up to the frame before."""

    def __init__(
        self, path: Path, size_px: tuple[int, int], *, codec: Literal["mjpeg", "h264"], rate: Fraction | None
    ) -> None:
        self._file = FragmentFile(path)
        self._container = av.open(self._file, "w", format="mp4", options=CONTAINER_OPTIONS)
        name = {"mjpeg": "mjpeg", "h264": "libx264"}[codec]
        options = H264_OPTIONS if codec == "h264" else {}
        stream = self._container.add_stream(name, rate=rate or 30, options=options)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._codec = codec
        self._key_us = 0
        self._begun = self._closed = False

    def write_jpeg(self, data: bytes, since_first_us: int) -> Written:
        """A compressed picture as it is. OSError where the disk is full."""
        packet = av.Packet(data)
        packet.pts = packet.dts = since_first_us
        packet.time_base, packet.stream, packet.is_keyframe = TIME_BASE, self._stream, True
        self._mux(packet)
        return Written(len(data), key=True)

    def write_image(self, image_bgr: UInt8[ndarray, "h w 3"], since_first_us: int) -> Written:
        """A picture, compressed here."""
        if self._codec == "mjpeg":
            return self.write_jpeg(jpeg_of(image_bgr), since_first_us)
        return self.encode(av.VideoFrame.from_ndarray(image_bgr, format="bgr24"), since_first_us)

    def encode(self, picture: av.VideoFrame, since_first_us: int) -> Written:
        """A picture into H.264."""
        picture.pts, picture.time_base = since_first_us, TIME_BASE
        picture.pict_type = PictureType.NONE
        if since_first_us >= self._key_us:
            picture.pict_type = PictureType.I
            self._key_us = since_first_us + KEY_FRAME_US
        packets = self._stream.encode(picture)
        for packet in packets:
            self._mux(packet)
        return Written(sum(packet.size for packet in packets), key=any(packet.is_keyframe for packet in packets))

    def fileno(self) -> int:
        """For a sync to the disk."""
        return self._file.fileno()

    def close(self) -> None:
        """Makes it an ordinary MP4. OSError where the disk is full: the file is readable all the same."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._begun:
                self._container.start_encoding()
            elif self._file.error is None and self._codec == "h264":
                for packet in self._stream.encode(None):
                    self._mux(packet)
        finally:
            with suppress(av.error.FFmpegError):  # the file keeps the error that came first
                self._container.close()
            self._file.close()
        if self._file.error is not None:
            raise self._file.error

    def _mux(self, packet: av.Packet) -> None:
        self._begun = True
        self._container.mux(packet)
        if self._file.error is not None:
            raise self._file.error
        self._file.mark()


@dataclass(frozen=True, slots=True)
class Packet:
    """A compressed picture of a file; `since_first_us` counts from the picture that is shown first."""

    since_first_us: int
    key: bool
    data: av.Packet


def packets(path: Path) -> Iterator[Packet]:
    """A file's packets in its own order, as far as they can be read. TakeError where it cannot be opened."""
    with opened(path) as container:
        stream = container.streams.video[0]
        for packet in _demuxed(container, stream):
            if packet.pts is not None and packet.size:
                yield Packet(_since_first_us(packet.pts, stream), packet.is_keyframe, packet)


def opened(path: Path) -> InputContainer:
    """A take's video. TakeError where there is none."""
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise TakeError(f"{path} cannot be read ({error.strerror or error}); is this a whole take?") from error
    if not container.streams.video:
        container.close()
        raise TakeError(f"{path} holds no video; record or import the take again")
    return container


def pictures(path: Path, *, jpegs: bool, from_us: int) -> Iterator[tuple[int, UInt8[ndarray, "h w 3"]]]:
    """Microseconds from the first frame, and the picture; those that are damaged are left out.

    Starts at the packet of `from_us`, which has to be one that decodes alone. JPEGs are decoded as in a live run.
    """
    return _unpacked(path, from_us) if jpegs else _decoded(path, from_us)


def _unpacked(path: Path, from_us: int) -> Iterator[tuple[int, ndarray]]:
    for packet in packets(path):
        if packet.since_first_us < from_us:
            continue
        image_bgr = unpacked(np.frombuffer(bytes(packet.data), np.uint8))
        if image_bgr is not None:
            yield packet.since_first_us, image_bgr


def _decoded(path: Path, from_us: int) -> Iterator[tuple[int, ndarray]]:
    with opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        begun = False
        for packet in _demuxed(container, stream):
            begun = begun or (packet.pts is not None and _since_first_us(packet.pts, stream) >= from_us)
            if not begun:
                continue
            try:
                for picture in packet.decode():
                    if picture.pts is not None:
                        yield _since_first_us(picture.pts, stream), picture.to_ndarray(format="bgr24")
            except av.error.InvalidDataError:
                continue


def _demuxed(container: InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Packets, and the empty one that empties the decoder; a torn end is an end."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        yield av.Packet(0)


def _since_first_us(pts: int, stream: av.VideoStream) -> int:
    return round((pts - (stream.start_time or 0)) * (stream.time_base or TIME_BASE) / TIME_BASE)


def jpeg_of(image_bgr: UInt8[ndarray, "h w 3"]) -> bytes:
    """A picture as JPEG."""
    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
