"""Boards and calibration: `board` and `calibrate`."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.options import BoardName, Engine, Json, Marker, View, Weights, progress_bar, write_json

if TYPE_CHECKING:
    from calib.board import Board

By = Annotated[
    Literal["auto", "board", "people"],
    typer.Option("--from", help="A board, or the person who walks in a take; auto: a take without --square."),
]
Floor = Annotated[
    str | None,
    typer.Option(metavar="PICTURE|SECONDS", help="Where the board lies on the floor; a picture named floor*."),
]
HOW = "hold the board still for a moment in each place; Q or Ctrl-C ends, Space takes a picture at once"


def board(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The PDF.")] = Path("board.pdf"),
    board: BoardName = "9x6",
    square: Annotated[float | None, typer.Option(min=1, metavar="MM", help="Side; the largest that fits.")] = None,
    marker: Marker = None,
    paper: Annotated[Literal["A4", "A3", "Letter"], typer.Option(help="Size of the page.")] = "A4",
) -> None:
    """A calibration board to print, in true size."""
    from calib.board import parse_board
    from calib.board_pdf import largest_square_mm, typed, write_board_pdf

    if square is None:
        square = int(largest_square_mm(parse_board(board, square_mm=1.0), paper))
    wanted = parse_board(board, square_mm=square, marker_mm=marker)
    write_board_pdf(out, wanted, paper=paper)
    print(f"wrote {out}: print it at 100 %, glue it onto something flat, measure both rulers")
    print(f"its options: {typed(wanted)}")


def calibrate(
    pictures: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER|TAKE", help="Pictures of a board, one folder or video per camera; or a take."),
    ] = None,
    square: Annotated[
        float | None, typer.Option(min=1, metavar="MM", help="Side of a square, as measured on the print.")
    ] = None,
    by: By = "auto",
    camera: Annotated[int | None, typer.Option(min=0, help="Take the pictures now, with this webcam.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="FILE|URL|lavfi:GRAPH", help="The same from a video or stream.")
    ] = None,
    board: BoardName = "9x6",
    marker: Marker = None,
    intrinsics: Annotated[Path | None, typer.Option(metavar="FILE", help="Lenses that are known already.")] = None,
    tape: Annotated[float | None, typer.Option(min=0.01, metavar="METRES", help="Between the lenses.")] = None,
    height: Annotated[
        float | None, typer.Option(min=0.5, max=2.5, metavar="METRES", help="The person's, without shoes.")
    ] = None,
    floor: Floor = None,
    view: View = "window",
    mirror: Annotated[bool, typer.Option("--mirror", help="Show the picture mirrored; nothing else changes.")] = False,
    weights: Weights = "auto",
    engine: Engine = "auto",
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where rig.toml and report go: out/calibration, or the take."),
    ] = None,
    json_file: Json = None,
) -> None:
    """Lenses and places of cameras from a board, or places from a person, and how far to trust them."""
    if sum(given is not None for given in (pictures, camera, source)) != 1:
        raise typer.BadParameter("give a FOLDER of pictures, a TAKE, --camera N or --source, one of them")
    if by == "people" or (
        by == "auto" and square is None and pictures is not None and (pictures / "take.toml").is_file()
    ):
        if pictures is None:
            raise typer.BadParameter("--from people takes a TAKE; record one")
        _from_people(pictures, out, intrinsics, tape, height, weights, engine, json_file)
        return
    if square is None:
        raise typer.BadParameter("a board needs --square, the side of a square in millimetres, as measured")
    if height is not None:
        raise typer.BadParameter("--height is a person's: it goes with --from people")
    from calib.board import parse_board
    from realtime.calibration import calibrate as run_calibration

    wanted, out = parse_board(board, square_mm=square, marker_mm=marker), out or Path("out/calibration")
    place = pictures or _take_pictures(wanted, out, camera, source, window=view == "window", mirror=mirror)
    with progress_bar("pictures") as step:
        done = run_calibration(place, wanted, out, intrinsics=intrinsics, tape_m=tape, floor=floor, step=step)
    print("\n".join(done.lines()))
    for path in done.written:
        print(f"wrote {path}")
    write_json(json_file, done.summary())


def _from_people(
    take: Path,
    out: Path | None,
    intrinsics: Path | None,
    tape_m: float | None,
    height_m: float | None,
    weights: str,
    engine: str,
    json_file: Path | None,
) -> None:
    from calib.people_scale import Cues
    from engine.backends import open_engine
    from realtime.people_calibration import calibrate_from_people

    cues = Cues(tape_m, height_m)
    with progress_bar("frames") as step, open_engine(engine, weights) as opened:
        done = calibrate_from_people(take, opened, out=out, intrinsics=intrinsics, cues=cues, step=step)
    print("\n".join(done.lines()))
    for path in done.written:
        print(f"wrote {path}")
    write_json(json_file, done.summary())


def _take_pictures(
    board: Board, out: Path, camera: int | None, source: str | None, *, window: bool, mirror: bool
) -> Path:
    """A folder of pictures that were taken now."""
    from realtime.live_board import collect, new_place
    from realtime.sources import open_source

    with closing(open_source(camera=camera, video=source)) as opened:
        print(f"{opened.name}: {opened.size_px[0]}x{opened.size_px[1]}; {HOW}", flush=True)
        name = "camera" if camera is None else f"camera{camera}"
        say = partial(print, flush=True)  # heard at once, also through a pipe
        with progress_bar("pictures") as step:
            taken = collect(
                opened,
                board,
                new_place(out),
                name=name,
                window=window,
                mirror=mirror,
                say=say,
                step=step,
            )
    if taken.window_failure:
        print(f"{taken.window_failure}; it went on without", file=sys.stderr)
    print(f"{taken.says}; they lie in {taken.place}")
    taken.refuse_few()
    return taken.place
