"""The paper's tables as sweeps: rows that are trained and judged one after the other, kept in a results file.

A row that has its result is not run again; one that was interrupted goes on in its run folders.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.backends import open_engine
from engine.weights import read_weights
from train.datasets.human36m import read_human36m
from train.datasets.labelled2d import DatasetError
from train.evaluate import judge_mpii
from train.paper import figures
from train.paper.judge import FIELD, judge_captured
from train.paper.stages import Data, Supervision, Variant, first_stage, paper_recipe, second_stage
from train.ranks import is_first, until
from train.recipe import Recipe

Table = Literal["table1", "table2", "table3", "table4"]
Step = Callable[[int, int], None]
RESULTS = "results.json"
ERRORS = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")


@dataclass(frozen=True, slots=True)
class Row:
    """One of our rows: what is trained, how it is taught, and what the paper says of it."""

    label: str
    variant: Variant
    supervision: Supervision | None  # None: the 2D stage alone
    paper: tuple[float, ...]  # PCKh in per cent, or MPJPE, P-MPJPE, N-MPJPE in mm

    @property
    def key(self) -> str:
        """In the results file. Rows that are the same training share it."""
        v = self.variant
        return f"{v.name} {v.network} occlusion={v.occlusion} transfer={v.transfer} supervision={self.supervision}"


FULL, SELF = (51.8, 41.9, 49.4), (74.6, 63.8, 73.2)
SUPERVISED = (
    Row("Ours (fully supervised)", Variant(), "full", FULL),
    Row("Ours (self-supervised)", Variant(), "self", SELF),
)
DEPTHS = tuple(
    Row(f"ResNet{depth}", Variant(backbone=depth), None, (pck,))
    for depth, pck in ((18, 84.7), (34, 86.3), (50, 88.3), (101, 88.9))
)
# not in the paper: the backbone of `lite`
HALF = Row("ResNet50 of half width", Variant(backbone=50, half=True), None, ())


def _ablation(transfer: bool, occlusion: bool, wasp: bool, cbam: bool, *paper: float) -> Row:
    marks = ["yes" if on else "-" for on in (transfer, occlusion, wasp, cbam)]
    variant = Variant(transfer=transfer, occlusion=occlusion, wasp=wasp, cbam=cbam)
    return Row(" | ".join(marks), variant, "self", paper)


ABLATIONS = (
    _ablation(False, False, False, False, 102.7, 89.5, 98.0),
    _ablation(True, False, False, False, 83.7, 71.7, 82.8),
    _ablation(True, True, False, False, 76.1, 65.8, 74.5),
    _ablation(True, False, True, False, 83.3, 71.2, 82.3),
    _ablation(True, False, False, True, 82.8, 73.2, 81.8),
    _ablation(True, True, True, False, 76.0, 65.0, 74.4),
    _ablation(True, True, False, True, 74.8, 64.1, 72.9),
    _ablation(True, True, True, True, 74.6, 63.8, 73.2),
)
TABLES: dict[Table, tuple[Row, ...]] = {
    "table1": SUPERVISED,
    "table2": SUPERVISED,
    "table3": (*DEPTHS, HALF),
    "table4": ABLATIONS,
}


def sweep(table: Table, data: Data, out: Path, *, epochs: int, seed: int, workers: int, step: Step) -> Path:
    """Runs the rows of a table that have no result yet; the path of its Markdown.

    DatasetError where data is missing, or the folder holds results of another length of training.
    """
    rows = TABLES[table]
    if data.human36m is None and any(row.supervision for row in rows):
        raise DatasetError(
            f"{table} needs Human3.6M: give --human36m FOLDER; `python run.py datasets` says how to get it"
        )
    out.mkdir(parents=True, exist_ok=True)
    results = read_results(out)
    for row in rows:
        if results.get(row.key, {"epochs": epochs})["epochs"] != epochs:
            raise DatasetError(f"{out} holds results of {results[row.key]['epochs']} epochs; give another --out")
        if row.key not in results:
            made = run_row(row, data, out, epochs=epochs, seed=seed, workers=workers, step=step)
            results = read_results(out) | {row.key: {**made, "epochs": epochs, "seed": seed}}
            if is_first():
                _write(out / RESULTS, json.dumps(results, indent=2) + "\n")
            until(lambda key=row.key: key in read_results(out))
    path = out / f"{table}.md"
    if is_first():
        _write(path, markdown(table, rows, results))
    return path


def run_row(row: Row, data: Data, out: Path, *, epochs: int, seed: int, workers: int, step: Step) -> dict[str, object]:
    """Trains what is not trained yet and judges it: the numbers by how they were taken."""
    recipe = _recipe(row.variant, epochs=epochs, seed=seed, workers=workers)
    weights = first_stage(data, row.variant, out, recipe)
    if row.supervision is not None:
        weights = second_stage(data, row.variant, row.supervision, out, recipe, first=weights)
    made: dict[str, object] = {"weights": str(weights.relative_to(out))}
    if not is_first():
        return made
    with open_engine("eager", str(weights), device="auto", precision="fp32") as engine:
        if row.supervision is None:
            judged = judge_mpii(data.mpii, engine, step=step)
        else:
            assert data.human36m is not None
            samples = read_human36m(data.human36m, "test").samples
            judged = judge_captured("S9 and S11", samples, engine, step=step)
    return made | {f.name.rsplit("11, ", 1)[-1]: f.summary() for f in judged}


def _recipe(variant: Variant, *, epochs: int, seed: int, workers: int) -> Recipe:
    size = variant.architecture.input_px
    return paper_recipe(size, epochs=epochs, occlusion=variant.occlusion, seed=seed, workers=workers)


def read_results(out: Path) -> dict[str, dict]:
    """What earlier runs found, by row. DatasetError where the file is damaged."""
    path = out / RESULTS
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is damaged ({error}); remove it, its rows are judged anew") from None


def markdown(table: Table, rows: Sequence[Row], results: dict[str, dict]) -> str:
    """The table: our numbers, and the paper's beside them."""
    if table == "table3":
        lines = ["| Backbone | PCKh@0.5 here, % | PCK in the paper, % |", "| --- | --- | --- |"]
        for row in rows:
            found = next((v for v in results[row.key].values() if isinstance(v, dict)), {})
            value = found.get("pckh_at_0.5", found.get("pck_at_0.5_neck_to_top"))
            lines.append(f"| {row.label} | {_number(value, 100)} | {row.paper[0] if row.paper else '-'} |")
        return "\n".join([*lines, "", _note(results, rows)]) + "\n"
    left = "Transfer | Occlusion | WASP | CBAM" if table == "table4" else "Model"
    heads = [f"{name} {where}" for name in ("MPJPE", "P-MPJPE", "N-MPJPE") for where in ("here", "paper")]
    columns = [*left.split(" | "), "taken", *heads]
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join(['---'] * len(columns))} |"]
    for row in rows:
        for how, found in results[row.key].items():
            if isinstance(found, dict):
                pairs = [f"{_number(found.get(e))} | {p}" for e, p in zip(ERRORS, row.paper, strict=True)]
                lines.append(f"| {row.label} | {how} | {' | '.join(pairs)} |")
    return "\n".join([*lines, "", _note(results, rows)]) + "\n"


def _note(results: dict[str, dict], rows: Sequence[Row]) -> str:
    runs = sorted({(results[row.key]["epochs"], results[row.key]["seed"]) for row in rows})
    said = "; ".join(f"{epochs} epochs, seed {seed}" for epochs, seed in runs)
    return f"Errors in mm. Trained for {said}; the paper trains for 130 epochs."


def _number(value: object, times: float = 1.0) -> str:
    return f"{value * times:.1f}" if isinstance(value, float) else "nobody found"


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def draw_figures(data: Data, out: Path) -> list[Path]:
    """Figures 10-13 of the self-supervised network of tables 1 and 2. DatasetError where it is not trained yet."""
    row = TABLES["table1"][1]
    held = read_results(out).get(row.key)
    if held is None or data.human36m is None:
        raise DatasetError(f"{out} has no result of {row.label}; run `reproduce table1` there first, with --human36m")
    path = out / str(held["weights"])
    weights, samples = read_weights(path), read_human36m(data.human36m, "test").samples
    made = [
        figures.examples(weights, samples, out / "figure10.png"),
        figures.epoch_loss(path.parent, out / "figure11.png"),
        figures.heatmaps(weights, samples[0], out / "figure12.png"),
    ]
    judged = held[FIELD]
    return [*made, figures.joint_errors(judged["mpjpe_mm_per_joint"], out / "figure13.png")]
