"""A video file or stream opened through PyAV, and its pictures one after the other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from realtime.sources import STREAMS, Decoder, SourceError
from realtime.sources.rotation import turned_size

log = logging.getLogger(__name__)

# A server gets so long to answer, and a stream so long to go on: less than a reader waits for a live frame, so that
# a silent stream is tried again
CONNECT_S, READ_S = 10.0, 4.0


class Container:
    """A container and its first picture. SourceError where there is none.

    `live`: pictures come by themselves. A web server's file is not, it has a length in seconds or bytes. With the
    decoder `cuda` an NVIDIA card decodes (NVDEC); what it cannot, the processor does, and that is said.
    """

    def __init__(self, url: str, *, rotate_deg: int | None = None, decoder: Decoder = "cpu") -> None:
        self.name = url
        self.damaged = 0  # packets that could not be decoded
        scheme = urlsplit(url).scheme
        self.scheme = scheme if scheme in STREAMS else ""
        try:
            self._container = _opened(url, self.scheme, decoder)
        except av.error.FFmpegError as error:
            raise SourceError(_why_not(url, self.scheme, error)) from error
        try:
            self._prepare(rotate_deg)
            if decoder == "cuda" and not self.by_card:
                log.warning("%s is decoded by the processor: no card does it here", self.name)
        except BaseException:
            self._container.close()
            raise

    def _prepare(self, rotate_deg: int | None) -> None:
        if not self._container.streams.video:
            raise SourceError(f"{self.name} holds no video, only sound or data; give a video file")
        self._stream = self._container.streams.video[0]
        has_length = bool(self._container.duration) or (self._container.size or 0) > 0
        self.live = self.scheme != "" and not (self.scheme in ("http", "https") and has_length)
        # threads that each decode a frame of their own hold that many frames back
        self._stream.thread_type = "SLICE" if self.live else "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = Fraction(rate) if rate else None
        self.frame_count = (self._stream.frames or None) if not self.live else None
        self._decoded = self._decode()
        try:
            first = next(self._decoded, None)
        except av.error.FFmpegError as error:
            raise SourceError(f"{self.name} cannot be decoded ({plain(error)}); convert it to H.264 .mp4") from error
        if first is None:
            raise SourceError(f"{self.name} holds no frame that can be decoded; record or convert it again")
        self.first: av.VideoFrame = first
        # the tag counts counter-clockwise what a player has to turn back
        tagged = -round(first.rotation / 90) * 90 % 360
        self.rotate_deg = tagged if rotate_deg is None else rotate_deg
        self.size_px = turned_size((first.width, first.height), self.rotate_deg)

    @property
    def by_card(self) -> bool:
        """Whether a card decodes."""
        return self._stream.codec_context.is_hwaccel

    @property
    def description(self) -> str:
        """Size, rate, codec, length."""
        codec = {"wrapped_avframe": "test pictures"}.get(self._stream.codec_context.name)
        parts = [f"{self.size_px[0]}x{self.size_px[1]}"]
        parts += [f"at {float(self.rate):.4g} fps"] if self.rate else []
        text = f"{' '.join(parts)}, {codec or self._stream.codec_context.name}{' by the card' if self.by_card else ''}"
        return f"{text}, {self.frame_count} frames" if self.frame_count else text

    @property
    def duration_s(self) -> float:
        """What the file says about its length; 0 where it says nothing."""
        return (self._container.duration or 0) / av.time_base

    def next(self) -> av.VideoFrame | None:
        """The next picture, None at the end. FFmpegError where reading fails."""
        return next(self._decoded, None)

    def stamp_s(self, picture: av.VideoFrame) -> float | None:
        """A picture's presentation time from the container's start, None where it has none."""
        if picture.pts is None or picture.time_base is None:
            return None
        return float(picture.pts * picture.time_base - Fraction(self._container.start_time or 0, av.time_base))

    def close(self) -> None:
        """Closes the file or connection."""
        self._container.close()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Damaged packets are passed over and counted, as players do."""
        for packet in self._container.demux(self._stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.damaged += 1


def plain(error: Exception) -> str:
    """FFmpeg's reason, for a sentence."""
    if isinstance(error, av.error.ExitError):  # the read was broken off from here
        return "no answer in time"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()


def _opened(url: str, scheme: str, decoder: Decoder) -> InputContainer:
    if scheme == "lavfi":
        return av.open(url.removeprefix("lavfi:"), format="lavfi")
    options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
    timeout = (CONNECT_S, READ_S) if scheme else None
    if decoder == "cuda":
        try:
            return av.open(url, options=options, timeout=timeout, hwaccel=HWAccel("cuda"))
        except (av.error.FFmpegError, NotImplementedError, ValueError) as error:  # no card, driver, or support for one
            log.info("%s: no card opens it (%s)", url, plain(error))
    return av.open(url, options=options, timeout=timeout)


def _why_not(url: str, scheme: str, error: Exception) -> str:
    if scheme == "lavfi":
        return f"{url} is no graph of FFmpeg ({plain(error)}); try lavfi:testsrc2=size=1280x720:rate=30,realtime"
    if scheme:
        return f"no video from {url} ({plain(error)}); check the address and that the server runs"
    if isinstance(error, av.error.PermissionError):
        return f"{url} may not be read; change its permissions"
    if Path(url).stat().st_size == 0:
        return f"{url} is empty; record or copy it again"
    why = f"it is no video, or it is cut short and its table is missing ({plain(error)})"
    return f"{url} cannot be opened: {why}; copy or convert it again"
