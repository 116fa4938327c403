"""Streams without an end: network cameras and FFmpeg's test pictures. Read without pause, awaited where they close."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import av
import av.error
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Arrival, Captured, Undecoded
from realtime.sources import Decoder, SourceError
from realtime.sources.comeback import Comeback, Patience
from realtime.sources.container import CONNECT_S, READ_S, Container
from realtime.sources.guard import Guard
from realtime.sources.rotation import turned
from realtime.sources.stamps import LiveStamps
from realtime.sources.video import VideoSource


class StreamSource:
    """A live stream. One that closes is opened again; FFmpeg's test pictures just end.

    A stream has to be decoded as it comes, each picture rests on those before; only the colours of those that are
    taken are converted.
    """

    live = True
    frame_count: int | None = None

    def __init__(
        self,
        container: Container,
        *,
        rotate_deg: int | None = None,
        decoder: Decoder = "cpu",
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.rate, self.size_px = container.name, container.rate, container.size_px
        self.description = f"{container.description}, timed on arrival"
        self._container, self._rotate_deg, self._clock = container, rotate_deg, clock
        self._decoder: Decoder = decoder
        self._guard = Guard(lambda: self._container.close())
        advice = "check the server and start again"
        self._comeback = Comeback(self.name, try_s=CONNECT_S + READ_S, advice=advice, patience=patience, clock=clock)

    def frames(self) -> Iterator[Captured]:
        """Frames as they come, timed by the host: a stream's own times count from its server's start.

        Damaged packets are gaps of the index. While the stream is gone there are absences, then a gap of one.
        """
        stamp = LiveStamps(self.name, trusted=False)
        index = 0
        while True:
            with self._guard.inside() as allowed:
                if not allowed:
                    return
                damaged_before = self._container.damaged
                picture = self._next()
                arrived_s = self._clock()
                index += self._container.damaged - damaged_before
            if picture is None:
                if self._container.scheme == "lavfi":
                    return
                index += 0 if self._comeback.away else 1
                yield self._comeback.absence()
                if self._guard.closed.wait(self._comeback.retry_s):
                    return
                self._try_again()
                continue
            self._comeback.came()
            decode = _converter(picture, self._container.rotate_deg)
            yield Undecoded(index, stamp(0.0, arrived_s), decode, Arrival(arrived_s))
            index += 1

    def close(self) -> None:
        """Closes the connection, at once or when the read that is under way comes back."""
        self._guard.close()

    def _next(self) -> av.VideoFrame | None:
        try:
            return self._container.next()
        except av.error.FFmpegError:
            return None

    def _try_again(self) -> None:
        with self._guard.inside() as allowed:
            if not allowed:
                return
            self._container.close()
            try:
                self._container = Container(self.name, rotate_deg=self._rotate_deg, decoder=self._decoder)
            except SourceError:
                return


def open_stream(
    url: str, *, rotate_deg: int | None = None, decoder: Decoder = "cpu", patience: Patience | None = None
) -> StreamSource | VideoSource:
    """A stream by its URL; a file on a web server is read like a file."""
    container = Container(url, rotate_deg=rotate_deg, decoder=decoder)
    if not container.live:
        return VideoSource(container)
    return StreamSource(container, rotate_deg=rotate_deg, decoder=decoder, patience=patience)


def _converter(picture: av.VideoFrame, rotate_deg: int) -> Callable[[], UInt8[ndarray, "h w 3"] | None]:
    return lambda: turned(picture.to_ndarray(format="bgr24"), rotate_deg)
