"""What a bench run found, as JSON, as Markdown and as a plot."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from engine.backends.card import ask_driver
from realtime.bench.chain import CameraRow, FileRow
from realtime.bench.engines import REFERENCE, EngineRow, ratio
from realtime.bench.stages import CardRows, as_dict, stage_dict

SCHEMA = 1
PACKAGES = (
    "torch",
    "torch_tensorrt",
    "tensorrt",
    "openvino",
    "onnxruntime",
    "nvidia-modelopt",
    "onnxruntime-ep-nv-tensorrt-rtx",
    "numpy",
    "opencv-python",
    "av",
    "open3d",
)
# of the card, under load: its clocks say whether it was held back
DRIVER_SAYS = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu", "power.draw")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    weights: str
    chosen: str  # the engine that the chain was measured with
    engines: list[EngineRow]
    files: list[FileRow]
    cameras: list[CameraRow]  # the first is three times as fast as the engine, without a window
    card: CardRows | None = None

    def ratios(self) -> dict[str, float]:
        """What can be compared between machines that are busy."""
        measured = [row for row in self.engines if row.refused is None]
        reference = next(row for row in measured if (row.engine, row.precision) == REFERENCE)
        found = {f"{_key(row)}_vs_eager": ratio(reference, row) for row in measured if row is not reference}
        clock = {
            f"{_key(row)}_vs_eager_by_clock": ratio(reference, row, cpu=False)
            for row in measured
            if row is not reference
        }
        best = [ratio(reference, row) for row in measured if row.engine == "openvino"]
        if best:
            found["openvino_vs_eager"] = max(best)
        for row in self.files:
            mode = "" if row.mode == "latency" else f"_{row.mode}"
            cores = "_all_cores" if row.threads == "all" else ""
            found[f"pipeline{mode}_vs_engine{cores}"] = row.ratio
        for row in self.cameras:
            name = "p95_age_vs_bound" if row.window == "none" else f"p95_age_vs_bound_window_{row.window}"
            found.setdefault(name, row.age_p95_ms / row.bound_ms)
        return {name: round(value, 3) for name, value in {**found, **clock}.items()}

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "schema": SCHEMA,
            "machine": machine(),
            "weights": self.weights,
            "chain_measured_with": self.chosen,
            "ratios": self.ratios(),
            "engines": [_engine(row) for row in self.engines],
            "files": [_file(row) for row in self.files],
            "cameras": [_camera(row) for row in self.cameras],
            **({} if self.card is None else {"card": as_dict(self.card)}),
        }

    def as_markdown(self) -> str:
        """Tables for people."""
        where = ", ".join(f"{name} {value}" for name, value in machine().items() if not isinstance(value, dict))
        parts = [
            f"# Bench\n\n{where}; weights {self.weights}.",
            markdown_table("Engine alone, one person", [_without_batches(row) for row in self.engines]),
            markdown_table("Engine alone, several people at once, ms a call", [_batches(row) for row in self.engines]),
            markdown_table(
                f"A file of 720 lines through the pipeline, {self.chosen}", [_file(row) for row in self.files]
            ),
            markdown_table(f"A camera of 720 lines, {self.chosen}", [_camera(row) for row in self.cameras]),
            markdown_table("Ratios", [{"what": name, "ratio": value} for name, value in self.ratios().items()]),
        ]
        if self.card is not None:
            peaks = self.card.peaks
            reached = f"{peaks.flop_per_s / 1e12:.0f} TFLOP/s, {peaks.bytes_per_s / 1e9:.0f} GB/s"
            title = f"On the card, `cuda` stage by stage; measured peaks {reached}"
            parts.insert(3, markdown_table(title, [stage_dict(row) for row in self.card.stages]))
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> list[Path]:
        """Writes bench.json, bench.md and, where matplotlib is there, bench.png into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        table, text = folder / "bench.json", folder / "bench.md"
        table.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        text.write_text(self.as_markdown(), encoding="utf-8")
        try:
            from realtime.bench.plot import plot
        except ModuleNotFoundError:  # matplotlib comes with the extra [train]
            return [table, text]
        return [table, text, plot(self, folder / "bench.png")]


def machine() -> dict[str, object]:
    """What it was measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    driver = ask_driver(torch.device("cuda"), *DRIVER_SAYS) if torch.cuda.is_available() else {}
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        **driver,
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _key(row: EngineRow) -> str:
    return f"{row.engine}_{row.precision}"


def _engine(row: EngineRow) -> dict[str, object]:
    if row.refused is not None:
        return {"engine": row.engine, "precision": row.precision, "refused": row.refused}
    return {
        "engine": row.engine,
        "precision": row.precision,
        "p50_ms": round(row.p50_ms, 2),
        "p95_ms": round(row.percentile_ms(0.95), 2),
        "p99_ms": round(row.percentile_ms(0.99), 2),
        "cpu_ms": round(float(np.median(row.cpu_ms)), 2),
        "open_s": round(row.open_s, 2),
        **({} if row.build_s is None else {"build_s": round(row.build_s, 1)}),
        **({"device_ms": {str(n): round(ms, 3) for n, ms in row.device_ms.items()}} if row.device_ms else {}),
        "memory_mb": round(row.memory_mb),
        "difference_cells": round(row.difference_cells, 4),
        "difference_cells_p99": round(row.difference_cells_p99, 4),
        "batch_ms": {str(people): round(ms, 2) for people, ms in row.batch_ms.items()},
    }


def _without_batches(row: EngineRow) -> dict[str, object]:
    return {name: value for name, value in _engine(row).items() if name not in ("batch_ms", "device_ms")}


def _batches(row: EngineRow) -> dict[str, object]:
    times = {f"{people} people": round(ms, 1) for people, ms in row.batch_ms.items()}
    device = {f"{people} people, by the card's clock": round(ms, 3) for people, ms in row.device_ms.items()}
    return {"engine": row.engine, "precision": row.precision, **times, **device}


def _file(row: FileRow) -> dict[str, object]:
    return {
        "engine_threads": row.threads,
        "mode": row.mode,
        "fps": round(row.fps, 1),
        "engine_fps": round(row.engine_fps, 1),
        "ratio": round(row.ratio, 3),
        "cpu_ms": round(row.cpu_ms, 1),
        **{f"{stage}_ms": round(ms, 2) for stage, ms in row.stage_ms.items()},
    }


def _camera(row: CameraRow) -> dict[str, object]:
    return {
        "camera_fps": round(row.camera_fps, 1),
        "window": row.window,
        "fps": round(row.fps, 1),
        "age_p50_ms": round(float(np.median(row.age_ms)), 1),
        "age_p95_ms": round(row.age_p95_ms, 1),
        "bound_ms": round(row.bound_ms, 1),
        "jitter_ms": round(row.jitter_ms, 1),
        "dropped_share": round(row.dropped_share, 3),
        "cores": round(row.cores, 2),
    }


def markdown_table(title: str, rows: list[dict[str, object]]) -> str:
    """Rows under a title; a column for each key."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]
    return f"## {title}\n\n" + "\n".join(lines)


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
