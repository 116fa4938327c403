"""A network's figures where nobody taught it: the held-out parts of takes, and people of fixed seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.backends import open_engine
from engine.weights import Weights
from realtime.progress import Step
from train.datasets.sample import Sample
from train.evaluate_takes import KindFigures, TakeFigures, evaluate_take
from train.own_rig.gate import Judged
from train.own_rig.regression import people_mm

NAME = "before.json"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One network's figures, take by take, and what the gate looks at."""

    takes: dict[str, list[TakeFigures]]
    judged: Judged

    @property
    def figures(self) -> list[TakeFigures]:
        """Of all takes."""
        return [f for of_take in self.takes.values() for f in of_take]


def judge(takes: Sequence[Path], weights: Weights, engine: str, regression: Sequence[Sample], step: Step) -> Judgement:
    """One camera alone, through the live pipeline."""
    figures = {}
    with open_engine(engine, weights) as opened:
        for folder in takes:
            figures[str(folder)] = evaluate_take(folder, opened, step=step)
    agreement = [of_take[0] for of_take in figures.values()]
    counts = np.array([f.frames for f in agreement], float)
    means = {
        name: float(np.average([getattr(f, name) for f in agreement], weights=counts))
        for name in ("n_mpjpe_mm", "found", "bone_spread", "asymmetry")
    }
    remembered = people_mm(weights.decoded(), regression, weights.architecture.input_px)
    return Judgement(figures, Judged(**means, regression_mm=remembered))


def judged_once(
    out: Path, takes: Sequence[Path], base: Weights, engine: str, regression: Sequence[Sample], step: Step
) -> Judgement:
    """The old network's figures, from the run's folder where a stopped run left them."""
    path = out / NAME
    key = f"{base.sha256} {[str(take) for take in takes]} {len(regression)}"
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        if held.get("key") == key:
            figures = {name: [_figures(f) for f in of_take] for name, of_take in held["takes"].items()}
            return Judgement(figures, Judged(**held["judged"]))
    found = judge(takes, base, engine, regression, step)
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "key": key,
        "takes": {name: [asdict(f) for f in figures] for name, figures in found.takes.items()},
        "judged": asdict(found.judged),
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return found


def _figures(record: dict) -> TakeFigures:
    kinds = tuple(KindFigures(*kind) for kind in record.get("per_kind", ()))
    return TakeFigures(**{**record, "per_joint_mm": tuple(record["per_joint_mm"]), "per_kind": kinds})
