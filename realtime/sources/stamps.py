"""The moments of frames: the driver's or the file's own where they are sane, and never going back."""

from __future__ import annotations

import logging
from fractions import Fraction

log = logging.getLogger(__name__)

# a picture of a driver that counts on our clock is at most this old on arrival
FRESH_S = 1.0
# between two frames at least: under the period of any camera, above what a float of seconds can tell apart
STEP_S = 1e-4
# a file whose time goes back by more starts over (joined recordings); by less, a single stamp is wrong
RESTART_S = 1.0


def on_our_clock(driver_s: float, arrived_s: float) -> bool:
    """Whether a driver's stamp is on the monotonic clock: 0 is none, others count from the camera's start."""
    return driver_s > 0 and 0 <= arrived_s - driver_s < FRESH_S


class LiveStamps:
    """Moments on the monotonic clock, strictly increasing.

    The driver's stamps count while each lies between the one before and the moment of arrival. The first that does
    not (zero, repeated, going back, in the future) ends that: from then on the moment of arrival counts.
    """

    def __init__(self, name: str, *, trusted: bool) -> None:
        self._name, self._last_s, self.by_driver = name, float("-inf"), trusted
        self._said = False

    def reopened(self, *, trusted: bool) -> None:
        """The camera was opened anew, its stamps checked again."""
        self.by_driver = trusted

    def __call__(self, driver_s: float, arrived_s: float) -> float:
        """The moment of the next frame, from both clocks."""
        if self.by_driver and not self._last_s < driver_s <= arrived_s:
            self.by_driver = False
            if not self._said:
                log.warning("%s: the driver's times jump; using the time of arrival", self._name)
            self._said = True
        time_s = driver_s if self.by_driver else arrived_s
        self._last_s = max(time_s, self._last_s + STEP_S)
        return self._last_s


class FileStamps:
    """Presentation times from the file's start, strictly increasing; sane ones stay exactly what the file says.

    A missing one follows the last by the frame period. One that repeats or goes back is moved to `STEP_S` after the
    last, until the file's times have caught up. One that goes back by more than `RESTART_S` begins the file's time
    anew, one period after the last frame.
    """

    def __init__(self, name: str, rate: Fraction | None) -> None:
        self._name = name
        self._period_s = float(1 / rate) if rate else STEP_S
        self._offset_s = 0.0
        self._last_s: float | None = None
        self.mended = 0

    def __call__(self, stamp_s: float | None) -> float:
        """The moment of the next frame, from what the file says of it."""
        self._last_s = self._next(stamp_s, self._last_s)
        return self._last_s

    def _next(self, stamp_s: float | None, last_s: float | None) -> float:
        if last_s is None:
            return stamp_s or 0.0
        if stamp_s is None:
            return self._mended(last_s + self._period_s)
        time_s = stamp_s + self._offset_s
        if time_s > last_s:
            return time_s
        if time_s >= last_s - RESTART_S:
            return self._mended(last_s + STEP_S)
        self._offset_s = last_s + self._period_s - stamp_s
        return self._mended(stamp_s + self._offset_s)

    def _mended(self, time_s: float) -> float:
        if not self.mended:
            log.warning("%s: frame times that are missing, repeat or go back are replaced", self._name)
        self.mended += 1
        return time_s
