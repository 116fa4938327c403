"""A webcam: drained without pause, decoded only where somebody looks, awaited where it is unplugged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Arrival, Captured, Frame, Undecoded
from realtime.sources import SourceError
from realtime.sources.comeback import Comeback, Patience
from realtime.sources.device import (
    ASKED,
    OPEN_S,
    Device,
    Mode,
    camera_name,
    check_present,
    make_device,
    open_feed,
    open_within,
    unpacked,
)
from realtime.sources.guard import Guard
from realtime.sources.rotation import turned, turned_size
from realtime.sources.stamps import LiveStamps

log = logging.getLogger(__name__)

# OpenCV's buffers on V4L2: they filled while the rest of the program started. A picture that was waited for is new
OLD_PICTURES, WAITED_S = 4, 0.005
# Noise makes any two pictures of a sensor differ: one that repeats for so long is stuck, or drawn by a program
STUCK_S = 3.0


class CameraSource:
    """A camera by its index. `mode` is what it granted and, where that differs, what was asked."""

    live = True
    frame_count: int | None = None

    def __init__(
        self,
        index: int,
        *,
        rotate_deg: int | None = None,
        make: Callable[[int], Device] = make_device,
        modes: Sequence[Mode] = (ASKED,),
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"camera {index}"
        self._index, self._rotate_deg, self._make, self._clock = index, rotate_deg or 0, make, clock
        check_present(index)
        self._feed = open_within(OPEN_S, index, make, modes=modes)
        mode, self.asked, self.rotate_deg = self._feed.mode, ASKED, self._rotate_deg
        self.granted = mode
        # after a break in the mode that it had, if that was one of ours
        self._again = [one for one in modes if mode.granted(one)] or modes
        self.mode = f"{mode}" if mode.granted(self.asked) else f"{mode} (asked {self.asked})"
        self.rate = Fraction(mode.fps).limit_denominator(1001) if mode.fps else None
        self.size_px = turned_size(mode.size_px, self._rotate_deg)
        self._guard = Guard(lambda: self._feed.device.release())
        self._stamps = LiveStamps(self.name, trusted=self._feed.stamped)
        self._comeback = Comeback(
            self.name, try_s=OPEN_S, advice="plug it in and start again", patience=patience, clock=clock
        )
        self._repeats = Repeats(self.name)

    @property
    def packed(self) -> bool:
        """Whether it sends JPEGs as they are."""
        return self._feed.packed

    @property
    def by_driver(self) -> bool:
        """Whether its frames have the driver's times, not those of arrival."""
        return self._stamps.by_driver

    @property
    def description(self) -> str:
        """Name, mode, who decodes, whose clock."""
        decoded = "" if self._feed.packed else ", every picture decoded on arrival"
        stamped = "timed by its driver" if self._stamps.by_driver else "timed on arrival"
        name = camera_name(self._index)
        return f"{name}: {self.mode}{decoded}, {stamped}" if name else f"{self.mode}{decoded}, {stamped}"

    def frames(self) -> Iterator[Captured]:
        """Frames until `close`. While the camera is gone there are absences, then a gap of one index."""
        index = 0
        self._pass_over_old()
        while True:
            with self._guard.inside() as allowed:
                if not allowed:
                    return
                taken = self._read()
            if taken is None:
                index += 0 if self._comeback.away else 1
                yield self._comeback.absence()
                if self._guard.closed.wait(self._comeback.retry_s):
                    return
                self._try_again()
                continue
            self._comeback.came()
            time_s, arrival, picture = taken
            if picture is not None:  # one that the driver could not give is a dropped one: its index stays out
                self._repeats.check(picture, time_s)
                yield self._frame(index, time_s, picture, arrival)
            index += 1

    def close(self) -> None:
        """Releases the camera, at once or when the read that is under way comes back."""
        self._guard.close()

    def _pass_over_old(self) -> None:
        with self._guard.inside() as allowed:
            for _ in range(OLD_PICTURES if allowed else 0):
                begin_s = self._clock()
                if not self._grab() or self._clock() - begin_s > WAITED_S:
                    return

    def _grab(self) -> bool:
        try:
            return self._feed.device.grab()
        except cv2.error:
            return False

    def _read(self) -> tuple[float, Arrival, cv2.typing.MatLike | None] | None:
        """Moment, arrival and picture, which is None if damaged; None where the camera is gone."""
        if not self._grab():
            return None
        arrived_s = self._clock()
        try:
            driver_s = self._feed.device.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            time_s = self._stamps(driver_s, arrived_s)
            ok, picture = self._feed.device.retrieve()
        except cv2.error:
            return None
        whole = ok and (self._feed.packed or picture.ndim == 3)
        arrival = Arrival(arrived_s, driver_s, self._stamps.by_driver)
        return time_s, arrival, picture if whole else None

    def _frame(self, index: int, time_s: float, picture: cv2.typing.MatLike, arrival: Arrival) -> Frame | Undecoded:
        if self._feed.packed:
            decode = partial(_decoded, picture, self._rotate_deg)
            return Undecoded(index, time_s, decode, replace(arrival, jpeg=picture.reshape(-1)))
        return Frame(index, time_s, turned(picture, self._rotate_deg), arrival)

    def _try_again(self) -> None:
        """Opens the camera anew if it is there. The old device is let go first: it keeps the number taken."""
        with self._guard.inside() as allowed:
            if not allowed:
                return
            self._feed.device.release()
            try:
                check_present(self._index)
                self._feed = open_feed(self._index, self._make, modes=self._again)
            except (SourceError, cv2.error):
                return
            self._stamps.reopened(trusted=self._feed.stamped)


class Repeats:
    """Warns once of a camera that gives the very same picture for seconds."""

    def __init__(self, name: str) -> None:
        self._name, self._since_s, self._warned = name, 0.0, False
        self._last: ndarray | None = None

    def check(self, picture: cv2.typing.MatLike, time_s: float) -> None:
        """One picture, or the bytes of one."""
        # a share of the pixels is enough, and cheap
        picture = picture[::16, ::16].copy() if picture.ndim == 3 else picture
        if self._last is None or not np.array_equal(self._last, picture):
            self._last, self._since_s = picture, time_s
        elif time_s - self._since_s >= STUCK_S and not self._warned:
            log.warning("%s repeats the same picture; if it is no still picture, plug it in again", self._name)
            self._warned = True


def _decoded(data: cv2.typing.MatLike, rotate_deg: int) -> UInt8[ndarray, "h w 3"] | None:
    image = unpacked(data)
    return None if image is None else turned(image, rotate_deg)
