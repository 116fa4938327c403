"""Two weights files judged alike: the same lists, the same engine, one after the other in one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.backends import Engine, open_engine
from engine.errors import UserError
from engine.weights import Weights
from realtime.progress import Step
from train.datasets.labelled2d import VALIDATION_LISTS, frozen_list, read_labelled2d
from train.datasets.sample import Sample
from train.evaluate import evaluate, in_own_box
from train.figures import COLUMNS, Figures, figures_2d

ENGINE = "openvino"
# below a folder of data: what has a frozen list of photos, what judges presence, what is followed through a video
PHOTOS = ("labelled2d/lspet", "labelled2d/coco_new")
OTHERS = ("labelled2d/coco_mini", "multiview/pose2sim_balance_cam12")
# the list by which weights are chosen, and what they must gain on it
CHOSEN_BY = VALIDATION_LISTS["lspet"]
CHOSEN_FIGURE = "pck_at_0.2"
GAIN_MIN = 0.03
DIGITS = 4  # of figures in a file, and of their differences
Which = Literal["bundled", "candidate"]
Record = dict[str, Any]


class BundleError(UserError):
    """Weights that cannot be judged or must not be taken, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one list; None where a network has no such figure."""

    people: str
    figure: str
    bundled: float | None
    candidate: float | None

    @property
    def difference(self) -> float | None:
        """Candidate minus bundled."""
        if self.bundled is None or self.candidate is None:
            return None
        return round(self.candidate - self.bundled, DIGITS)


def folders_below(data: Path, people: Path | None) -> list[Path]:
    """The folders that are judged. BundleError names one that is not there."""
    folders = [data / name for name in (*PHOTOS, *OTHERS)] + ([people] if people else [])
    for folder in folders:
        if not folder.is_dir():
            raise BundleError(f"no folder {folder}; --data needs {', '.join((*PHOTOS, *OTHERS))} in it")
    return folders


def validation_lists(data: Path) -> dict[str, list[Sample]]:
    """The people of the frozen validation lists, by the list's name. BundleError: nobody is on the one that chooses."""
    photos = [sample for name in PHOTOS for sample in read_labelled2d(data / name).all]
    lists = {name: [s for s in photos if s.name in frozen_list(name)] for name in VALIDATION_LISTS.values()}
    if not lists[CHOSEN_BY]:
        raise BundleError(f"{data / PHOTOS[0]} has nobody of {CHOSEN_BY}; weights are chosen by that list")
    return {name: samples for name, samples in lists.items() if samples}


def compared(
    weights: Mapping[Which, Weights],
    data: Path,
    people: Path | None,
    step: Callable[[str], Step],
    *,
    engine: str = ENGINE,
) -> Record:
    """Figures of both files, as a JSON file holds them; `step(which)` gives a bar.

    BundleError or DatasetError where something to judge by is missing.
    """
    folders, lists = folders_below(data, people), validation_lists(data)
    record: Record = {"schema": 1}
    for which, loaded in weights.items():
        with open_engine(engine, loaded) as opened:
            bar = step(which)
            figures = [*_validation_figures(lists, opened, bar), *evaluate(folders, opened, progress=bar)]
            record[which] = {
                "sha256": opened.weights_sha256,
                "engine": opened.description,
                "figures": {f.name: _numbers(f) for f in figures},
            }
    return record


def _numbers(figures: Figures) -> dict[str, float]:
    """What a terminal would show; a figure of nobody is left out."""
    held = {name: figures.numbers[name] for name in COLUMNS if name in figures.numbers}
    return {name: round(value, DIGITS) for name, value in held.items() if math.isfinite(value)}


def _validation_figures(lists: Mapping[str, Sequence[Sample]], engine: Engine, step: Step) -> list[Figures]:
    """Each list with the label's box, under its own name."""
    figures = []
    for name, samples in lists.items():
        px = []
        for i, sample in enumerate(samples):
            px.append(in_own_box(sample, engine).px)
            step(i + 1, len(samples))
        known = [s.with_joints(engine.skeleton) for s in samples]
        true = np.stack([s.joints_px for s in known]).astype(np.float64)
        figures.append(figures_2d(name, np.stack(px), true, np.stack([s.weight[:, 0] > 0 for s in known])))
    return figures


def rows_of(record: Record) -> list[Row]:
    """Every figure of every list, in the order in which they were judged."""
    bundled, candidate = record["bundled"]["figures"], record["candidate"]["figures"]
    rows = []
    for people in dict.fromkeys([*bundled, *candidate]):
        for figure in COLUMNS:
            numbers = [figures.get(people, {}).get(figure) for figures in (bundled, candidate)]
            if numbers != [None, None]:
                rows.append(Row(people, figure, *numbers))
    return rows


def gain(record: Record) -> float:
    """PCK@0.2 on the list that chooses: candidate minus bundled."""
    (row,) = [row for row in rows_of(record) if (row.people, row.figure) == (CHOSEN_BY, CHOSEN_FIGURE)]
    assert row.difference is not None
    return row.difference


def comparison_table(record: Record) -> str:
    """For a terminal: figure, bundled, candidate, difference, list by list."""
    shas = [record[which]["sha256"][:12] for which in ("bundled", "candidate")]
    cells = [["", f"bundled {shas[0]}", f"candidate {shas[1]}", "difference"]]
    people = None
    for row in rows_of(record):
        if row.people != people:
            people = row.people
            cells.append([people, "", "", ""])
        heading, form = COLUMNS[row.figure]
        shown = [_shown(value, form) for value in (row.bundled, row.candidate)]
        cells.append([f"  {heading}", *shown, _shown(row.difference, form.replace("{:", "{:+"))])
    widths = [max(len(line[i]) for line in cells) for i in range(4)]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: float | None, form: str) -> str:
    if value is None:
        return "-"
    return form.format(int(value) if form.endswith("d}") else value)
