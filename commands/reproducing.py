"""The paper's experiments: `reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.options import Backbone, Json, progress_bar, write_json


def reproduce(
    what: Annotated[Literal["table1", "table2", "table3", "table4", "figures"], typer.Argument(help="Of the paper.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Runs, results.json, tables; one that exists goes on.")],
    mpii: Annotated[Path, typer.Option(metavar="FOLDER", help="MPII Human Pose.")],
    human36m: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Human3.6M; table 3 needs none.")] = None,
    voc: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pascal VOC 2012 or COCO: what hides people; else shapes.")
    ] = None,
    backbone: Backbone = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of each stage; the paper's are 130.")] = 130,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare crops.")] = 4,
    json_file: Json = None,
) -> None:
    """Train and judge what a table of the paper lists, or draw its figures 10 to 13; docs/reproduce.md says more."""
    from train.paper.stages import Data
    from train.paper.tables import draw_figures, read_results, sweep
    from train.ranks import is_first

    data = Data(mpii, human36m, voc, backbone)
    if what == "figures":
        for path in draw_figures(data, out):
            print(f"wrote {path}")
        return
    with progress_bar("judging") as step:
        path = sweep(what, data, out, epochs=epochs, seed=seed, workers=workers, step=step)
    if is_first():
        print(path.read_text(encoding="utf-8"))
        print(f"wrote {path}")
        write_json(json_file, dict(read_results(out)))
