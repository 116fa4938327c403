"""What a frame costs on a card, stage by stage, by the card's own clock; and how near to its limits that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import Tensor

from engine.backends.card_crop import NUMBERS, crop_numbers
from engine.backends.half_network import TYPES
from engine.backends.lanes import Lane
from engine.backends.pieces import Pieces, faster, on_a_card, plain_pieces
from engine.backends.slots import outputs_of
from engine.weights import Weights
from realtime.bench.roofline import Peaks, network_layers
from realtime.bench.scene import Sight

STAGES = ("upload", "crop", "network", "decode", "download")
PEOPLE = (1, 8, 32)
TIMES = 50


@dataclass(frozen=True, slots=True)
class StageRow:
    """So many people in one frame, with the network of the engine `cuda`."""

    people: int
    ms: dict[str, float]  # median, by stage
    least_ms: float  # of network and decode, by the roofline

    @property
    def roofline_share(self) -> float:
        """1 would be the fastest that the card allows."""
        return self.least_ms / (self.ms["network"] + self.ms["decode"])


@dataclass(frozen=True, slots=True)
class CardRows:
    """A card's own measures."""

    peaks: Peaks
    stages: list[StageRow]


def time_stages(weights: Weights, lane: Lane, sight: Sight, peaks: Peaks, people: int, precision: str) -> StageRow:
    """Each stage recorded and timed by itself, on the same memory."""
    pieces = plain_pieces(weights, TYPES[precision], lane.device)
    pieces = faster(pieces, lane) if on_a_card(lane) else pieces
    runs = _stages(pieces, lane, sight, people, len(weights.skeleton))
    ms = {name: median(lane.time_ms(run) for _ in range(TIMES)) for name, run in runs.items()}
    lane.release()
    return StageRow(people, ms, peaks.least_ms(network_layers(weights, people, precision=precision)))


def _stages(pieces: Pieces, lane: Lane, sight: Sight, people: int, joints: int) -> dict[str, Callable[[], None]]:
    """In order they take a frame to its numbers. As in an engine, copies are queued, the rest is recorded."""
    device, size_px, count = lane.device, pieces.size_px, outputs_of(joints)
    shape = sight.images[0].shape
    host_frame, host_outputs = lane.host(*shape, dtype=torch.uint8), lane.host(people, count, dtype=torch.float32)
    host_frame.numpy()[:] = sight.images[0]
    frame = torch.zeros(shape, dtype=torch.uint8, device=device)
    numbers = torch.zeros((people, NUMBERS), device=device)
    numbers[:] = torch.from_numpy(crop_numbers(sight.boxes[0], sight.K, size_px, (shape[1], shape[0])))
    outputs = torch.zeros((people, count), device=device)
    held: dict[str, Tensor] = {}

    def crop() -> None:
        held["pictures"] = pieces.pictures(people, device)
        pieces.cut(held["pictures"], frame, numbers)

    def run_network() -> None:
        held["volume"], held["presence"] = pieces.network(held["pictures"])

    def decode() -> None:
        pieces.decode(outputs, held["volume"], held["presence"], window=pieces.window)

    crop_and_on = {"crop": crop, "network": run_network, "decode": decode}
    return {
        "upload": lambda: lane.upload(frame, host_frame),
        **{name: lane.record(torch.inference_mode()(work)) for name, work in crop_and_on.items()},
        "download": lambda: lane.copy(host_outputs, outputs),
    }


def as_dict(rows: CardRows) -> dict[str, object]:
    """For JSON."""
    return {
        "peak_tflops": round(rows.peaks.flop_per_s / 1e12, 1),
        "peak_gb_per_s": round(rows.peaks.bytes_per_s / 1e9, 1),
        "stages": [stage_dict(row) for row in rows.stages],
    }


def stage_dict(row: StageRow) -> dict[str, object]:
    """One row, with a column for each stage."""
    ms = {f"{name}_ms": round(row.ms[name], 4) for name in STAGES}
    total = round(float(np.sum(list(row.ms.values()))), 4)
    return {"people": row.people, **ms, "sum_ms": total, "least_ms": round(row.least_ms, 4),
            "roofline_share": round(row.roofline_share, 3)}  # fmt: skip
