"""Teaching one's own room: `label`, `finetune`, `weights`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import Device, Engine, Json, Precision, Weights, progress_bar, write_json

if TYPE_CHECKING:
    from train.own_rig.labelling import Labelled

Take = Annotated[Path, typer.Argument(metavar="TAKE", help="A take of two cameras; `record` makes one.")]


def label(
    take: Take,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Another program's joints, npz; once per camera. Else our own weights."),
    ] = None,
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    json_file: Json = None,
) -> None:
    """3D labels for both cameras of a take, without anybody labelling, and a report that says how good they are."""
    from train.own_rig.label_report import lines, summary, write_label_report

    done, said = _labelled(take, teacher, weights, engine, device, precision)
    print("\n".join(lines(done, teacher=said)))
    for path in write_label_report(done, teacher=said):
        print(f"wrote {path}")
    write_json(json_file, summary(done, teacher=said))
    if done.labels is None:
        raise typer.Exit(1)
    print(f"next: look at {take / 'labels.html'}, then python run.py finetune {take}")


def _labelled(take: Path, teacher, weights, engine, device, precision) -> tuple[Labelled, str]:
    """The labels and who taught them."""
    from engine.backends import open_engine
    from train.own_rig.labelling import label_take
    from train.own_rig.teachers import FileTeacher, OwnTeacher

    with progress_bar("frames") as step:
        if teacher:
            files = FileTeacher(teacher)
            return label_take(take, files, step=step), files.name
        with open_engine(engine, weights, device=device, precision=precision) as opened:
            own = OwnTeacher(opened)
            return label_take(take, own, step=step), own.name
