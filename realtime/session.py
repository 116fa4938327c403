"""One run from a source to its sinks and window: the wiring that every live command shares."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from calib.camera import Camera
from engine.backends import Engine, Precision, open_engine
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.lift import HEIGHT_M
from realtime.overlay import draw_people
from realtime.pipeline import Pipeline
from realtime.result import Header, Result
from realtime.sinks import check_writable, open_sink
from realtime.sources import Source, open_source
from realtime.viewer import NO_SCREEN, Viewer, open_viewer

# of the longer picture side: between a laptop's webcam and a phone
FOV_DEG = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run looks at its frames."""

    people: int = 1
    smooth: bool = True
    track: bool = True
    fov_deg: float = FOV_DEG
    height_m: float = HEIGHT_M
    mirror: bool = False  # of what is shown, never of what is measured
    max_frames: int | None = None


@dataclass(slots=True)
class Tally:
    """What a run amounted to."""

    frames: int = 0
    with_people: int = 0
    dropped: int = 0
    seconds: float = 0.0
    stage_ms: dict[str, list[float]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For a terminal."""
        if not self.frames:
            return ["no frame was looked at"]
        share, rate = 100 * self.with_people / self.frames, self.frames / max(self.seconds, 1e-9)
        stages = ", ".join(f"{stage} {median(times):.1f}" for stage, times in self.stage_ms.items())
        return [
            f"{self.frames} frames, somebody in {share:.0f} %, {rate:.1f} frames/s, {self.dropped} dropped",
            f"median ms per frame: {stages}",
        ]


class Session:
    """Runs frames of a source through the pipeline into sinks and window.

    A context manager: leaving it, however that comes about, closes every file, the window and the source.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        settings: Settings,
        *,
        saves: Sequence[Path] = (),
        viewer: Viewer | None = None,
    ) -> None:
        self._source, self._engine, self._settings, self._viewer = source, engine, settings, viewer
        self.tally = Tally()
        self.headless_for_want_of_a_screen = False
        self._stack = ExitStack()
        self._stack.callback(engine.close)
        self._stack.callback(source.close)
        if viewer is not None:
            self._stack.callback(viewer.close)
        try:
            header = header_of(source, engine, settings)
            self._sinks = [open_sink(path, header) for path in saves]
        except BaseException:
            self._stack.close()
            raise
        for sink in self._sinks:
            self._stack.callback(sink.close)

    def results(self) -> Iterator[Result]:
        """Each frame's result, after sinks and window have it. Ends with the source, or when the window is closed."""
        pipeline: Pipeline | None = None
        size_px = (0, 0)
        with Capture(self._source) as capture:
            begin_s = time.monotonic()
            for frame in capture.frames():
                seen_px = (frame.image_bgr.shape[1], frame.image_bgr.shape[0])
                if pipeline is None or seen_px != size_px:  # photos of a folder differ, streams may change
                    size_px, pipeline = seen_px, self._pipeline(seen_px)
                result = pipeline(frame)
                self._deliver(frame, result)
                self._count(result, capture.dropped, time.monotonic() - begin_s)
                yield result
                if self.tally.frames == self._settings.max_frames or self._closed_by_hand():
                    return

    def introduction(self) -> list[str]:
        """What runs, and what metres rest on, for a terminal."""
        source, engine, settings = self._source, self._engine, self._settings
        lines = [NO_SCREEN] if self.headless_for_want_of_a_screen else []
        said = f"{source.name}: {source.size_px[0]}x{source.size_px[1]}"
        lines.append(f"{said}, {engine.description}, weights {engine.weights_name} {engine.weights_sha256[:12]}")
        lines.append(f"assumed: body height {settings.height_m:g} m, field of view {settings.fov_deg:g} degrees")
        return lines

    @property
    def frame_count(self) -> int | None:
        """How many frames there will be, where that is known."""
        known = [n for n in (self._source.frame_count, self._settings.max_frames) if n is not None]
        return min(known) if known else None

    @property
    def window_failure(self) -> str | None:
        """Why the window went away, if nobody closed it."""
        return self._viewer.failure if self._viewer is not None else None

    def close(self) -> None:
        """Completes the files and closes the window."""
        self._stack.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pipeline(self, size_px: tuple[int, int]) -> Pipeline:
        s = self._settings
        camera = Camera.from_fov(*size_px, s.fov_deg)
        return Pipeline(
            self._engine,
            camera,
            people=s.people,
            smooth=s.smooth,
            track=s.track,
            live=self._source.live,
            height_m=s.height_m,
        )

    def _deliver(self, frame: Frame, result: Result) -> None:
        for sink in self._sinks:
            sink.write(frame, result)
        if self._viewer is not None and not self._viewer.closed:
            picture = draw_people(frame.image_bgr.copy(), result.people)
            self._viewer.show(result, cv2.flip(picture, 1) if self._settings.mirror else picture)

    def _count(self, result: Result, dropped: int, seconds: float) -> None:
        tally = self.tally
        tally.frames += 1
        tally.with_people += bool(result.people)
        tally.dropped, tally.seconds = dropped, seconds
        for stage, ms in result.stage_ms.items():
            tally.stage_ms.setdefault(stage, []).append(ms)

    def _closed_by_hand(self) -> bool:
        """A window that crashed is no reason to stop; one that was closed is."""
        return self._viewer is not None and self._viewer.closed and self._viewer.failure is None


def open_session(
    settings: Settings,
    *,
    camera: int | None = None,
    video: str | None = None,
    rotate_deg: int | None = None,
    saves: Sequence[Path] = (),
    window: bool = True,
    engine: str = "auto",
    weights: str = "auto",
    device: str = "auto",
    precision: Precision = "auto",
) -> Session:
    """Opens everything by name. What can be wrong is found here, cheapest first, before a window opens.

    SinkError, SourceError, WeightsError or EngineError, each with one line that says what to do.
    """
    for path in saves:
        check_writable(path)
    with ExitStack() as stack:
        source = open_source(camera=camera, video=video, rotate_deg=rotate_deg)
        stack.callback(source.close)
        opened = stack.enter_context(open_engine(engine, weights, device=device, precision=precision))
        viewer = open_viewer(title=source.name) if window else None
        session = Session(source, opened, settings, saves=saves, viewer=viewer)
        session.headless_for_want_of_a_screen = window and viewer is None
        stack.pop_all()  # the session closes them now
    return session


def header_of(source: Source, engine: Engine, settings: Settings) -> Header:
    """What a recording of this run says about itself."""
    return Header(
        source=source.name,
        engine=engine.description,
        weights=engine.weights_name,
        weights_sha256=engine.weights_sha256,
        size_px=source.size_px,
        rate=source.rate,
        assumptions={
            "height_m": settings.height_m,
            "fov_deg": settings.fov_deg,
            "camera": "pinhole with an assumed field of view of the longer side, not calibrated",
            "distance": "from the body height and standard proportions",
        },
    )


def describe(result: Result) -> str:
    """One line about a frame, for a terminal."""
    if not result.people:
        return "nobody in view"
    places = [f"{np.linalg.norm(p.root_m):.1f} m" for p in result.people if p.root_m is not None]
    people = "1 person" if len(result.people) == 1 else f"{len(result.people)} people"
    return f"{people} at {', '.join(places)}" if places else people
