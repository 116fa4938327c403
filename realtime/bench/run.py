"""The order of a bench run: gate and time the engines, then take the best one through the whole chain."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.backends import NAMES
from engine.weights import load_weights
from realtime.bench.chain import CameraRow, Window, run_camera, run_file
from realtime.bench.engines import OpenedRow, open_rows, time_in_turns
from realtime.bench.report import Report
from realtime.bench.scene import Sight, read_sights, write_clip
from realtime.progress import Step
from realtime.viewer import has_screen

WEBCAM_FPS = 30.0
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


def bench(weights_name: str = "auto", *, engines: Sequence[str] = NAMES, effort: Effort = FULL, step: Step) -> Report:
    """Measures engines and chain. The chain runs on the fastest engine that passes the gate."""
    weights = load_weights(weights_name)
    sight = read_sights(effort.sights)
    rows, opened = open_rows(weights, sight, engines, say=lambda name: step(0, effort.rounds, f"opening {name}"))
    time_in_turns(opened, sight, effort.rounds, step=lambda done: step(done, effort.rounds, "engines in turns"))
    best = min(opened, key=lambda one: one.row.p50_ms)
    for one in opened:
        if one is not best:
            one.engine.close()
    with tempfile.TemporaryDirectory() as folder, best.engine:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip)
        files = run_file(
            best.engine,
            clip,
            sight,
            rounds=effort.file_rounds,
            frames=effort.file_frames,
            step=lambda done: step(done, effort.file_rounds, f"a file with {best.row.name}"),
        )
        cameras = _cameras(best, effort, sight, step)
    return Report(f"{weights.name} {weights.sha256[:12]}", best.row, rows, files, cameras)


def _cameras(best: OpenedRow, effort: Effort, sight: Sight, step: Step) -> list[CameraRow]:
    windows: tuple[Window, ...] = ("none", "running", "stopped", "killed") if has_screen() else ("none",)
    p50_ms = best.row.p50_ms
    fast_s = p50_ms / 1e3 / FASTER_THAN_ENGINE
    plans: list[tuple[float, Window]] = [
        *((fast_s, window) for window in windows),
        *((1 / WEBCAM_FPS, window) for window in windows[:2]),
    ]
    rows = []
    for number, (period_s, window) in enumerate(plans):
        step(number, len(plans), f"a camera of {1 / period_s:.0f} fps, window {window}")
        rows.append(
            run_camera(
                best.engine,
                sight,
                period_s=period_s,
                seconds=effort.camera_s,
                engine_p50_ms=p50_ms,
                window=window,
            )
        )
    return rows
