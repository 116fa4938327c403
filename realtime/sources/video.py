"""Video files and streams through PyAV: exact presentation times, rotation tags obeyed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import av
import av.error
from av.container import InputContainer

from realtime.frame import Frame
from realtime.sources import SourceError
from realtime.sources.rotation import turned, turned_size

# a server gets so long to answer, and a stream so long to go on
CONNECT_S, READ_S = 10.0, 10.0
# a file that ends this much before its own table says is cut short
MISSING_S = 0.5


class VideoSource:
    """A file, or a stream by its URL. Streams without an end are live."""

    def __init__(self, url: str, *, rotate_deg: int | None = None) -> None:
        self.name = url
        self.damaged = 0  # packets that could not be decoded
        scheme = urlsplit(url).scheme if not Path(url).exists() else ""
        try:
            self._container = _opened(url, scheme)
        except av.error.FFmpegError as error:
            raise SourceError(_why_not(url, scheme, error)) from error
        try:
            self._prepare(scheme, rotate_deg)
        except BaseException:
            self._container.close()
            raise

    def _prepare(self, scheme: str, rotate_deg: int | None) -> None:
        if not self._container.streams.video:
            raise SourceError(f"{self.name} holds no video, only sound or data; give a video file")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.live = scheme != "" and (scheme not in ("http", "https") or not self._container.duration)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = Fraction(rate) if rate else None
        self.frame_count = (self._stream.frames or None) if not self.live else None
        self._decoded = self._decode()
        try:
            self._first = next(self._decoded, None)
        except av.error.FFmpegError as error:
            raise SourceError(f"{self.name} cannot be decoded ({_plain(error)}); convert it to H.264 .mp4") from error
        if self._first is None:
            raise SourceError(f"{self.name} holds no frame that can be decoded; record or convert it again")
        # the tag counts counter-clockwise what a player has to turn back
        tagged = -round(self._first.rotation / 90) * 90 % 360
        self._rotate_deg = tagged if rotate_deg is None else rotate_deg
        self.size_px = turned_size((self._first.width, self._first.height), self._rotate_deg)

    def frames(self) -> Iterator[Frame]:
        """All frames with their presentation times (files, from the file's start) or the moment they came (live)."""
        assert self._first is not None
        index, last_s = 0, -1.0
        picture: av.VideoFrame | None = self._first
        while picture is not None:
            time_s = time.monotonic() if self.live else self._time_s(picture, last_s)
            image = picture.to_ndarray(format="bgr24")
            yield Frame(index, time_s, turned(image, self._rotate_deg))
            index, last_s = index + 1, time_s
            try:
                picture = next(self._decoded, None)
            except av.error.FFmpegError as error:
                raise SourceError(self._cut_short(index, _plain(error))) from error
        if not self.live and self._missing_s(last_s) > MISSING_S and index < (self.frame_count or 0):
            raise SourceError(self._cut_short(index, "the file is shorter than its own table says"))

    def close(self) -> None:
        """Closes the file or connection."""
        self._container.close()

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Frames of the picture stream; damaged packets are passed over and counted, as players do."""
        for packet in self._container.demux(self._stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.damaged += 1

    def _time_s(self, picture: av.VideoFrame, last_s: float) -> float:
        start = Fraction(self._container.start_time or 0, av.time_base)
        if picture.pts is None or picture.time_base is None:
            return last_s + (float(1 / self.rate) if self.rate else 0.0) if last_s >= 0 else 0.0
        return float(picture.pts * picture.time_base - start)

    def _missing_s(self, last_s: float) -> float:
        duration_s = (self._container.duration or 0) / av.time_base
        return duration_s - last_s

    def _cut_short(self, index: int, why: str) -> str:
        of = f" of {self.frame_count}" if self.frame_count else ""
        return (
            f"{self.name} breaks off after {index}{of} frames ({why}); everything before is saved, copy the file again"
        )


def _opened(url: str, scheme: str) -> InputContainer:
    options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
    timeout = (CONNECT_S, READ_S) if scheme else None
    return av.open(url, options=options, timeout=timeout)


def _why_not(url: str, scheme: str, error: av.error.FFmpegError) -> str:
    if scheme:
        return f"no video from {url} ({_plain(error)}); check the address and that the server runs"
    if isinstance(error, av.error.PermissionError):
        return f"{url} may not be read; change its permissions"
    if Path(url).stat().st_size == 0:
        return f"{url} is empty; record or copy it again"
    why = f"it is no video, or it is cut short and its table is missing ({_plain(error)})"
    return f"{url} cannot be opened: {why}; copy or convert it again"


def _plain(error: av.error.FFmpegError) -> str:
    return (error.strerror or type(error).__name__).lower()
