"""Data sets: `datasets` lists them, `datasets annotate` adds to photos what a teacher network says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperGroup

from commands.options import Json, Model, progress_bar, write_json

DEFAULT = "list"


class ListByDefault(TyperGroup):
    """`datasets FOLDER...` is `datasets list FOLDER...`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Puts the default command in front where none is named."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


datasets = typer.Typer(
    cls=ListByDefault,
    no_args_is_help=False,
    rich_markup_mode=None,
    help="Which data sets are here (`datasets FOLDER...`), and depth and further points for photos.",
)


@datasets.command("list")
def survey(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Where data sets lie, or one level up.")],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Pictures with their labels drawn.")] = None,
    json_file: Json = None,
) -> None:
    """Which data sets are here, which are not and how to get them, their terms, what could not be used."""
    from engine.errors import UserError
    from train.datasets.catalogue import survey as run_survey

    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"no folder {folder}; give the folder that your data sets lie in")
    entries = run_survey(folders)
    for entry in entries:
        if entry.folder is None:
            print(f"missing  {entry.known.name}: {entry.known.what}; get it: {entry.known.get} ({entry.known.terms})")
            continue
        if entry.error is not None:
            print(f"damaged  {entry.known.name}: {entry.error}")
            continue
        print(f"found    {entry.known.name} in {entry.folder} ({entry.known.terms})")
        for name, fact in entry.facts.items():
            print(f"           {name}: {_listed(fact)}")
        for line in entry.left_out:
            print(f"           {line}")
    if out is not None:
        _draw(entries, out)
    write_json(json_file, {e.known.name: e.summary() for e in entries})


def _listed(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name} {value}" for name, value in fact.items())
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


def _draw(entries, out: Path) -> None:
    from train.plots import labels_sheet

    out.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if any(sample.box for sample in entry.samples):
            name = "".join(c if c.isalnum() else "_" for c in f"{entry.known.name} {entry.folder.name}".lower())
            print(f"wrote {labels_sheet(entry.samples, out / f'{name}.jpg')}")


@datasets.command()
def annotate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Photos: NAME_joints.npz and zips; docs/datasets.md.")
    ],
    model: Model = None,
    teacher: Annotated[Literal["mediapipe"], typer.Option(help="Whose network.")] = "mediapipe",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where tables and sheet go, if not beside the photos.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Depth, feet, face and hands for labelled photos, by a teacher network; what was begun is gone on with."""
    from engine.errors import UserError
    from train.teachers.annotation import annotate as run_annotate
    from train.teachers.annotation import lines
    from train.teachers.blazepose import GET, BlazePose
    from train.teachers.sheet import sheet

    if model is None:
        raise typer.BadParameter(f"give --model FILE, the network of --teacher {teacher}; {GET}")
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; give the folder that the photos lie in")
    with progress_bar("photos") as step:
        annotated = run_annotate(folder, BlazePose(model), out=out, step=step)
    print("\n".join(lines(annotated)))
    for one in annotated:
        picture = sheet(one, one.paths[0].with_name(f"{one.photos.stem}_teacher.jpg"))
        for path in (*one.paths, picture):
            if path is not None:
                print(f"wrote {path}")
    write_json(json_file, {one.photos.stem: one.summary() for one in annotated})
