"""Following people: `live` and `demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.options import Device, Engine, Precision, Save, View, Weights, progress_bar

if TYPE_CHECKING:
    from realtime.session import Session


DEMO_CLIP = Path(__file__).parents[1] / "assets" / "demo.mp4"

Video = Annotated[str | None, typer.Option(metavar="FILE|URL|FOLDER|lavfi:GRAPH", help="Video, stream, pictures.")]
Record = Annotated[
    Path | None, typer.Option(metavar="TAKE", help="Keep the camera's pictures too; --video TAKE replays them.")
]
Fov = Annotated[float, typer.Option(min=5, max=150, metavar="DEG", help="What the longer picture side spans.")]
Intrinsics = Annotated[str | None, typer.Option(metavar="FILE[:CAMERA]", help="A calibrated lens, instead of --fov.")]
Throughput = Annotated[
    bool, typer.Option("--throughput", help="Two frames under way: more per second, each a frame later.")
]
Decoding = Annotated[Literal["cpu", "cuda"], typer.Option(help="What decodes a video: cuda, an NVIDIA card's NVDEC.")]


def live(
    camera: Annotated[int | None, typer.Option(min=0, help="Index of a webcam; 0 where nothing else is given.")] = None,
    video: Video = None,
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    people: Annotated[int, typer.Option(min=1, max=4, help="How many people to follow.")] = 1,
    view: View = "window",
    save: Save = None,
    record: Record = None,
    fov: Fov = 60.0,
    intrinsics: Intrinsics = None,
    height: Annotated[float, typer.Option(min=0.4, max=2.6, metavar="METRES", help="Body height of the people.")] = 1.7,
    mirror: Annotated[bool, typer.Option("--mirror", help="Show the picture mirrored; nothing else changes.")] = False,
    rotate: Annotated[int | None, typer.Option(metavar="0|90|180|270", help="Turn pictures clockwise.")] = None,
    no_smooth: Annotated[bool, typer.Option("--no-smooth", help="Every frame as the network says it.")] = False,
    no_track: Annotated[bool, typer.Option("--no-track", help="Search every frame anew: unrelated photos.")] = False,
    throughput: Throughput = False,
    decoder: Decoding = "cpu",
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
        from realtime.lens import read_lens, weights_for
        from realtime.session import Settings, open_session

        lens = None if intrinsics is None else read_lens(intrinsics)
        settings = Settings(
            people=people,
            smooth=not no_smooth,
            track=not no_track,
            fov_deg=fov,
            camera=lens,
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
            decoder=decoder,
            saves=save or [],
            record=record,
            window=view == "window",
            engine=engine,
            weights=weights_for(weights, lens),
            device=device,
            precision=precision,
        )
    _watch(session)
    for path in save or []:
        print(f"wrote {path}")


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


def _watch(session: Session) -> None:
    """Runs to the end; Ctrl-C is a normal end of a live run."""
    from realtime.session import describe

    print("\n".join(session.introduction()), flush=True)
    try:
        with session, progress_bar("frames", session.frame_count) as step:
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
