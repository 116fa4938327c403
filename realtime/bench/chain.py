"""The whole chain: frames per second of a file, and the age of a camera's frame when its pose is there."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from engine.backends import Engine
from realtime.bench.camera import StampedCamera, read_stamp
from realtime.bench.scene import Sight
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.loop import LATENCY, THROUGHPUT, Loop
from realtime.pipeline import Pipeline
from realtime.result import Status
from realtime.session import FOV_DEG
from realtime.sources import open_source
from realtime.viewer import Viewer

STAMP_S = 2e-6  # the stamp's own resolution
WARM_UP = 25  # frames until somebody is found and followed
Window = Literal["none", "running", "stopped", "killed"]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file taken through the pipeline without sinks and window, in turns with the engine alone."""

    threads: str  # of the engine: a number, or "all"
    mode: Literal["latency", "throughput"]
    fps: float
    engine_fps: float
    ratio: float  # median over rounds of pipeline over engine alone
    cpu_ms: float  # process time per frame, decoding and all
    stage_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera at some rate, for some seconds."""

    camera_fps: float
    window: Window
    fps: float
    age_ms: Float64[ndarray, "frames"]
    dropped_share: float
    cores: float  # processor time over the clock's, this process alone
    engine_p50_ms: float

    @property
    def age_p95_ms(self) -> float:
        """How old a frame is when its pose is there."""
        return float(np.percentile(self.age_ms, 95))

    @property
    def jitter_ms(self) -> float:
        """Spread of the age: 95th less 5th percentile."""
        return float(np.percentile(self.age_ms, 95) - np.percentile(self.age_ms, 5))

    @property
    def bound_ms(self) -> float:
        """What a newest-frame hand-over promises: one period of the camera and one time of the engine."""
        return 1e3 / self.camera_fps + self.engine_p50_ms


def run_file(
    engine: Engine,
    clip: Path,
    sight: Sight,
    *,
    threads: str,
    rounds: int,
    frames: int,
    step: Callable[[int], None],
) -> list[FileRow]:
    """Latency and throughput mode and the engine alone, in turns."""
    modes: dict[Literal["latency", "throughput"], int] = {"latency": LATENCY, "throughput": THROUGHPUT}
    fps: dict[str, list[float]] = {"engine": [], "latency": [], "throughput": []}
    cpu_ms: dict[str, list[float]] = {"latency": [], "throughput": []}
    stage_ms: dict[str, dict[str, float]] = {}
    for number in range(rounds):
        fps["engine"].append(_engine_fps(engine, sight, frames))
        for mode, under_way in modes.items():
            passed = _pass(engine, clip, frames, under_way)
            fps[mode].append(passed[0])
            cpu_ms[mode].append(passed[1])
            stage_ms[mode] = passed[2]
        step(number + 1)
    alone = np.array(fps["engine"])
    return [
        FileRow(
            threads=threads,
            mode=mode,
            fps=median(fps[mode]),
            engine_fps=median(fps["engine"]),
            ratio=float(np.median(np.array(fps[mode]) / alone)),
            cpu_ms=median(cpu_ms[mode]),
            stage_ms=stage_ms[mode],
        )
        for mode in modes
    ]


def run_camera(
    engine: Engine, sight: Sight, *, period_s: float, seconds: float, engine_p50_ms: float, window: Window = "none"
) -> CameraRow:
    """The live chain on the synthetic camera. A window that is wanted is open, stopped or killed before it counts."""
    meter = _Meter(seconds)
    with (
        Viewer(title="bench", size_px=(1280, 720)) if window != "none" else nullcontext() as viewer,
        Capture(StampedCamera(sight.images, period_s)) as capture,
    ):
        ready = viewer is None
        for frame, result in Loop(capture, _pipelines(engine, live=True), live=True):
            if ready and meter.add(frame, capture):
                break
            if viewer is not None:
                viewer.show(result, frame.image_bgr, _status(engine))
                ready = ready or (viewer.drawn > 0 and _done_to(viewer, window))
    return CameraRow(
        camera_fps=1 / period_s,
        window=window,
        fps=len(meter.ages_ms) / meter.elapsed_s,
        age_ms=np.array(meter.ages_ms),
        dropped_share=meter.dropped / max(meter.captured, 1),
        cores=meter.cpu_s / meter.elapsed_s,
        engine_p50_ms=engine_p50_ms,
    )


class _Meter:
    """Ages of frames for some seconds after a warm-up, and what was dropped and spent meanwhile."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._seen = seconds, 0
        self._begin_s = self._begin_cpu_s = 0.0
        self._begin_captured = self._begin_dropped = 0
        self.ages_ms: list[float] = []
        self.elapsed_s = self.cpu_s = 0.0
        self.captured = self.dropped = 0

    def add(self, frame: Frame, capture: Capture) -> bool:
        """A frame whose pose is there now; True when the time is over.

        RuntimeError where its pixels belong to another moment than its time: then no age could be trusted.
        """
        now_s = time.monotonic()
        self._seen += 1
        if self._seen <= WARM_UP:
            self._begin_s, self._begin_cpu_s = now_s, time.process_time()
            self._begin_captured, self._begin_dropped = capture.captured, capture.dropped
            return False
        seen_s = read_stamp(frame.image_bgr)
        if abs(seen_s - frame.time_s) > STAMP_S:
            raise RuntimeError(f"the picture of {seen_s:.6f} s came with the time {frame.time_s:.6f} s")
        self.ages_ms.append((now_s - seen_s) * 1e3)
        self.elapsed_s, self.cpu_s = now_s - self._begin_s, time.process_time() - self._begin_cpu_s
        self.captured = capture.captured - self._begin_captured
        self.dropped = capture.dropped - self._begin_dropped
        return self.elapsed_s >= self._seconds


def _engine_fps(engine: Engine, sight: Sight, frames: int) -> float:
    begin = time.perf_counter()
    for k in range(frames):
        at = k % len(sight.images)
        engine.infer(sight.images[at], [sight.boxes[at]], sight.K)
    return frames / (time.perf_counter() - begin)


def _pass(engine: Engine, clip: Path, frames: int, under_way: int) -> tuple[float, float, dict[str, float]]:
    """Frames per second after the warm-up, process time per frame, median stage times; all in ms."""
    stages: dict[str, list[float]] = {}
    with closing(open_source(video=str(clip))) as source, Capture(source) as capture:
        begin = cpu_s = 0.0
        for number, (_, result) in enumerate(Loop(capture, _pipelines(engine, live=False), under_way=under_way)):
            if number == WARM_UP:
                begin, cpu_s = time.perf_counter(), time.process_time()
            if number > WARM_UP:
                for stage, ms in result.stage_ms.items():
                    stages.setdefault(stage, []).append(ms)
            if number == WARM_UP + frames:
                break
        wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu_s
    return frames / wall_s, cpu_s * 1e3 / frames, {stage: median(ms) for stage, ms in stages.items()}


def _pipelines(engine: Engine, *, live: bool) -> Callable[[tuple[int, int]], Pipeline]:
    return lambda size_px: Pipeline(engine, Camera.from_fov(*size_px, FOV_DEG), live=live)


def _status(engine: Engine) -> Status:
    return Status(0.0, None, 0.0, engine.description, "bench", live=True)


def _done_to(viewer: Viewer, window: Window) -> bool:
    """Does to the open window what the row is about."""
    if window != "running":
        viewer.send(signal.SIGSTOP if window == "stopped" else signal.SIGKILL)
    return True
