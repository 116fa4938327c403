"""Building TensorRT engines for one card: exported, compiled, read back, judged, written into a folder.

This is what the process of `engine.backends.building` runs: `python -m engine.backends.tensorrt_build`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from engine.backends import quantise, torchtrt
from engine.backends.acceptance import accept, eager_answers, judged_pictures, rgb
from engine.backends.calibration import split_crops
from engine.backends.half_network import TYPES, PosesInCrops, Prepare
from engine.backends.precisions import check_precisions, multiplying_precisions
from engine.backends.slots import BATCHES
from engine.weights import Weights, read_weights

ANSWERS, ABOUT = "answers.npz", "engine.json"
Say = Callable[[int, int, str], None]  # done, of how many, what


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be built, in words that another process understands."""

    weights: str  # a file
    device: str
    precision: str
    folder: str


def engine_file(batch: int) -> str:
    """The name of the engine for so many crops."""
    return f"batch{batch}.pt2"


def build(job: Job, say: Say) -> None:
    """Fill the job's folder: an engine per batch size, what eager answers, what was found.

    RefusedError where an engine is not what was asked for, or says something else than eager. EngineError where
    TensorRT does not load.
    """
    weights, device, folder = read_weights(Path(job.weights)), torch.device(job.device), Path(job.folder)
    total = len(BATCHES) + 1
    say(0, total, "loading TensorRT")
    torchtrt.library()
    pictures_bgr = judged_pictures(weights.architecture.input_px)
    answers = eager_answers(weights, pictures_bgr, device)
    prepare = Prepare(TYPES[job.precision])
    pictures = prepare(rgb(pictures_bgr)).to(device)
    network = PosesInCrops(weights, TYPES[job.precision]).to(device)
    if job.precision in quantise.EXPONENT_BITS:
        calibrate = split_crops(weights.architecture.input_px)[0]
        quantise.quantise(network, job.precision, prepare(rgb(calibrate)).to(device))
    found: dict[str, object] = {}
    for done, batch in enumerate(BATCHES, start=1):
        say(done, total, f"building for {batch} crop{'s' * (batch > 1)}")
        found[str(batch)] = _one(network, batch, pictures, answers, weights, job.precision, folder)
    np.savez(folder / ANSWERS, joints=answers)
    about = {"schema": 1, "precision": job.precision, "versions": torchtrt.versions(), "batches": found}
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def exported(network: PosesInCrops, pictures: Float[Tensor, "n 3 s s"]) -> torch.export.ExportedProgram:
    """The network as a graph, for so many pictures."""
    with torch.no_grad():
        return torch.export.export(network, (pictures,))


def _one(
    network: PosesInCrops,
    batch: int,
    pictures: Float[Tensor, "n 3 s s"],
    answers: Float32[ndarray, "n joints 7"],
    weights: Weights,
    precision: str,
    folder: Path,
) -> dict[str, object]:
    """Build, read back, write, load and judge the engine of one batch size; what was found."""
    begin = time.monotonic()
    some = pictures[:batch].contiguous()
    program = exported(network, some)
    in_half = quantise.products_in_half(program) if precision in quantise.EXPONENT_BITS else 0
    module = torchtrt.compiled(program, some)
    build_s = time.monotonic() - begin
    layers = torchtrt.layers_of(module)
    (folder / f"layers{batch}.json").write_text(layers, encoding="utf-8")
    precisions = multiplying_precisions(layers)
    check_precisions(precisions, precision, in_half=in_half)
    path = folder / engine_file(batch)
    torchtrt.store(module, path, some)
    ours = answers_of(torchtrt.stored(path), pictures, batch)
    seen = accept(ours, answers, weights.architecture, engine="tensorrt", precision=precision)
    return {
        "build_s": round(build_s, 1),
        "multiplying_layers": dict(precisions),
        "median_voxels": seen.median_voxels,
        "apart": seen.apart,
    }


def answers_of(poses: torchtrt.Poses, pictures: Float[Tensor, "n 3 s s"], batch: int) -> Float32[ndarray, "n joints 7"]:
    """What an engine for so many crops says about all pictures; the last one fills the last batch."""
    answers = []
    with torch.inference_mode():
        for first in range(0, len(pictures), batch):
            some = pictures[first : first + batch]
            filled = torch.cat([some, some[-1:].expand(batch - len(some), -1, -1, -1)]).contiguous()
            answers.append(poses(filled)[0][: len(some)].float().cpu().numpy())
    return np.concatenate(answers)


if __name__ == "__main__":
    from engine.backends.building import serve

    sys.exit(serve(build))
