"""What the README and the model card say of the bundled weights, from the files that say it first.

These are the weights' own card, the figures of their comparison and the curve; nothing is typed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.model import PoseResNet
from engine.weights import Weights, read_weights
from realtime.marked import marked, remarked
from train.bundle.comparison import CHOSEN_FIGURE, BundleError, Record
from train.bundle.curve import LISTS, NOT_RECORDED, Block, network_of, read_curve
from train.card import SHOWN_OF_SHA256, sitting_of
from train.figures import COLUMNS

MAKER = "python -m train.bundle"
# whose figures the README shows: by the folder's name, and as a reader calls them
README_PEOPLE = {
    "pose2sim_balance_cam12": "a man on a balance beam, two cameras, no box given, against OpenPose",
    "lspet": "{people} athletes of LSP extended, upside down and blurred ones too, no box given",
    "coco_new": "{people} everyday people of COCO, no box given",
}
NO_BOX = "no box given"
EXTREMITIES = "pck_at_0.2_extremities"
Numbers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a clone keeps the bundled weights and what is said of them."""

    root: Path

    @property
    def weights(self) -> Path:
        """The file itself."""
        return self.root / "engine" / "bundled" / "lite.safetensors"

    @property
    def figures(self) -> Path:
        """The comparison by which it was taken."""
        return self.root / "docs" / "figures-lite.json"

    @property
    def curve(self) -> Path:
        """Its training."""
        return self.root / "docs" / "training-lite.jsonl"

    @property
    def curve_picture(self) -> Path:
        """The same, drawn."""
        return self.root / "docs" / "training-lite.png"

    @property
    def failures(self) -> Path:
        """Where it errs most."""
        return self.root / "docs" / "failures-lite.jpg"

    @property
    def pages(self) -> dict[Path, int]:
        """Documents with how many parts of each are made."""
        return {self.root / "README.md": 1, self.root / "docs" / "model-card-lite.md": 3}


def check_pages(places: Places) -> None:
    """BundleError where a document is not there or lacks its marks."""
    for page, parts in places.pages.items():
        if not page.is_file():
            raise BundleError(f"no {page}; weights are taken into a clone of the repository")
        if (count := len(marked(page.read_text(encoding="utf-8"), MAKER))) != parts:
            raise BundleError(f"{page} has {count} parts between '<!-- made by {MAKER} -->' and an end, not {parts}")


def renewed_pages(places: Places) -> dict[Path, str]:
    """The documents with their made parts as the bundled weights, their figures and their curve say now."""
    record = json.loads(places.figures.read_text(encoding="utf-8"))
    weights, blocks = read_weights(places.weights), read_curve(places.curve)
    readme, card = places.pages
    parts = {readme: [readme_part(record)], card: [sittings_part(weights), figures_part(record), curve_part(blocks)]}
    return {page: remarked(page.read_text(encoding="utf-8"), MAKER, parts[page]) for page in parts}


def readme_part(record: Record) -> str:
    """People, PCK@0.2, how many were found, and the points beyond the limbs where they are labelled."""
    candidate = record["candidate"]
    rows = [["people", "PCK@0.2", "found", COLUMNS[EXTREMITIES][0]]]
    for folder, title in README_PEOPLE.items():
        lists = [f for name, f in candidate["figures"].items() if name.startswith(folder) and name.endswith(NO_BOX)]
        if lists:
            rows.append([title.format(people=lists[0]["people"]), *_of_lists(lists)])
    sha = candidate["sha256"][:SHOWN_OF_SHA256]
    return f"\n\n{_table(rows)}\n\nMeasured with `{sha}`, {candidate['engine']}. "


def _of_lists(lists: Sequence[Numbers]) -> list[str]:
    pck = ", ".join(f"{numbers[CHOSEN_FIGURE]:.2f}" for numbers in lists)
    found = sum(numbers["found"] for numbers in lists) / sum(numbers["people"] for numbers in lists)
    extremities = ", ".join(f"{numbers[EXTREMITIES]:.2f}" for numbers in lists if EXTREMITIES in numbers)
    return [pck, f"{100 * found:.0f} %", extremities]


def sittings_part(weights: Weights) -> str:
    """The file, the sittings that made it, and what the last one learned from."""
    last = sitting_of(weights)
    earlier: Any = weights.card.get("history", [])
    rows = [["sitting", "began with", "crops", "hours", "preset", "step size, batch, pixels", "code"]]
    rows += [[str(i + 1), *_sitting(sitting)] for i, sitting in enumerate([*earlier, last])]
    data: Any = weights.card.get("data", [])
    samples = "; ".join(f"{d['name']}, {d['kind']}: {d['samples']:,}" for d in data if "samples" in d)
    millions = sum(p.numel() for p in PoseResNet(weights.architecture).parameters()) / 1e6
    file = f"`engine/bundled/lite.safetensors`, sha256 `{weights.sha256[:SHOWN_OF_SHA256]}`"
    return (
        f"\n\n{file}: {network_of(weights)}, {millions:.2f} M parameters, half precision.\n\n{_table(rows)}\n\n"
        f"Samples in the last sitting: {samples}. "
    )


def _sitting(sitting: Mapping[str, Any]) -> list[str]:
    recipe = sitting["recipe"]
    sizes = ", ".join(str(phase["size_px"]) for phase in recipe["phases"])
    crops = "" if sitting["crops"] is None else f"{sitting['crops']:,}"
    numbers = f"{recipe['learning_rate']:g}, {recipe['batch']}, {sizes}"
    began = _began(sitting.get("started_from", NOT_RECORDED))
    return [began, crops, *(f"{sitting.get(key) or ''}" for key in ("hours", "preset")), numbers, _code(sitting)]


def _code(sitting: Mapping[str, Any]) -> str:
    return f"`{sitting['commit']}`" if sitting.get("commit") else ""


def _began(started_from: Mapping[str, str] | str | None) -> str:
    if started_from is None:
        return "random numbers"
    if isinstance(started_from, str):
        return started_from
    if "backbone" in started_from:
        return f"the backbone {started_from['backbone']}"
    return f"{started_from['weights']} `{started_from['sha256'][:SHOWN_OF_SHA256]}`"


def figures_part(record: Record) -> str:
    """A row for each list, a column for each figure that any of them has, and PCK@0.2 of the weights before."""
    candidate, before = record["candidate"], record["bundled"]
    columns = [c for c in COLUMNS if any(c in numbers for numbers in candidate["figures"].values())]
    rows = [["people", *(COLUMNS[c][0] for c in columns if c != "people"), "PCK@0.2 before"]]
    for people, numbers in candidate["figures"].items():
        cells = [_cell(numbers, column) for column in columns if column != "people"]
        rows.append([people, *cells, _cell(before["figures"].get(people, {}), CHOSEN_FIGURE)])
    shas = [which["sha256"][:SHOWN_OF_SHA256] for which in (candidate, before)]
    return f"\n\n{_table(rows)}\n\nMeasured with `{shas[0]}`, {candidate['engine']}; before: `{shas[1]}`. "


def _cell(numbers: Numbers, column: str) -> str:
    if column not in numbers:
        return ""
    form = COLUMNS[column][1]
    return form.format(int(numbers[column]) if form.endswith("d}") else numbers[column])


def curve_part(blocks: Sequence[Block]) -> str:
    """The picture, and where the newest run stands."""
    run = blocks[-1]
    last = [line for line in run.lines if "bundled" not in line][-1]
    figures = ", ".join(f"{label} {last[name]:.3f}" for name, label in LISTS.items() if name in last)
    crops = run.run["crops_before"] + last["crops"]
    return (
        "\n\n![validation PCK@0.2 against crops](training-lite.png)\n\n"
        f"After {crops:,} crops, {last['crops']:,} of them in the run `{run.run['run']}`: {figures}. "
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))
