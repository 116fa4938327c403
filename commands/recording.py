"""Recordings of several cameras: `record` and `take`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.options import Json, View, progress_bar, write_json

if TYPE_CHECKING:
    from realtime.recorder.recorder import Recorder

COUNTDOWN_S = 3.0  # time to let go of the keyboard; exposure settles meanwhile


def record(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The take.")],
    camera: Annotated[
        list[int] | None, typer.Option(min=0, metavar="N", help="A webcam's index; once per camera.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="FILE|URL|lavfi:GRAPH", help="In the place of a camera, in real time.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="How long; without it until Q or Ctrl-C.")
    ] = None,
    countdown: Annotated[
        float | None, typer.Option(min=0, max=600, metavar="SECONDS", help="Before it begins; 3 with cameras.")
    ] = None,
    store: Annotated[
        Literal["mjpeg", "h264"], typer.Option(help="As cameras send it, or less room for more computing.")
    ] = "mjpeg",
    height: Annotated[
        float | None, typer.Option(min=0.4, max=2.6, metavar="METRES", help="Body height of who is seen.")
    ] = None,
    notes: Annotated[str, typer.Option(metavar="TEXT", help="Kept with the take.")] = "",
    rig: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the cameras stand: kept with the take, and checked meanwhile."),
    ] = None,
    view: View = "window",
    force: Annotated[bool, typer.Option("--force", help="Replace a take that is there already.")] = False,
    json_file: Json = None,
) -> None:
    """Record synced cameras into a take: to calibrate, to make labels, to fine-tune."""
    if not camera and not source:
        raise typer.BadParameter("give --camera N or --source FILE, once per camera")
    from realtime.recorder.cameras import Wanted
    from realtime.recorder.recorder import Plan, Recorder

    wanted = [Wanted(camera=index) for index in camera or []] + [Wanted(source=text) for text in source or []]
    if countdown is None:
        countdown = COUNTDOWN_S if camera else 0.0
    plan = Plan(out, seconds, countdown, store, height, notes, force, rig)
    recorder = Recorder(wanted, plan, look_every_s=1 / 15 if view == "window" else 1.0)
    print("\n".join(recorder.introduction()), flush=True)
    _record(recorder, window=view == "window")
    _describe(out, json_file)
    step = "calibrate" if rig is None else "label"
    print(f"next: python run.py {step} {out}, or look at it: python run.py take {out}")


def _record(recorder: Recorder, *, window: bool) -> None:
    """Runs to the end; Ctrl-C and a closed window are normal ends."""
    from realtime.recorder.watching import watch
    from realtime.signals import once_on_signal

    try:
        with recorder, once_on_signal(recorder.end):
            failure = watch(recorder, window=window)
    finally:
        print("\n".join(recorder.summary()))
    if failure:
        print(f"{failure}; the recording went on without it", file=sys.stderr)


def take(
    what: Annotated[
        list[str], typer.Argument(metavar="TAKE | import VIDEO...", help="A take; or videos to make one of.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Of an import: the take.")] = None,
    height: Annotated[
        float | None, typer.Option(min=0.4, max=2.6, metavar="METRES", help="Of an import: who is seen.")
    ] = None,
    notes: Annotated[str, typer.Option(metavar="TEXT", help="Of an import: kept with the take.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Of an import: replace a take that is there already.")] = False,
    view: View = "window",
    quick: Annotated[bool, typer.Option("--quick", help="Check stamps, but do not decode every picture.")] = False,
    json_file: Json = None,
) -> None:
    """Check a take, mend what a crash left, describe it, play it side by side; or make one of videos."""
    first, *videos = what
    if first != "import":
        if videos or out is not None:
            raise typer.BadParameter("give one TAKE, or `take import VIDEO VIDEO --out TAKE`")
        sound = _describe(Path(first), json_file, decode=not quick)
        if view == "window":
            _play(Path(first))
        if not sound:
            raise typer.Exit(1)
        return
    if not videos or out is None:
        raise typer.BadParameter("`take import VIDEO VIDEO --out TAKE` needs videos and --out")
    from realtime.takes.importing import import_videos

    with progress_bar("videos", len(videos)) as step:
        paths = [Path(video) for video in videos]
        said = import_videos(paths, out, force=force, subject_height_m=height, notes=notes, step=step)
    print("\n".join(said))
    _describe(out, json_file, decode=False)


def _describe(folder: Path, json_file: Path | None, *, decode: bool = False) -> bool:
    """Prints what a take is; whether it is sound."""
    from realtime.takes import open_take
    from realtime.takes.examination import examine, lines

    opened = open_take(folder)
    if decode:
        with progress_bar("pictures") as step:
            findings = examine(opened, step=step)
    else:
        findings = examine(opened, decode=False)
    print("\n".join(lines(opened, findings)))
    write_json(json_file, {"take": str(folder), **findings.summary()})
    return not findings.problems


def _play(folder: Path) -> None:
    from realtime.takes import open_take
    from realtime.takes.playing import play
    from realtime.viewer.display import has_screen

    if has_screen():
        failure = play(open_take(folder))
        if failure:
            print(failure, file=sys.stderr)
