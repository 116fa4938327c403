"""Synthetic people: `synth` renders pictures to train on and to judge by, or films takes with the truth beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.options import Folders, progress_bar

if TYPE_CHECKING:
    from train.synthetic.sources import SourceFolders
    from train.synthetic.stage import TakeOptions

Pictures = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Render pictures: shards and a contact sheet; resumed if it exists."),
]
Pack = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Carry the sources in one file, for --sources elsewhere.")
]
Packed = Annotated[Path | None, typer.Option(metavar="FILE", help="All sources from a file that --pack made.")]
Part = Annotated[
    Literal["all", "train", "test"], typer.Option(help="Which part of the sources and bodies; test: to judge by.")
]
Angle = Annotated[
    float | None,
    typer.Option(min=5, max=180, metavar="DEG", help="Between cameras; random: 60 to 100."),
]
Visit = Annotated[
    int, typer.Option(min=0, help="Later takes of the seed's person and rig, with other clothes and motion.")
]
PhotosBehind = Annotated[bool, typer.Option("--photos-behind", help="A photo per camera instead of one room.")]


def synth(
    out: Pictures = None,
    take: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Film a take, its truth beside it.")] = None,
    pack: Pack = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures.")] = 0,
    visit: Visit = 0,
    photos: Folders = None,
    textures: Folders = None,
    coco: Annotated[Path | None, typer.Option(metavar="FOLDER", help="COCO: backgrounds, things in front.")] = None,
    mocap: Annotated[Path | None, typer.Option(metavar="FILE", help="npz of clips (frames, 17, 3).")] = None,
    sources: Packed = None,
    split: Part = "all",
    count: Annotated[int, typer.Option(min=1, help="How many people.")] = 512,
    empty: Annotated[bool, typer.Option("--empty", help="Clothes that hang and things, but nobody.")] = False,
    size: Annotated[int, typer.Option(min=48, max=1024, metavar="PIXELS", help="Side of the pictures.")] = 160,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default as many as free cores.")] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the people are drawn.")] = "cpu",
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long.")] = 30.0,
    cameras: Annotated[int, typer.Option(min=1, max=9, help="How many.")] = 2,
    resolution: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Of the videos.")] = "1280x720",
    angle: Angle = None,
    offset_ms: Annotated[float | None, typer.Option(metavar="MS", help="Of the clocks; random: up to 50.")] = None,
    drift_ppm: Annotated[float | None, typer.Option(metavar="PPM", help="Of the clocks; random: up to 60.")] = None,
    drops: Annotated[float, typer.Option(min=0, max=0.4, metavar="SHARE", help="Of frames that are missing.")] = 0.005,
    jitter_ms: Annotated[float, typer.Option(min=0, max=30, metavar="MS", help="Deviation of the stamps.")] = 1.0,
    noise: Annotated[float, typer.Option(min=0, max=50, metavar="LEVELS", help="Deviation of the pixels.")] = 2.0,
    distortion: Annotated[bool, typer.Option(help="Of the lenses.")] = True,
    photos_behind: PhotosBehind = False,
    codec: Annotated[Literal["h264", "mjpeg"], typer.Option(help="Of the videos.")] = "h264",
    force: Annotated[bool, typer.Option("--force", help="Replace a take.")] = False,
) -> None:
    """Render people with exact 3D labels, or film a take of one; without sources everything is made up."""
    from train.datasets.pack import install_packed_body
    from train.synthetic.sources import SourceFolders
    from train.synthetic.stage import TakeOptions

    if sum(place is not None for place in (out, take, pack)) != 1:
        raise typer.BadParameter("give --out FOLDER for pictures, or --take FOLDER for a take, or --pack FILE")
    folders = SourceFolders(tuple(photos or ()), tuple(textures or ()), coco, mocap, split, sources)
    if sources is not None:
        install_packed_body(sources)
    if pack is not None:
        _packed(pack, folders)
        return
    if out is not None:
        _pictures(out, folders, count=count, seed=seed, size_px=size, workers=workers, device=device, empty=empty)
        return
    assert take is not None
    options = TakeOptions(
        cameras, _size_px(resolution), 30.0, angle, offset_ms, drift_ppm, drops, jitter_ms, distortion, noise
    )
    if photos_behind and not photos and coco is None and sources is None:
        raise typer.BadParameter("--photos-behind needs pictures: give --photos FOLDER or --coco FOLDER")
    looks = {"photos_behind": photos_behind, "codec": codec, "force": force}
    _take(take, folders, options, seed=seed, visit=visit, seconds=seconds, **looks)


def _packed(path: Path, sources: SourceFolders) -> None:
    from train.datasets.pack import write_pack

    packed = write_pack(path, [], size_px=0, sources=sources.read())
    print(f"wrote {path}, {packed.size_mb:.1f} MB; there: python run.py synth --out FOLDER --sources {path.name}")


def _pictures(
    out: Path,
    sources: SourceFolders,
    *,
    count: int,
    seed: int,
    size_px: int,
    workers: int | None,
    device: Literal["cpu", "cuda"],
    empty: bool,
) -> None:
    from train.plots import people_sheet
    from train.synthetic.shards import free_cores, write_shards

    workers = workers or free_cores()
    with progress_bar("people", count) as step:
        for done in write_shards(
            out, count, seed=seed, size_px=size_px, sources=sources, workers=workers, device=device, empty=empty
        ):
            step(done, count)
    print(f"wrote {people_sheet(out)} (look at it); train: python run.py pretrain DATASET... {out} --out runs/NAME")


def _take(
    folder: Path,
    sources: SourceFolders,
    options: TakeOptions,
    *,
    seed: int,
    visit: int,
    seconds: float,
    photos_behind: bool,
    codec: Literal["h264", "mjpeg"],
    force: bool,
) -> None:
    from train.synthetic.take import render_take

    with progress_bar("frames") as step:
        truth = render_take(
            folder,
            seed=seed,
            visit=visit,
            seconds=seconds,
            options=options,
            sources=sources.read(),
            photos_behind=photos_behind,
            codec=codec,
            force=force,
            progress=step,
        )
    names = list(truth.cameras)
    apart = f", {truth.rig.baseline_m(*names[:2]):.2f} m apart" if len(names) > 1 else ""
    print(f"wrote {folder}: {len(names)} cameras{apart}, a person of {truth.height_m:.2f} m; its truth is truth.npz")


def _size_px(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if found is None:
        raise typer.BadParameter(f"--resolution is WIDTHxHEIGHT, as 1280x720, not {text}")
    width, height = int(found[1]), int(found[2])
    if width % 2 or height % 2 or min(width, height) < 64:
        raise typer.BadParameter(f"--resolution has to be even and at least 64x64, as 1280x720, not {text}")
    return width, height
