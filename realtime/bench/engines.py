"""Engines by themselves: first whether they say what the reference says, then how long they take.

Times are taken in turns, a few calls of each engine a round, so that whatever else the machine does hits all alike;
ratios are medians over the rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from engine.backends import NAMES, Engine, EngineError, Precision, open_engine
from engine.backends.card_engine import CardEngine
from engine.weights import Weights
from realtime.bench.memory import resident_mb
from realtime.bench.scene import Sight

REFERENCE = ("eager", "fp32")
# what may be had of each engine, the reference first
ROWS: dict[str, tuple[Precision, ...]] = {
    "eager": ("fp32",),
    "openvino": ("fp32", "bf16", "int8"),
    "onnx": ("fp32",),
    "cuda": ("fp16",),
    "tensorrt": ("fp16", "int8", "fp8"),
    "rtx": ("fp16",),
}
# mean over people and joints of the distance to the reference in the picture's plane, in cells of the heatmap; a
# cell is 2 % of the box, and what an engine may cost is a small part of the network's own error of several cells
GATE_CELLS: dict[Precision, float] = {"fp32": 0.05, "bf16": 0.5, "fp16": 0.2, "int8": 0.7, "fp8": 0.7}
CALLS_PER_ROUND = 6
# people in one call, and how often each is timed
PEOPLE, BATCH_CALLS = (2, 4, 8), 3


@dataclass(slots=True)
class EngineRow:
    """One engine at one precision."""

    engine: str
    precision: Precision
    description: str = ""
    refused: str | None = None  # why it does not take part
    open_s: float = 0.0
    build_s: float | None = None  # of an engine that is built once and kept; `open_s` is without it
    device_ms: dict[int, float] = field(default_factory=dict)  # by the card's clock, with so many people
    memory_mb: float = 0.0  # what the process grew by
    difference_cells: float = 0.0  # mean distance to the reference
    difference_cells_p99: float = 0.0
    wall_ms: list[list[float]] = field(default_factory=list)  # a list for each round
    cpu_ms: list[float] = field(default_factory=list)  # process time per call, a number for each round
    batch_ms: dict[int, float] = field(default_factory=dict)  # the median call with so many people

    @property
    def name(self) -> str:
        """Engine and precision."""
        return f"{self.engine} {self.precision}"

    def percentile_ms(self, share: float) -> float:
        """Wall-clock time of a call."""
        return float(np.percentile(np.concatenate(self.wall_ms), share * 100))

    @property
    def p50_ms(self) -> float:
        """The median call."""
        return self.percentile_ms(0.5)


@dataclass(frozen=True, slots=True)
class OpenedRow:
    """A row whose engine is open and has passed the gate."""

    row: EngineRow
    engine: Engine


def open_rows(
    weights: Weights, sight: Sight, wanted: Sequence[str], *, say: Callable[[str], None]
) -> tuple[list[EngineRow], list[OpenedRow]]:
    """Every row in order, and those that run here and say what the reference says. The reference is always among them.

    An engine that cannot run or that disagrees is kept as a row with its reason; one that does not open in its first
    precision is not asked for the others.
    """
    rows: list[EngineRow] = []
    opened: list[OpenedRow] = []
    reference: Float32[ndarray, "n joints 3"] | None = None
    for name in (REFERENCE[0], *[n for n in NAMES if n in wanted and n != REFERENCE[0]]):
        for precision in ROWS[name]:
            row = EngineRow(name, precision)
            rows.append(row)
            say(row.name)
            engine = _opened(row, weights)
            if engine is None and precision == ROWS[name][0]:
                break
            if engine is None:
                continue
            joints = _answers(engine, sight)
            if reference is None:
                reference = joints
            if _passes(row, joints, reference, cells=weights.architecture.input_px / 4):
                opened.append(OpenedRow(row, engine))
            else:
                engine.close()
    return rows, opened


def time_in_turns(opened: Sequence[OpenedRow], sight: Sight, rounds: int, *, step: Callable[[int], None]) -> None:
    """Fills the times of rows that are open."""
    n = len(sight.images)
    for number in range(rounds):
        for one in opened:
            wall_ms: list[float] = []
            cpu_s = time.process_time()
            for call in range(CALLS_PER_ROUND):
                k = (number * CALLS_PER_ROUND + call) % n
                begin = time.perf_counter()
                one.engine.infer(sight.images[k], [sight.boxes[k]], sight.K)
                wall_ms.append((time.perf_counter() - begin) * 1e3)
            one.row.cpu_ms.append((time.process_time() - cpu_s) * 1e3 / CALLS_PER_ROUND)
            one.row.wall_ms.append(wall_ms)
        step(number + 1)


def time_batches(opened: Sequence[OpenedRow], sight: Sight) -> None:
    """Fills the times of calls with several people, in turns; each size is met once before it counts."""
    for people in PEOPLE:
        boxes = [sight.boxes[k % len(sight.boxes)] for k in range(people)]
        times: dict[str, list[float]] = {one.row.name: [] for one in opened}
        for call in range(BATCH_CALLS + 1):
            for one in opened:
                begin = time.perf_counter()
                one.engine.infer(sight.images[0], boxes, sight.K)
                if call > 0:
                    times[one.row.name].append((time.perf_counter() - begin) * 1e3)
        for one in opened:
            one.row.batch_ms[people] = float(np.median(times[one.row.name]))


def time_on_card(opened: Sequence[OpenedRow], sight: Sight) -> None:
    """Fills what engines for cards take by the card's own clock."""
    for one in opened:
        if isinstance(one.engine, CardEngine):
            shape = (sight.images[0].shape[0], sight.images[0].shape[1])
            for people in (1, *PEOPLE):
                one.row.device_ms[people] = float(np.median(one.engine.device_ms(shape, people)))


def ratio(slow: EngineRow, fast: EngineRow, *, cpu: bool = True) -> float:
    """How many times as long one takes as the other: the median over rounds, of processor time or of the clock."""
    if cpu:
        return float(np.median(np.array(slow.cpu_ms) / np.array(fast.cpu_ms)))
    return float(np.median([np.median(a) / np.median(b) for a, b in zip(slow.wall_ms, fast.wall_ms, strict=True)]))


def median_ms(engine: Engine, sight: Sight) -> float:
    """The median call of one engine, by the clock."""
    times_ms: list[float] = []
    for image, box in [*zip(sight.images, sight.boxes, strict=True)] * 2:
        begin = time.perf_counter()
        engine.infer(image, [box], sight.K)
        times_ms.append((time.perf_counter() - begin) * 1e3)
    return float(np.median(times_ms))


def _opened(row: EngineRow, weights: Weights) -> Engine | None:
    before_mb, begin = resident_mb(), time.perf_counter()
    try:
        engine = open_engine(row.engine, weights, precision=row.precision)
    except EngineError as error:
        row.refused = str(error)
        return None
    if isinstance(engine, CardEngine) and row.engine == "tensorrt":  # it may have been built just now
        engine.close()
        row.build_s = _build_s(weights, row.precision)
        begin = time.perf_counter()
        engine = open_engine(row.engine, weights, precision=row.precision)
    row.open_s, row.memory_mb = time.perf_counter() - begin, resident_mb() - before_mb
    row.description = engine.description
    return engine


def _build_s(weights: Weights, precision: Precision) -> float:
    from engine.backends.tensorrt_plan import plan

    return sum(batch["build_s"] for batch in plan(weights, precision=precision).about()["batches"].values())


def _answers(engine: Engine, sight: Sight) -> Float32[ndarray, "n joints 3"]:
    """Joints in crop units, a row per picture; warms the engine up on the way."""
    pairs = zip(sight.images, sight.boxes, strict=True)
    return np.concatenate([engine.infer(image, [box], sight.K).joints[..., :3] for image, box in pairs])


def _passes(
    row: EngineRow, joints: Float32[ndarray, "n joints 3"], reference: Float32[ndarray, "n joints 3"], *, cells: float
) -> bool:
    away = np.linalg.norm((joints - reference)[..., :2], axis=-1) * cells
    row.difference_cells = float(away.mean())
    row.difference_cells_p99 = float(np.percentile(away, 99))
    gate = GATE_CELLS[row.precision]
    if not row.difference_cells <= gate:  # a NaN fails too
        row.refused = f"joints are {row.difference_cells:.2f} cells from the reference, allowed are {gate:g}"
    return row.refused is None
