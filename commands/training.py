"""Weights: `pretrain`, `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.options import Backbone, Device, Engine, Json, Precision, Weights, progress_bar, write_json

if TYPE_CHECKING:
    from train.synthetic.sources import SourceFolders


def pretrain(
    datasets: Annotated[list[Path], typer.Argument(metavar="DATASET...", help="Folders; see docs/datasets.md.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The run's folder; one that exists is resumed.")
    ] = None,
    weights: Annotated[str, typer.Option(metavar="lite|full", help="Which network.")] = "lite",
    preset: Annotated[
        str,
        typer.Option(
            help="Recipe: default; continue (with --warm-start); standing (without an end); small (for comparisons); "
            "paper or paper-supervised (docs/reproduce.md)."
        ),
    ] = "default",
    hours: Annotated[float, typer.Option(min=0.001, help="How long to train, all sittings together.")] = 8.0,
    crops: Annotated[
        int | None, typer.Option(min=1, help="Instead of --hours: as many crops, the same on every machine.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the paper's presets, instead of --hours; 130 if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    processes: Annotated[
        int, typer.Option(min=1, help="Train in so many processes that share each batch: on two cores two of them.")
    ] = 1,
    warm_start: Annotated[str | None, typer.Option(metavar="lite|FILE", help="Weights to begin with.")] = None,
    backbone: Backbone = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="cbam|wasp|lateral|occlusion", help="Leave a part out, for an ablation.")
    ] = None,
    render: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Render new people while training, from sources that --pack carried."),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Carry the data sets in one file, itself a DATASET."),
    ] = None,
    shards: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|URL", help="Carry them as tar shards, also s3://...; itself a DATASET."),
    ] = None,
    json_file: Json = None,
) -> None:
    """Train on photos with labels and on synthetic people; docs/datasets.md says what is known."""
    from engine.model import ARCHITECTURES
    from train.paper.stages import SUPERVISION
    from train.pretrain import PARTS, PRESETS, recipe_for
    from train.pretrain import pretrain as run_pretrain
    from train.ranks import is_first, run_in_processes

    if weights not in ARCHITECTURES:
        raise typer.BadParameter(f"--weights is one of {', '.join(ARCHITECTURES)}, not {weights}")
    if preset not in (known := [*PRESETS, *SUPERVISION]):
        raise typer.BadParameter(f"--preset is one of {', '.join(known)}, not {preset}")
    if epochs is not None and preset not in SUPERVISION:
        raise typer.BadParameter(f"--epochs goes with --preset {' or '.join(SUPERVISION)}; others are told --hours")
    if crops is not None and preset in SUPERVISION:
        raise typer.BadParameter(f"--crops does not go with --preset {preset}, which counts --epochs")
    left_out = without or []
    if unknown := set(left_out) - set(PARTS):
        raise typer.BadParameter(f"--without takes {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    if pack is not None:
        _pack(datasets, pack, size_px=ARCHITECTURES[weights].input_px)
        return
    if shards is not None:
        _shard(datasets, shards)
        return
    if out is None:
        raise typer.BadParameter("give --out FOLDER for the run, or --pack FILE to carry the data elsewhere")
    if processes > 1 and (status := run_in_processes(processes)) is not None:
        raise typer.Exit(status)
    if preset in SUPERVISION:
        _as_the_paper(datasets, out, weights, preset, epochs, seed, left_out, backbone)
        return
    recipe = recipe_for(preset, ARCHITECTURES[weights].input_px, hours=hours, crops=crops, seed=seed, without=left_out)
    starts = {"preset": preset, "warm_start": warm_start, "backbone": backbone}
    people = None if render is None else _sources(render)
    done = run_pretrain(datasets, out, name=weights, recipe=recipe, without=left_out, people=people, **starts)
    if not is_first():
        return
    waited = f"{done.data_wait:.0%} of the time waiting for them"
    print(f"{done.images_seen} crops in {done.hours:.2f} h, {waited}; {done.figures}")
    print(f"wrote {done.weights}; try it: python run.py --weights {done.weights} --video FILE")
    summary = {"weights": str(done.weights), "images": done.images_seen, "hours": done.hours}
    write_json(json_file, {**summary, "data_wait_share": done.data_wait, **done.figures})


def _as_the_paper(
    datasets: list[Path],
    out: Path,
    name: str,
    preset: str,
    epochs: int | None,
    seed: int,
    left_out: list[str],
    backbone: str | None,
) -> None:
    from train.paper.stages import EPOCHS, Variant, data_in, train_by_preset
    from train.ranks import is_first

    parts = {part: part not in left_out for part in ("cbam", "wasp", "occlusion")}
    data = data_in(datasets, backbone)
    path = train_by_preset(data, out, preset=preset, variant=Variant(name, **parts), epochs=epochs or EPOCHS, seed=seed)
    if is_first():
        print(f"wrote {path}; judge it: python run.py evaluate {data.human36m} --weights {path}")


def _sources(path: Path) -> SourceFolders:
    from train.datasets.pack import install_packed_body
    from train.synthetic.sources import SourceFolders

    install_packed_body(path)
    return SourceFolders(split="train", pack=path)


def _shard(datasets: list[Path], url: str) -> None:
    from train.datasets.found import find_datasets
    from train.datasets.pack import PackedSet
    from train.datasets.tars import write_tars

    found = find_datasets(datasets)
    with progress_bar("writing shards") as step:
        sets = [PackedSet(f"{i} {f.folder.name}", f.kind, list(f.samples)) for i, f in enumerate(found)]
        tars = write_tars(url, sets, step=step)
    print(f"wrote {tars} tars to {url}; train: python run.py pretrain {url} --out runs/NAME")


def _pack(datasets: list[Path], path: Path, *, size_px: int) -> None:
    from train.datasets.found import find_datasets
    from train.datasets.pack import PackedSet, write_pack

    found = find_datasets(datasets)
    with progress_bar("packing") as step:
        packed = write_pack(
            path,
            [PackedSet(f"{i} {f.folder.name}", f.kind, list(f.samples)) for i, f in enumerate(found)],
            size_px=size_px,
            progress=step,
        )
    for name, (count, of) in packed.taken.items():
        print(f"{name}: {count} of {of}")
    print(f"wrote {path}, {packed.size_mb:.1f} MB; there: python run.py pretrain {path.name} --out runs/NAME")


def evaluate(
    datasets: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATASET|TAKE...", help="Labelled photos, videos, renderings, takes; COCO for presence."
        ),
    ],
    weights: Weights = "auto",
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    json_file: Json = None,
) -> None:
    """PCK, 3D errors, scores and presence on data with labels; of labelled takes MPJPE, before and after."""
    takes = [folder for folder in datasets if (folder / "take.toml").is_file()]
    if takes:
        from commands.teaching import judge_takes

        if len(takes) < len(datasets):
            raise typer.BadParameter("takes are judged by themselves: give only takes, or none")
        judge_takes(takes, weights, engine, device, precision, json_file)
        return
    from engine.backends import open_engine
    from train.evaluate import evaluate as run_evaluate
    from train.figures import table

    with open_engine(engine, weights, device=device, precision=precision) as opened:
        print(f"{opened.description}, weights {opened.weights_name} {opened.weights_sha256[:12]}")
        with progress_bar("judging") as step:
            figures = run_evaluate(datasets, opened, progress=step)
        print(table(figures))
        summary = {f.name: f.summary() for f in figures}
        write_json(json_file, {"weights_sha256": opened.weights_sha256, "figures": summary})
