"""Options that several commands share, and how they report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

Weights = Annotated[str, typer.Option(metavar="auto|lite|full|FILE", help="The network's weights.")]
Engine = Annotated[
    Literal["auto", "tensorrt", "rtx", "cuda", "openvino", "onnx", "eager"], typer.Option(help="What runs the network.")
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where the engine runs.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8", "fp8"], typer.Option(help="Number format of the network.")
]
View = Annotated[Literal["window", "none"], typer.Option(help="A window, or none.")]
Save = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Write results: .jsonl, .csv, .npz or .mp4; may be given several times."),
]
Folders = Annotated[list[Path] | None, typer.Option(metavar="FOLDER", help="Pictures; may be given several times.")]
BoardName = Annotated[str, typer.Option(metavar="9x6|charuco:7x5", help="Inner corners, or squares.")]
Marker = Annotated[float | None, typer.Option(min=1, metavar="MM", help="ChArUco: side of a marker.")]
Backbone = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|FOLDER|open-nsfw",
        help="Begin with a pretrained backbone: torchvision's ResNet checkpoints (.pth), or the package of `lite`'s.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.tflite",
        help="With --teacher mediapipe: its network alone, read by OpenVINO; no package is needed.",
    ),
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the summary there.")]


def progress_bar(what: str, total: int | None = None):
    """A bar on a terminal, nothing elsewhere; what it gives is called with (done, total, text)."""
    from realtime.progress import progress

    return progress(what, total)


def write_json(path: Path | None, record: dict[str, object]) -> None:
    """The summary that `--json` asks for."""
    if path is not None:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {path}")
