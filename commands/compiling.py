"""Making the network ready for a machine, or for other programs: `compile` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.options import Device, Json, Weights, progress_bar, write_json


def compile(
    weights: Weights = "auto",
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "fp16", "bf16", "fp32", "int8", "fp8"], typer.Option(help="Number format.")
    ] = "auto",
    engine: Annotated[Literal["tensorrt", "rtx"], typer.Option(help="What they are built for.")] = "tensorrt",
    force: Annotated[bool, typer.Option("--force", help="Build anew what is there.")] = False,
    json_file: Json = None,
) -> None:
    """Build TensorRT engines for this card ahead of time; live runs then start with them."""
    from engine.weights import load_weights

    if engine == "rtx":
        from engine.backends import checked

        checked("rtx", device, precision)
        from engine.backends.rtx import compile_ahead as compile_for_rtx

        plan = compile_for_rtx(load_weights(weights), device=device, precision=precision, force=force)
        print(f"accepted; kept in {plan.folder}")
        write_json(json_file, {"folder": str(plan.folder)})
        return
    from engine.backends.tensorrt import compile_ahead

    with progress_bar("TensorRT") as step:
        plan = compile_ahead(load_weights(weights), device=device, precision=precision, force=force, say=step)
    about = plan.about()
    for batch, found in about["batches"].items():
        layers = ", ".join(f"{count} in {kind}" for kind, count in found["multiplying_layers"].items())
        print(
            f"{batch} crop{'s' * (batch != '1')}: built in {found['build_s']:.0f} s; layers {layers}; "
            f"median {found['median_voxels']:.3f} voxel from eager"
        )
    print(f"accepted; kept in {plan.folder}")
    write_json(json_file, {"folder": str(plan.folder), **about})


def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the ONNX file goes.")] = Path("out/pose.onnx"),
    weights: Weights = "auto",
    json_file: Json = None,
) -> None:
    """Write network and decode as ONNX, for other programs; checked against eager before it is kept."""
    from engine.backends import checked
    from engine.weights import load_weights

    loaded = load_weights(weights)
    checked("onnx", "cpu", "fp32")
    from engine.backends.onnx import export_checked

    found = export_checked(loaded, out)
    side, shape = loaded.architecture.input_px, f"joints (n, {len(loaded.skeleton)}, 7) and presence (n)"
    print(f"{loaded.name}: crops (n, {side}, {side}, 3) uint8 BGR in, {shape} out")
    print(f"ONNX Runtime agrees with eager: median {found.median_voxels:.5f} voxel, {100 * found.apart:.1f} % apart")
    print(f"wrote {out}")
    write_json(json_file, {"file": str(out), "median_voxels": found.median_voxels, "apart": found.apart})
