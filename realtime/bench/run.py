"""The order of a bench run: gate and time the engines, then take the best one through the whole chain."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.backends import NAMES, Engine, open_engine
from engine.backends.lanes import CardLane
from engine.weights import Weights, load_weights
from realtime.bench.chain import CameraRow, FileRow, Window, run_camera, run_file
from realtime.bench.engines import median_ms, open_rows, time_batches, time_in_turns, time_on_card
from realtime.bench.report import Report
from realtime.bench.roofline import measured_peaks
from realtime.bench.scene import Sight, read_sights, write_clip
from realtime.bench.stages import PEOPLE, CardRows, time_stages
from realtime.progress import Step
from realtime.session import spare_threads
from realtime.viewer import has_screen

WEBCAM_FPS = 30.0
WINDOWS: tuple[Window, ...] = ("none", "running", "stopped", "killed")
FASTER_THAN_ENGINE = 3.0  # the synthetic camera, so that the hand-over must drop


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    sights: int
    rounds: int  # of engines
    file_rounds: int
    file_frames: int
    camera_s: float


FULL = Effort(sights=40, rounds=25, file_rounds=5, file_frames=150, camera_s=12.0)
QUICK = Effort(sights=16, rounds=6, file_rounds=2, file_frames=60, camera_s=3.0)


def bench(weights_name: str = "auto", *, engine: str = "auto", effort: Effort = FULL, step: Step) -> Report:
    """Measures engines, and the chain with the engine that a run would take.

    The chain's ratio to the engine alone is taken with one engine thread, since an engine that fills all cores leaves
    none for anything else to overlap with; that is measured beside it.
    """
    weights = load_weights(weights_name)
    sight = read_sights(effort.sights)
    names = NAMES if engine == "auto" else (engine,)
    rows, opened = open_rows(weights, sight, names, say=lambda name: step(0, effort.rounds, f"opening {name}"))
    time_in_turns(opened, sight, effort.rounds, step=lambda done: step(done, effort.rounds, "engines in turns"))
    time_batches(opened, sight)
    time_on_card(opened, sight)
    for one in opened:
        one.engine.close()
    card = _card(weights, sight) if torch.cuda.is_available() else None
    files = _files(engine, weights, effort, sight, step)
    with open_engine(engine, weights, threads=spare_threads()) as live:
        cameras = _cameras(live, effort, sight, step)
        return Report(f"{weights.name} {weights.sha256[:12]}", live.description, rows, files, cameras, card)


def _card(weights: Weights, sight: Sight) -> CardRows:
    lane = CardLane("cuda")
    peaks = measured_peaks(lane)
    return CardRows(peaks, [time_stages(weights, lane, sight, peaks, people, "fp16") for people in PEOPLE])


def _files(engine: str, weights: Weights, effort: Effort, sight: Sight, step: Step) -> list[FileRow]:
    rows: list[FileRow] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip)
        for threads in (1, None):
            with open_engine(engine, weights, threads=threads) as opened:
                rows += run_file(
                    opened,
                    clip,
                    sight,
                    threads="all" if threads is None else str(threads),
                    rounds=effort.file_rounds,
                    frames=effort.file_frames,
                    step=lambda done: step(done, effort.file_rounds, "a file in turns with the engine alone"),
                )
    return rows


def _cameras(engine: Engine, effort: Effort, sight: Sight, step: Step) -> list[CameraRow]:
    windows = WINDOWS if has_screen() else WINDOWS[:1]
    p50_ms = median_ms(engine, sight)
    fast_s = p50_ms / 1e3 / FASTER_THAN_ENGINE
    plans = list(zip((fast_s,) * len(windows), windows, strict=True))
    plans += zip((1 / WEBCAM_FPS,) * 2, windows[:2], strict=False)
    rows = []
    for number, (period_s, window) in enumerate(plans):
        step(number, len(plans), f"a camera of {1 / period_s:.0f} fps, window {window}")
        rows.append(
            run_camera(engine, sight, period_s=period_s, seconds=effort.camera_s, engine_p50_ms=p50_ms, window=window)
        )
    return rows
