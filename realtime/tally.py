"""What a run amounts to so far: counts, rates, medians. Memory does not grow with the run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from realtime.result import Result

# medians and rates are those of so many last frames: half a minute of a webcam
RECENT = 900
RATE_OVER = 45  # frames that a shown rate is averaged over


def _recent() -> deque[float]:
    return deque(maxlen=RECENT)


@dataclass(slots=True)
class Tally:
    """Counted by `count`, once for each result."""

    frames: int = 0
    with_people: int = 0
    captured: int = 0
    dropped: int = 0
    seconds: float = 0.0
    stage_ms: dict[str, deque[float]] = field(default_factory=dict)
    latency_ms: deque[float] = field(default_factory=_recent)
    _moments_s: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_OVER))

    def count(self, result: Result, *, captured: int, dropped: int, seconds: float) -> None:
        """One result more, `seconds` after the first frame was asked for."""
        self.frames += 1
        self.with_people += bool(result.people)
        self.captured, self.dropped, self.seconds = captured, dropped, seconds
        self._moments_s.append(seconds)
        if result.latency_ms is not None:
            self.latency_ms.append(result.latency_ms)
        for stage, ms in result.stage_ms.items():
            self.stage_ms.setdefault(stage, _recent()).append(ms)

    @property
    def fps(self) -> float:
        """Results per second, lately."""
        if len(self._moments_s) < 2:
            return 0.0
        return (len(self._moments_s) - 1) / max(self._moments_s[-1] - self._moments_s[0], 1e-9)

    @property
    def dropped_share(self) -> float:
        """Of the captured frames, 0 ... 1."""
        return self.dropped / self.captured if self.captured else 0.0

    def lines(self) -> list[str]:
        """For a terminal."""
        if not self.frames:
            return ["no frame was looked at"]
        share, rate = 100 * self.with_people / self.frames, self.frames / max(self.seconds, 1e-9)
        stages = ", ".join(f"{stage} {median(times):.1f}" for stage, times in self.stage_ms.items())
        lines = [
            f"{self.frames} frames, somebody in {share:.0f} %, {rate:.1f} frames/s, {self.dropped} dropped",
            f"median ms per frame: {stages}",
        ]
        if self.latency_ms:
            late = sorted(self.latency_ms)
            lines.append(f"from camera to pose: median {median(late):.0f} ms, p95 {late[int(0.95 * len(late))]:.0f} ms")
        return lines
