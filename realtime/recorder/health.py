"""How well a camera delivers: rate, jitter and gaps by its stamps, and whether its pictures are any good."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

WINDOW_S = 2.0
DROP_PERIODS = 1.5  # a longer step holds more than one frame
SLOW_SHARE = 0.75  # of the rate that was granted: below, automatic exposure has halved it
# mean grey and share of white pixels: ten views of real recordings and ten photos had 55 to 176, and at most 0.11
DARK, BRIGHT, CLIPPED_SHARE = 40.0, 215.0, 0.2
# variance of the Laplacian at 320 columns: 140 to 3900 in the same pictures, 12 to 158 after a blur of 4 px at 1280
BLURRED = 60.0
LOOK_COLUMNS = 320


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Of the last seconds. None where too few frames came."""

    rate_hz: float | None
    jitter_p95_ms: float | None
    dropped: int  # since the beginning, by gaps in index and stamps


class Health:
    """Follows one camera's stamps. `seen` is called by the thread that reads, the rest by any."""

    def __init__(self, rate: Fraction | None) -> None:
        self._nominal_s = float(1 / rate) if rate else None
        self._times_s: deque[float] = deque()
        self._lock = threading.Lock()
        self._dropped = 0
        self._last: tuple[int, float] | None = None

    def seen(self, index: int, time_s: float) -> None:
        """A frame came."""
        with self._lock:
            period_s = self._period_s()
            if self._last is not None:
                missing = index - self._last[0] - 1
                if missing <= 0 and period_s and time_s - self._last[1] > DROP_PERIODS * period_s:
                    missing = round((time_s - self._last[1]) / period_s) - 1
                self._dropped += max(missing, 0)
            self._last = index, time_s
            self._times_s.append(time_s)
            while self._times_s[0] < time_s - WINDOW_S:
                self._times_s.popleft()

    def away(self) -> None:
        """The camera is gone: the time until it is back holds no drops, it is a gap of its own."""
        with self._lock:
            self._last = None
            self._times_s.clear()

    def begin(self) -> None:
        """Counts drops from here on."""
        with self._lock:
            self._dropped = 0

    def rhythm(self) -> Rhythm:
        """Rate, jitter, drops."""
        with self._lock:
            times_s, dropped = np.array(self._times_s), self._dropped
        if len(times_s) < 3:
            return Rhythm(None, None, dropped)
        steps_s = np.diff(times_s)
        jitter_s = np.percentile(np.abs(steps_s - np.median(steps_s)), 95)
        return Rhythm((len(times_s) - 1) / float(times_s[-1] - times_s[0]), float(jitter_s) * 1e3, dropped)

    def times_s(self) -> ndarray:
        """The last stamps."""
        with self._lock:
            return np.array(self._times_s)

    def is_slow(self) -> bool:
        """Whether far fewer frames come than were granted."""
        rate_hz = self.rhythm().rate_hz
        return rate_hz is not None and self._nominal_s is not None and rate_hz * self._nominal_s < SLOW_SHARE

    def _period_s(self) -> float | None:
        if len(self._times_s) < 5:
            return self._nominal_s
        return float(np.median(np.diff(self._times_s)))


def phase_ms(times_a_s: ndarray, times_b_s: ndarray) -> float | None:
    """How much later b's pictures are than the nearest of a's, within half a period; None without pictures."""
    if len(times_a_s) < 5 or len(times_b_s) < 5:
        return None
    nearest = times_a_s[np.argmin(np.abs(times_b_s[:, None] - times_a_s[None]), axis=1)]
    period_s = float(np.median(np.diff(times_a_s)))
    turns = np.exp(2j * np.pi * (times_b_s - nearest) / period_s)  # the mean on a circle
    return float(np.angle(turns.mean()) / (2 * np.pi) * period_s * 1e3)


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture says about focus and light."""

    sharpness: float
    grey: float  # 0 ... 255
    clipped_share: float

    @property
    def complaint(self) -> str:
        """What is wrong, empty if nothing is."""
        if self.grey < DARK:
            return "dark"
        if self.grey > BRIGHT or self.clipped_share > CLIPPED_SHARE:
            return "too bright"
        return "blurred" if self.sharpness < BLURRED else ""


def look_at(image_bgr: UInt8[ndarray, "h w 3"]) -> Look:
    """Judges a picture, best a small one."""
    grey = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
    scale = LOOK_COLUMNS / max(grey.shape[1], 1)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return Look(sharpness, float(grey.mean()), float((grey >= 250).mean()))
