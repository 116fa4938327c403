"""The paper's ablation (Table 4) on a synthetic take: `python -m train.own_rig.ablation TAKE --people DIR --out DIR`.

Eight networks: with transfer learning or without (2D labels of rendered people first; the paper's were MPII's), with
synthetic occlusion, WASP and CBAM or without. Each then teaches itself with the take's labels, which two cameras gave,
and is judged with the truth on the held-out part, in true boxes: networks this young could not follow a person. What
is finished is not run again; `results.md` has the paper's column beside ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from torch import Tensor

from engine.decode import WINDOW_CELLS, Decoded
from engine.errors import UserError
from engine.model import ARCHITECTURES, Architecture, PoseResNet
from realtime.progress import progress
from train.augment import Augmentation
from train.datasets.sample import Sample
from train.datasets.synthetic import read_synthetic
from train.datasets.takes import read_take
from train.fit import Phase, Recipe, fit
from train.occlusion import PROBABILITY
from train.own_rig.lessons import parted_take
from train.own_rig.regression import people_errors
from train.own_rig.truth import true_labels
from train.pose_errors import mean_mm
from train.stream import Pool
from train.sweep import Record, Results

STRENGTH = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the paper's table and its figures there: MPJPE, P-MPJPE, N-MPJPE, mm."""

    transfer: bool
    occlusion: bool
    wasp: bool
    cbam: bool
    paper_mm: tuple[float, float, float]

    @property
    def name(self) -> str:
        """What the network has."""
        parts = {"transfer": self.transfer, "occlusion": self.occlusion, "WASP": self.wasp, "CBAM": self.cbam}
        return ", ".join(name for name, there in parts.items() if there) or "nothing"


ROWS = (
    Row(False, False, False, False, (102.7, 89.5, 98.0)),
    Row(True, False, False, False, (83.7, 71.7, 82.8)),
    Row(True, True, False, False, (76.1, 65.8, 74.5)),
    Row(True, False, True, False, (83.3, 71.2, 82.3)),
    Row(True, False, False, True, (82.8, 73.2, 81.8)),
    Row(True, True, True, False, (76.0, 65.0, 74.4)),
    Row(True, True, False, True, (74.8, 64.1, 72.9)),
    Row(True, True, True, True, (74.6, 63.8, 73.2)),
)


@dataclass(frozen=True, slots=True)
class Ablation:
    """Data and budget of all rows."""

    out: Path
    people: Sequence[Sample]  # labelled in 2D
    taught: Sequence[Sample]
    validation: Sequence[Sample]
    judged: Sequence[Sample]  # with the truth
    first_crops: int  # of rendered people
    crops: int  # of the take
    size_px: int

    def row(self, row: Row) -> Record:
        """Trains and judges one network."""
        network = replace(ARCHITECTURES["lite"], cbam=row.cbam, wasp=row.wasp, lateral=False, input_px=self.size_px)
        start = self._first(network) if row.transfer else None
        recipe = replace(
            self._recipe(self.crops),
            frozen_statistics=row.transfer,
            augmentation=Augmentation(roll_deg=8.0, occlusion=PROBABILITY if row.occlusion else 0.0),
        )
        pools = [Pool("take", self.taught, 1.0)]
        _, state = fit(network, pools, self.validation, recipe, self.out / row.name.replace(", ", "_"), start=start)
        return _figures(network, state, self.judged)

    def _first(self, network: Architecture) -> dict[str, Tensor]:
        """The network after learning 2D from rendered people; from its folder where another row made it."""
        folder = self.out / f"first{'_cbam' if network.cbam else ''}{'_wasp' if network.wasp else ''}"
        recipe = replace(self._recipe(self.first_crops), augmentation=Augmentation(occlusion=0.0))
        return fit(network, [Pool("people", self.people, 1.0)], self.validation, recipe, folder)[1]

    def _recipe(self, crops: int) -> Recipe:
        phases = (Phase(1.0, self.size_px, STRENGTH),)
        return Recipe(hours=1.0, crops=crops, phases=phases, batch=16, batches_per_epoch=100, warmup_steps=50)


def table(results: Results) -> str:
    """Ours beside the paper's, as Markdown."""
    lines = ["| network has | MPJPE | P-MPJPE | N-MPJPE | paper: MPJPE | P-MPJPE | N-MPJPE |", "|" + " --- |" * 7]
    for row in ROWS:
        if (own := results.records.get(row.name)) is not None:
            ours = [f"{own[key]:.1f}" for key in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")]
            lines.append("| " + " | ".join([row.name, *ours, *(f"{mm:.1f}" for mm in row.paper_mm)]) + " |")
    return "\n".join(lines) + "\n"


def _figures(architecture: Architecture, state: dict[str, Tensor], judged: Sequence[Sample]) -> Record:
    network = PoseResNet(architecture)
    network.load_state_dict(state)
    errors = people_errors(Decoded(network, window=WINDOW_CELLS).eval(), judged, architecture.input_px)
    means = {"mpjpe_mm": errors.mpjpe, "p_mpjpe_mm": errors.p_mpjpe, "n_mpjpe_mm": errors.n_mpjpe}
    return {name: round(mean_mm(each), 2) for name, each in means.items()}


def _flat(sample: Sample) -> Sample:
    """Without depth, as a photo that was labelled by hand."""
    return replace(sample, weight=sample.weight * np.array([1, 1, 0], np.float32))


def main(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="A synthetic take that was labelled.")],
    people: Annotated[Path, typer.Option(metavar="FOLDER", help="Rendered people, of `synth --out`.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Runs and results; one that exists goes on.")],
    first_crops: Annotated[int, typer.Option(min=16, help="How many each learns from before the take.")] = 64000,
    crops: Annotated[int, typer.Option(min=16, help="How many of the take.")] = 16000,
    size: Annotated[int, typer.Option(min=64, help="Side of the crops, px.")] = 96,
) -> None:
    """Trains and judges the eight networks; writes FOLDER/results.json and FOLDER/results.md."""
    with progress("pictures") as step:
        taught, validation = parted_take(read_take(take, step=step))
        judged = read_take(take, labels=true_labels(take), part="held out", step=step)
    ablation = Ablation(
        out, [_flat(s) for s in read_synthetic(people)], taught, validation, judged, first_crops, crops, size
    )
    results = Results(out / "results.json")
    results.once("budget", lambda: {"first_crops": first_crops, "crops": crops, "size_px": size, "take": take.name})
    for row in ROWS:
        results.once(row.name, lambda row=row: ablation.row(row))
        (out / "results.md").write_text(table(results), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        sys.exit(str(error))
