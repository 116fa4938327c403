"""How the bundled weights were trained: one file of lines for all runs that were ever taken.

The first line of a block names a run; a thin line for each epoch follows, and one with `bundled` for each file of the
run that was taken. Crops are counted from the beginning of the run, `crops_before` are those of the sittings before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.weights import Weights
from train.callbacks import METRICS
from train.card import SHOWN_OF_SHA256

DIGITS = 4
# what a line keeps of an epoch, beside crops, hours and px
KEPT = "val_"
# lists by the names that a training gives their figures; the one that chooses has none
LISTS = {"val_pck": "LSP extended, validation list", "val_coco_pck": "COCO, validation list"}
NOT_RECORDED = "not recorded"  # by cards of versions before
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """One run."""

    run: Line
    lines: tuple[Line, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Two runs of one name are told apart by what they began with."""
        return self.run["run"], json.dumps(self.run["from"], sort_keys=True)

    def joined(self, later: Block) -> Block:
        """This run with what a later reading of it knows beyond: no line twice, by its crops."""
        known = {_place(line) for line in self.lines}
        new = [line for line in later.lines if _place(line) not in known]
        return Block(later.run, tuple(sorted((*self.lines, *new), key=_place)))


def _place(line: Line) -> tuple[int, str]:
    """Where a line stands in its block; the file that was taken stands behind its epoch."""
    return line["crops"], line.get("bundled", "")


def block_of(weights: Weights, path: Path) -> Block:
    """The run that made the weights file at `path`, by its card and by the metrics.jsonl beside it.

    Where there are no metrics its card's validation figures are the only epoch.
    """
    card, metrics = weights.card, path.parent / METRICS
    crops = card.get("images_seen", 0)
    assert isinstance(crops, int)
    if metrics.is_file():
        read = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
        lines = [_thin(line) for line in read if line["images"] <= crops]
        name = path.parent.resolve().name
    else:
        lines, name = [_of_card(card, crops)], path.stem
    bundled = {"crops": crops, "bundled": weights.sha256[:SHOWN_OF_SHA256]}
    return Block(_run_of(weights, name), (*lines, bundled))


def _run_of(weights: Weights, name: str) -> Line:
    card: Line = weights.card
    began = card.get("started_from", NOT_RECORDED)  # null: random numbers
    if isinstance(began, dict) and "sha256" in began:
        began = {**began, "sha256": began["sha256"][:SHOWN_OF_SHA256]}
    return {
        "run": name,
        "from": began,
        "preset": card.get("preset"),
        "network": network_of(weights),
        "data": [f"{d['name']}: {d.get('samples', '?')} {d['kind']}" for d in card.get("data", [])],
        "crops_before": sum(sitting["crops"] or 0 for sitting in card.get("history", [])),
    }


def network_of(weights: Weights) -> str:
    """For people: which network a file holds."""
    a = weights.architecture
    width = "" if a.width == 1 else f" of width {a.width:g}"
    return f"ResNet-{a.backbone}{width}, {a.input_px} px, {a.skeleton}"


def _thin(line: Line) -> Line:
    figures = {name: round(value, DIGITS) for name, value in line.items() if name.startswith(KEPT)}
    return {"crops": line["images"], "hours": round(line["hours"], 3), "px": line["px"], **figures}


def _of_card(card: Line, crops: int) -> Line:
    figures = card.get("figures", {})
    names = {"val_pck": "validation_pck_at_0.2", "val_swaps": "validation_swap_rate"}
    found = {name: figures[said] for name, said in names.items() if said in figures}
    return {"crops": crops, "hours": card.get("hours"), **found}


def with_block(blocks: Sequence[Block], block: Block) -> list[Block]:
    """The blocks with one more; one that is there already learns what is new."""
    if block.key not in [b.key for b in blocks]:
        return [*blocks, block]
    return [b.joined(block) if b.key == block.key else b for b in blocks]


def read_curve(path: Path) -> list[Block]:
    """The blocks of a file; none where there is no file."""
    blocks: list[Block] = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        line = json.loads(text)
        if "run" in line:
            blocks.append(Block(line, ()))
        else:
            blocks[-1] = Block(blocks[-1].run, (*blocks[-1].lines, line))
    return blocks


def curve_text(blocks: Sequence[Block]) -> str:
    """The file that `read_curve` reads."""
    return "".join(json.dumps(line) + "\n" for block in blocks for line in (block.run, *block.lines))


def draw_curve(blocks: Sequence[Block], path: Path) -> Path:
    """Validation PCK@0.2 of each list against crops, of the runs of the newest network; the picture's path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [block for block in blocks if block.run["network"] == blocks[-1].run["network"]]
    figure, axes = pyplot.subplots(figsize=(7, 3.4), layout="constrained")
    for colour, (name, label) in zip(("tab:blue", "tab:orange"), LISTS.items(), strict=True):
        for block in shown:
            epochs = [line for line in block.lines if name in line]
            if not epochs:
                continue
            crops = [(block.run["crops_before"] + line["crops"]) / 1000 for line in epochs]
            axes.plot(crops, [line[name] for line in epochs], "-", marker=".", color=colour, label=label)
    for block in shown:
        _mark(axes, block)
    axes.set(xlabel="crops seen, thousands", ylabel="PCK@0.2 (torso)")
    axes.margins(y=0.3)  # the marks' texts stand there
    axes.grid(alpha=0.3)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return path


def _mark(axes: Any, block: Block) -> None:
    """Where a run begins, and where a file of it was taken."""
    before = block.run["crops_before"]
    axes.axvline(before / 1000, color="0.5", linewidth=0.8)
    axes.text(before / 1000, 1.0, f" {block.run['run']}", transform=axes.get_xaxis_transform(), va="top", fontsize=8)
    for line in block.lines:
        if "bundled" in line:
            crops = (before + line["crops"]) / 1000
            axes.axvline(crops, color="0.5", linewidth=0.8, linestyle=":")
            where = {"transform": axes.get_xaxis_transform(), "va": "bottom", "ha": "right", "rotation": 90}
            axes.text(crops, 0.02, line["bundled"], fontsize=7, **where)
