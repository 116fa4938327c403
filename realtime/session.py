"""One run from a source to its sinks and window: the wiring that every live command shares."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calib.camera import Camera
from engine.backends import Engine, Precision, open_engine
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.lens import at_size
from realtime.lift import HEIGHT_M
from realtime.loop import LATENCY, THROUGHPUT, Loop
from realtime.pipeline import Pipeline
from realtime.recorder.recorded_source import RecordedSource, check_recordable
from realtime.recording import Recording
from realtime.result import Header, Result, Status
from realtime.signals import once_on_signal, undisturbed
from realtime.sinks import Sink, check_writable, open_sink
from realtime.sources import Decoder, Source, open_source
from realtime.takes.replay import TakeSource
from realtime.takes.writer import check_room
from realtime.tally import Tally
from realtime.viewer import NO_SCREEN, Command, Window, open_viewer

# of the longer picture side: between a laptop's webcam and a phone
FOV_DEG = 60.0
PAUSE_S = 0.02  # between looks at the keys while a file stands still


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run looks at its frames."""

    people: int = 1
    smooth: bool = True
    track: bool = True
    fov_deg: float = FOV_DEG
    camera: Camera | None = None  # a calibrated lens, instead of an assumed field of view
    height_m: float = HEIGHT_M
    mirror: bool = False  # of what is shown, never of what is measured
    max_frames: int | None = None
    throughput: bool = False  # two frames under way: more of them per second, each a frame later


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
        viewer: Window | None = None,
    ) -> None:
        self._source, self._engine, self._settings, self._viewer = source, engine, settings, viewer
        self.tally = Tally()
        self.headless_for_want_of_a_screen = False
        self.interrupted = False  # by Ctrl-C or SIGTERM
        self._paused, self._mirror = False, settings.mirror
        self._stack = ExitStack()
        self._stack.callback(engine.close)
        self._stack.callback(source.close)
        if viewer is not None:
            self._stack.callback(viewer.close)
        header = header_of(source, engine, settings)
        self.recording = Recording(header, live=source.live)
        self._stack.callback(self.recording.close)
        self._sinks: list[Sink] = []
        try:
            for path in saves:
                self._sinks.append(open_sink(path, header, live=source.live))
                self._stack.callback(self._sinks[-1].close)
        except BaseException:
            self._stack.close()
            raise

    def results(self) -> Iterator[Result]:
        """Each frame's result, after sinks and window have it.

        Ends with the source, when the window is closed, or by Ctrl-C: then after the frames that are under way.
        """
        under_way = THROUGHPUT if self._settings.throughput else LATENCY

        def interrupt() -> None:
            self.interrupted = True
            capture.end()

        with Capture(self._source) as capture, once_on_signal(interrupt):
            loop = Loop(capture, self._pipeline, under_way=under_way, live=self._source.live)
            begin_s = time.monotonic()
            for frame, result in loop:
                elapsed_s = time.monotonic() - begin_s
                self.tally.count(result, captured=capture.captured, dropped=capture.dropped, seconds=elapsed_s)
                self._deliver(frame, result)
                yield result
                if self.tally.frames == self._settings.max_frames:
                    return
                self._obey(loop, frame, result)
                if self._closed_by_hand():
                    return

    def introduction(self) -> list[str]:
        """What runs, and what metres rest on, for a terminal."""
        source, engine, settings = self._source, self._engine, self._settings
        lines = [NO_SCREEN] if self.headless_for_want_of_a_screen else []
        said = f"{source.name}: {source.size_px[0]}x{source.size_px[1]}"
        lines.append(f"{said}, {engine.description}, weights {engine.weights_name} {engine.weights_sha256[:12]}")
        if self._source.live:
            lines.append(self._source.description)
        lens = f"field of view {settings.fov_deg:g} degrees" if settings.camera is None else "lens calibrated"
        lines.append(f"assumed: body height {settings.height_m:g} m; {lens}")
        return lines

    def summary(self) -> list[str]:
        """What the run came to, for a terminal."""
        notes = [note for sink in self._sinks for note in sink.notes] + self.recording.notes
        kept = [f"recorded {path}" for path in self.recording.written]
        if isinstance(self._source, RecordedSource):
            kept += self._source.notes
        return [*self.tally.lines(), *notes, *kept]

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
        """Completes the files and closes the window, in a second as a rule; Ctrl-C is not heard meanwhile."""
        with undisturbed():
            self._stack.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pipeline(self, size_px: tuple[int, int]) -> Pipeline:
        s = self._settings
        camera = Camera.from_fov(*size_px, s.fov_deg) if s.camera is None else at_size(s.camera, size_px)
        return Pipeline(
            self._engine,
            camera,
            people=s.people,
            smooth=s.smooth,
            track=s.track,
            live=self._source.live or (isinstance(self._source, TakeSource) and self._source.as_live),
            height_m=s.height_m,
        )

    def _deliver(self, frame: Frame, result: Result) -> None:
        for sink in (*self._sinks, self.recording):
            sink.write(frame, result)
        self._show(frame, result)

    def _show(self, frame: Frame, result: Result) -> None:
        if self._viewer is not None and not self._viewer.closed:
            self._viewer.show(result, frame.image_bgr, self._status(result))

    def _status(self, result: Result) -> Status:
        s = self._settings
        return Status(
            fps=self.tally.fps,
            latency_ms=result.latency_ms,
            dropped_share=self.tally.dropped_share,
            engine=self._engine.description,
            assumptions=f"height {s.height_m:g} m, "
            + (f"{s.fov_deg:g} degrees assumed" if s.camera is None else "lens calibrated"),
            live=self._source.live,
            paused=self._paused,
            recording=self.recording.on,
            mirror=self._mirror,
        )

    def _obey(self, loop: Loop, frame: Frame, result: Result) -> None:
        """Does what was asked in the window; returns when the next frame may come."""
        while self._viewer is not None and not self._viewer.closed:
            commands = self._viewer.commands()
            for command in commands:
                self._do(command, loop)
            if commands:
                self._show(frame, result)
            if not self._paused or "step" in commands or self.interrupted:
                return
            time.sleep(PAUSE_S)

    def _do(self, command: Command, loop: Loop) -> None:
        if command == "pause":
            self._paused = not self._paused and not self._source.live
        elif command == "mirror":
            self._mirror = not self._mirror
        elif command == "record":
            self.recording.toggle()
        elif command == "next_person" and loop.pipeline is not None and self._settings.people == 1:
            loop.pipeline.next_person()

    def _closed_by_hand(self) -> bool:
        """A window that crashed is no reason to stop; one that was closed is."""
        return self._viewer is not None and self._viewer.closed and self._viewer.failure is None


def open_session(
    settings: Settings,
    *,
    camera: int | None = None,
    video: str | None = None,
    rotate_deg: int | None = None,
    decoder: Decoder = "cpu",
    saves: Sequence[Path] = (),
    record: Path | None = None,
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
    if record is not None:
        check_room(record, force=False)
    with ExitStack() as stack:
        source = open_source(camera=camera, video=video, rotate_deg=rotate_deg, decoder=decoder)
        stack.callback(source.close)
        if record is not None:
            check_recordable(source)
        threads = spare_threads() if source.live else None
        opened = stack.enter_context(
            open_engine(engine, weights, device=device, precision=precision, threads=threads, background=True)
        )
        if record is not None:
            source = RecordedSource(source, record, height_m=settings.height_m)
            stack.callback(source.close)
        viewer = open_viewer(title=source.name) if window else None
        session = Session(source, opened, settings, saves=saves, viewer=viewer)
        session.headless_for_want_of_a_screen = window and viewer is None
        stack.pop_all()  # the session closes them now
    return session


def spare_threads() -> int:
    """Threads for the network in a live run: one core is left to the camera, the window and the encoders."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(available - 1, 1)


def header_of(source: Source, engine: Engine, settings: Settings) -> Header:
    """What a recording of this run says about itself."""
    lens: dict[str, str | float] = {
        "fov_deg": settings.fov_deg,
        "camera": "pinhole with an assumed field of view of the longer side, not calibrated",
    }
    if settings.camera is not None:
        lens = {"fov_deg": round(settings.camera.fov_deg, 2), "camera": f"calibrated, {settings.camera.model}"}
    return Header(
        source=source.name,
        engine=engine.description,
        weights=engine.weights_name,
        weights_sha256=engine.weights_sha256,
        size_px=source.size_px,
        rate=source.rate,
        assumptions={
            "height_m": settings.height_m,
            **lens,
            "distance": "from the body height and standard proportions",
        },
        skeleton=engine.skeleton,
    )


def describe(result: Result) -> str:
    """One line about a frame, for a terminal."""
    if not result.people:
        return "nobody in view"
    places = [f"{np.linalg.norm(p.root_m):.1f} m" for p in result.people if p.root_m is not None]
    people = "1 person" if len(result.people) == 1 else f"{len(result.people)} people"
    return f"{people} at {', '.join(places)}" if places else people
