"""The command line: `python -m train.bundle RUN --data FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UserError
from engine.weights import read_weights
from realtime.progress import Stages
from train.bundle.comparison import compared, comparison_table
from train.bundle.pages import Places, check_pages
from train.bundle.taking import candidate_file, check_gain, take

ROOT = Path(__file__).resolve().parents[2]


def main(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or a .safetensors file.")],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Where labelled2d/ and multiview/ lie.")],
    people: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Rendered test people.")] = None,
    taken: Annotated[bool, typer.Option("--take", help="Replace the bundled weights if they are better.")] = False,
    force: Annotated[bool, typer.Option("--force", help="The same whatever the figures say.")] = False,
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="The comparison.")] = Path(
        "out/bundle.json"
    ),
) -> None:
    """Judge trained weights beside the bundled ones; with --take put them in their place and renew the documents."""
    places = Places(ROOT)
    path = candidate_file(run)
    if taken or force:
        check_pages(places)
    weights = read_weights(path)
    with Stages() as stages:
        record = compared({"bundled": read_weights(places.weights), "candidate": weights}, data, people, stages)
    print(comparison_table(record))
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"wrote {json_file}")
    if taken or force:
        check_gain(record, force=force)
        for written in take(weights, path, record, places):
            print(f"wrote {written}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        sys.exit(str(error))
