"""The command line: parses, wires, prints. `python run.py --help`."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from realtime.session import Session

DEFAULT = "live"
DEMO_CLIP = Path(__file__).parent / "assets" / "demo.mp4"
INTERRUPTED = 130


class LiveByDefault(TyperGroup):
    """`python run.py --camera 0` is `python run.py live --camera 0`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Puts the default command in front where none is named."""
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=LiveByDefault,
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Real-time 3D human pose from one ordinary camera.\n\n"
    "Without a command the live view runs: `python run.py --camera 0`, `python run.py --video FILE`; "
    "its options: `python run.py live --help`.",
    epilog="Everywhere: --verbose says more, --debug shows tracebacks.",
)

Weights = Annotated[str, typer.Option(metavar="auto|lite|full|FILE", help="The network's weights.")]
Engine = Annotated[Literal["auto", "cuda", "openvino", "onnx", "eager"], typer.Option(help="What runs the network.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where the engine runs.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8"], typer.Option(help="Number format of the network.")
]
View = Annotated[Literal["window", "none"], typer.Option(help="A window, or none.")]
Save = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Write results: .jsonl, .csv, .npz or .mp4; may be given several times."),
]
Folders = Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="Pictures; may be given several times.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the summary there.")]


@app.command(name=DEFAULT)
def live(
    camera: Annotated[int | None, typer.Option(min=0, help="Index of a webcam; 0 where nothing else is given.")] = None,
    video: Annotated[
        str | None, typer.Option(metavar="FILE|URL|FOLDER|lavfi:GRAPH", help="Video, stream, pictures.")
    ] = None,
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    people: Annotated[int, typer.Option(min=1, max=4, help="How many people to follow.")] = 1,
    view: View = "window",
    save: Save = None,
    fov: Annotated[
        float, typer.Option(min=5, max=150, metavar="DEG", help="What the longer picture side spans.")
    ] = 60.0,
    intrinsics: Annotated[
        str | None, typer.Option(metavar="FILE[:CAMERA]", help="A calibrated lens, instead of --fov.")
    ] = None,
    height: Annotated[float, typer.Option(min=0.4, max=2.6, metavar="METRES", help="Body height of the people.")] = 1.7,
    mirror: Annotated[bool, typer.Option("--mirror", help="Show the picture mirrored; nothing else changes.")] = False,
    rotate: Annotated[int | None, typer.Option(metavar="0|90|180|270", help="Turn pictures clockwise.")] = None,
    no_smooth: Annotated[bool, typer.Option("--no-smooth", help="Every frame as the network says it.")] = False,
    no_track: Annotated[bool, typer.Option("--no-track", help="Search every frame anew: unrelated photos.")] = False,
    throughput: Annotated[
        bool, typer.Option("--throughput", help="Two frames under way: more per second, each a frame later.")
    ] = False,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
) -> None:
    """Follow people in a camera's or a video's pictures, in 3D (the default command)."""
    if camera is not None and video is not None:
        raise typer.BadParameter("give --camera or --video, not both")
    if rotate not in (None, 0, 90, 180, 270):
        raise typer.BadParameter(f"--rotate takes 0, 90, 180 or 270, not {rotate}")
    if video is None and camera is None:
        camera = 0
    from realtime.signals import leaving_at_once

    with leaving_at_once("stopped"):
        from realtime.lens import read_lens
        from realtime.session import Settings, open_session

        settings = Settings(
            people=people,
            smooth=not no_smooth,
            track=not no_track,
            fov_deg=fov,
            camera=None if intrinsics is None else read_lens(intrinsics),
            height_m=height,
            mirror=mirror,
            max_frames=max_frames,
            throughput=throughput,
        )
        session = open_session(
            settings,
            camera=camera,
            video=video,
            rotate_deg=rotate,
            saves=save or [],
            window=view == "window",
            engine=engine,
            weights=weights,
            device=device,
            precision=precision,
        )
    _watch(session)
    for path in save or []:
        print(f"wrote {path}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the results go.")] = Path("out"),
    view: View = "window",
    weights: Weights = "auto",
    engine: Engine = "auto",
) -> None:
    """The same on a bundled clip: needs no camera and no screen."""
    from realtime.signals import leaving_at_once

    out.mkdir(parents=True, exist_ok=True)
    saves = [out / "demo.mp4", out / "demo.jsonl"]
    clip, window = str(DEMO_CLIP), view == "window"
    with leaving_at_once("stopped"):
        from realtime.session import Settings, open_session

        session = open_session(Settings(), video=clip, saves=saves, window=window, engine=engine, weights=weights)
    _watch(session)
    print(f"wrote {saves[0]} (look at it) and {saves[1]} (joints in metres, one line per frame)")
    print("next: python run.py --camera 0, or python run.py --video FILE")


@app.command()
def pretrain(
    datasets: Annotated[list[Path], typer.Argument(metavar="DATASET...", help="Folders; see docs/datasets.md.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The run's folder; one that exists is resumed.")],
    weights: Annotated[str, typer.Option(metavar="lite|full", help="Which network.")] = "lite",
    preset: Annotated[str, typer.Option(help="Recipe: default.")] = "default",
    hours: Annotated[float, typer.Option(min=0.001, help="How long to train, all sittings together.")] = 8.0,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    warm_start: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights to begin with.")] = None,
    imagenet: Annotated[Path | None, typer.Option(metavar="FILE", help="A torchvision ResNet checkpoint.")] = None,
    json_file: Json = None,
) -> None:
    """Train on photos with labels and on synthetic people; docs/datasets.md says what is known."""
    from engine.model import ARCHITECTURES
    from train.pretrain import PRESETS, recipe_for
    from train.pretrain import pretrain as run_pretrain

    if weights not in ARCHITECTURES:
        raise typer.BadParameter(f"--weights is one of {', '.join(ARCHITECTURES)}, not {weights}")
    if preset not in PRESETS:
        raise typer.BadParameter(f"--preset is one of {', '.join(PRESETS)}, not {preset}")
    recipe = recipe_for(preset, ARCHITECTURES[weights].input_px, hours=hours, seed=seed)
    done = run_pretrain(datasets, out, name=weights, recipe=recipe, warm_start=warm_start, imagenet=imagenet)
    print(f"{done.images_seen} crops in {done.hours:.2f} h; {done.figures}")
    print(f"wrote {done.weights}; try it: python run.py --weights {done.weights} --video FILE")
    _write_json(
        json_file, {"weights": str(done.weights), "images": done.images_seen, "hours": done.hours, **done.figures}
    )


@app.command()
def synth(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where shards and contact sheet go; resumed if it exists.")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many people, rounded up to whole shards.")] = 512,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
    photos: Folders = None,
    textures: Folders = None,
    coco: Annotated[Path | None, typer.Option(metavar="FOLDER", help="COCO: backgrounds, things in front.")] = None,
    mocap: Annotated[Path | None, typer.Option(metavar="FILE", help="npz of clips (frames, 17, 3).")] = None,
) -> None:
    """Render synthetic people with exact 3D labels; without sources everything is made up."""
    from train.plots import people_sheet
    from train.synthetic.shards import write_shards
    from train.synthetic.sources import read_sources

    sources = read_sources(photos=photos or [], textures=textures or [], coco=coco, mocap=mocap)
    with _progress("people", count) as step:
        for done in write_shards(out, count, seed=seed, sources=sources):
            step(done, count)
    print(f"wrote {people_sheet(out)} (look at it); train: python run.py pretrain DATASET... {out} --out runs/NAME")


@app.command()
def evaluate(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A folder of labelled photos or videos.")],
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    json_file: Json = None,
) -> None:
    """PCK on labelled photos, or on videos with OpenPose joints."""
    from engine.backends import open_engine
    from train.evaluate import evaluate as run_evaluate
    from train.evaluate import table

    with open_engine(engine, weights, device=device, precision=precision) as opened:
        print(f"{opened.description}, weights {opened.weights_name} {opened.weights_sha256[:12]}")
        with _progress("judging") as step:
            figures = run_evaluate(dataset, opened, progress=step)
        print(table(figures))
        summary = {f.name: f.summary() for f in figures}
        _write_json(json_file, {"weights_sha256": opened.weights_sha256, "figures": summary})


@app.command()
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


@app.command()
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
    with _progress("pictures") as step:
        done = run_calibration(pictures, wanted, out, intrinsics=intrinsics, tape_m=tape, step=step)
    print("\n".join(done.lines()))
    for path in done.written:
        print(f"wrote {path}")
    _write_json(json_file, done.summary())


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where report and plot go.")] = Path("out/bench"),
    weights: Weights = "auto",
    engine: Engine = "auto",
    json_file: Json = None,
) -> None:
    """How fast it is here: engines, the whole chain, the age of a frame when its pose is there."""
    from realtime.bench.run import FULL, QUICK
    from realtime.bench.run import bench as run_bench

    with _progress("bench") as step:
        report = run_bench(weights, engine=engine, effort=QUICK if quick else FULL, step=step)
    print(report.as_markdown())
    for path in report.write(out):
        print(f"wrote {path}")
    _write_json(json_file, report.as_json())


@app.command()
def doctor(json_file: Json = None) -> None:
    """What is installed, which processors and cameras there are, what to do next."""
    from realtime.doctor import advice, examine

    findings = examine()
    for finding in findings:
        mark = {"ok": "ok  ", "note": "note", "missing": "MISS"}[finding.state]
        print(f"{mark}  {finding.what:<14} {finding.says}")
    print(f"\n{advice(findings)}")
    _write_json(json_file, {"findings": [[f.what, f.state, f.says] for f in findings], "advice": advice(findings)})
    if any(f.state == "missing" for f in findings):
        raise typer.Exit(1)


def _watch(session: Session) -> None:
    """Runs to the end; Ctrl-C is a normal end of a live run."""
    from realtime.session import describe

    print("\n".join(session.introduction()), flush=True)
    try:
        with session, _progress("frames", session.frame_count) as step:
            for result in session.results():
                step(session.tally.frames, session.frame_count, describe(result))
    except KeyboardInterrupt:  # a second Ctrl-C: something hung
        print("stopped")
    finally:
        if session.interrupted:
            print("stopped")
        print("\n".join(session.summary()))
        if session.window_failure:
            print(f"{session.window_failure}; the run went on without it", file=sys.stderr)


def _progress(what: str, total: int | None = None):
    from realtime.progress import progress

    return progress(what, total)


def _write_json(path: Path | None, record: dict[str, object]) -> None:
    import json

    if path is not None:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path}")


def main(arguments: list[str]) -> int:
    """Runs a command; the exit status. 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    debug, verbose = "--debug" in arguments, "--verbose" in arguments
    arguments = [a for a in arguments if a not in ("--debug", "--verbose")]
    logging.basicConfig(level=logging.INFO if verbose or debug else logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service that is stopped closes its files as well
    try:
        status = typer.main.get_command(app)(arguments, prog_name="python run.py", standalone_mode=False)
    except typer.TyperException as error:
        print(f"usage: {error.format_message()} `python run.py --help` lists what there is", file=sys.stderr)
        return error.exit_code
    except Exception as error:  # the last place that can turn a fault into one line
        if debug:
            raise
        return _failed(error)
    if status == INTERRUPTED:  # typer's own word for Ctrl-C
        print("interrupted", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _failed(error: Exception) -> int:
    """One line on stderr; what nobody foresaw says how to see more."""
    from calib.errors import UserError as CalibError
    from engine.errors import UserError, library_advice

    text = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError):
        text = f"{error.name} is not installed; `pip install -e .` (training: `pip install -e '.[train]'`)"
    elif isinstance(error, ImportError) and (advice := library_advice(error)):
        text = advice
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif not isinstance(error, (UserError, CalibError)):
        text = f"{type(error).__name__}: {text} (this should not happen; `--debug` shows where)"
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
