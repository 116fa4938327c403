"""Cameras for recordings: what a driver may do, played by a script."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from realtime.frame import Absence, Arrival, Captured, Undecoded
from realtime.recorder.cameras import Wanted
from realtime.recorder.recorder import Endurance, Plan, Recorder
from realtime.sources.camera import CameraSource
from realtime.sources.comeback import Patience
from realtime.takes.video import jpeg_of
from tests.realtime.fake_camera import FakeDevice
from tests.realtime.takes.made_takes import SIZE_PX, numbered

PERIOD_S = 1 / 100
JPEGS = [np.frombuffer(jpeg_of(numbered(n)), np.uint8) for n in range(1000)]
ROWS = [jpeg.reshape(1, -1) for jpeg in JPEGS]
DROPPED = object()  # a picture that the camera lost
PATIENT = Patience(retry_s=0.02, give_up_s=30.0)


@dataclass
class ScriptedSource:
    """A live source that gives numbered JPEGs at a rate, with exact stamps or any, until `count`.

    `before(k)` is called before picture k, and may sleep, raise, or give something else to hand out, or DROPPED.
    """

    count: int = 100_000
    period_s: float = PERIOD_S
    before: Callable[[int], object] = lambda k: None
    name: str = "scripted"
    stamp: Callable[[int, float], float] | None = None
    live: bool = True
    size_px: tuple[int, int] = SIZE_PX
    frame_count: int | None = None

    def __post_init__(self) -> None:
        self.rate: Fraction | None = Fraction(round(1 / self.period_s))
        self.description = "a script"
        self.closed = threading.Event()

    def frames(self) -> Iterator[Captured]:
        start_s = time.monotonic()
        for k in range(self.count):
            if self.closed.wait(max(start_s + k * self.period_s - time.monotonic(), 0.0)):
                return
            if (other := self.before(k)) is not None:
                if other is not DROPPED:
                    yield other
                continue
            now_s = time.monotonic()
            time_s = start_s + k * self.period_s if self.stamp is None else self.stamp(k, now_s)
            jpeg = JPEGS[k % len(JPEGS)]
            decode = lambda n=k: numbered(n % len(JPEGS))  # noqa: E731
            yield Undecoded(k, time_s, decode, Arrival(now_s, time_s, by_driver=True, jpeg=jpeg))

    def close(self) -> None:
        self.closed.set()


def gone(k: int, first: int, last: int) -> Absence | None:
    """An absence for pictures first ... last."""
    return Absence(1.0) if first <= k <= last else None


def recording(
    folder, *sources, seconds: float | None = 1.0, force: bool = False, endurance: Endurance | None = None, **plan
) -> Recorder:
    """A recorder of sources that are open already."""
    wanted = [Wanted(source="scripted") for _ in sources]
    return Recorder(wanted, Plan(folder, seconds, force=force, **plan), sources=list(sources), endurance=endurance)


def recorded(recorder: Recorder) -> list:
    """Runs to the end and closes; the states on the way."""
    with recorder:
        return list(recorder.run())


def camera_like(device: FakeDevice | Iterable[FakeDevice | None], **options) -> CameraSource:
    """The camera source that a live run uses, on a driver that plays a script."""
    devices = iter([device] if isinstance(device, FakeDevice) else device)

    def make(index: int) -> FakeDevice:
        return next(devices, None) or FakeDevice([], opens=False)

    return CameraSource(0, make=make, patience=PATIENT, **options)


def driver(pictures: int = 100_000, *, period_s: float = PERIOD_S, first: int = 0, **options) -> FakeDevice:
    """A driver with numbered pictures."""
    script = (ROWS[(first + k) % len(ROWS)] for k in itertools.count())
    return FakeDevice(itertools.islice(script, pictures), period_s=period_s, fps=1 / period_s, **options)


def recorder_threads() -> list[str]:
    """Threads that a recording may leave behind; those that are ending get a moment."""
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < 1.0:
        left = [t.name for t in threading.enumerate() if t.name.startswith(("read camera", "write cam", "open camera"))]
        if not left:
            return []
        time.sleep(0.01)
    return left
