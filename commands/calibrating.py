"""Boards and calibration: `board` and `calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.options import Json, progress_bar, write_json


def board(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The PDF.")] = Path("board.pdf"),
    board: Annotated[str, typer.Option(metavar="9x6|charuco:7x5", help="Inner corners, or squares.")] = "9x6",
    square: Annotated[float | None, typer.Option(min=1, metavar="MM", help="Side; the largest that fits.")] = None,
    marker: Annotated[float | None, typer.Option(min=1, metavar="MM", help="ChArUco: side of a marker.")] = None,
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
        Path, typer.Argument(metavar="FOLDER", help="Pictures of a board; one folder or video per camera.")
    ],
    square: Annotated[float, typer.Option(min=1, metavar="MM", help="Side of a square, as measured on the print.")],
    board: Annotated[str, typer.Option(metavar="9x6|charuco:7x5", help="Inner corners, or squares.")] = "9x6",
    marker: Annotated[float | None, typer.Option(min=1, metavar="MM", help="ChArUco: side of a marker.")] = None,
    intrinsics: Annotated[Path | None, typer.Option(metavar="FILE", help="Lenses that are known already.")] = None,
    tape: Annotated[float | None, typer.Option(min=0.01, metavar="METRES", help="Between the lenses.")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where rig.toml and report go.")] = Path(
        "out/calibration"
    ),
    json_file: Json = None,
) -> None:
    """Lenses and places of cameras from pictures of a board, with a report that says how far to trust them."""
    from calib.board import parse_board
    from realtime.calibration import calibrate as run_calibration

    wanted = parse_board(board, square_mm=square, marker_mm=marker)
    with progress_bar("pictures") as step:
        done = run_calibration(pictures, wanted, out, intrinsics=intrinsics, tape_m=tape, step=step)
    print("\n".join(done.lines()))
    for path in done.written:
        print(f"wrote {path}")
    write_json(json_file, done.summary())
