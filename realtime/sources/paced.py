"""A file or one of FFmpeg's test graphs in the place of a camera: each picture comes when its time has come.

The picture's own time counts as the driver's stamp, its arrival is that of the host. So recording is tested without
hardware, and two synced files become a take with known truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import av
import av.error
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Arrival, Captured, Undecoded
from realtime.sources import SourceError
from realtime.sources.container import Container, plain
from realtime.sources.guard import Guard
from realtime.sources.rotation import turned
from realtime.sources.stamps import FileStamps


class PacedSource:
    """Pictures in real time from `start_s` on (monotonic clock), which may be set until the first is asked for.

    A reader that is late gets them as fast as it can, none is left out.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, url: str, *, rotate_deg: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._container = Container(url, rotate_deg=rotate_deg)
        self.name, self.rate, self.size_px = url, self._container.rate, self._container.size_px
        self.description = f"{self._container.description}, played in real time"
        self.start_s: float | None = None
        self._clock = clock
        self._guard = Guard(self._container.close)

    def frames(self) -> Iterator[Captured]:
        """All pictures, each at its time, stamped with it."""
        stamp = FileStamps(self.name, self.rate)
        start_s = self.start_s = self._clock() if self.start_s is None else self.start_s
        index = 0
        picture: av.VideoFrame | None = self._container.first
        while picture is not None:
            due_s = start_s + stamp(self._container.stamp_s(picture))
            if self._wait(due_s):
                return
            arrival = Arrival(self._clock(), driver_s=due_s, by_driver=True)
            yield Undecoded(index, due_s, partial(_converted, picture, self._container.rotate_deg), arrival)
            index += 1
            picture = self._next()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._guard.close()

    def _wait(self, until_s: float) -> bool:
        """True where it was closed meanwhile."""
        left_s = until_s - self._clock()
        return self._guard.closed.wait(left_s) if left_s > 0 else self._guard.closed.is_set()

    def _next(self) -> av.VideoFrame | None:
        with self._guard.inside() as allowed:
            if not allowed:
                return None
            try:
                return self._container.next()
            except av.error.FFmpegError as error:
                raise SourceError(f"{self.name} cannot be read on ({plain(error)}); convert it to H.264") from error


def _converted(picture: av.VideoFrame, rotate_deg: int) -> UInt8[ndarray, "h w 3"]:
    return turned(picture.to_ndarray(format="bgr24"), rotate_deg)
