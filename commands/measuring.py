"""What this machine can do: `bench` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.options import Engine, Json, Weights, progress_bar, write_json


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="A minute instead of several.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where report and plot go.")] = Path("out/bench"),
    weights: Weights = "auto",
    engine: Engine = "auto",
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hold this run against the --json of another.")
    ] = None,
    json_file: Json = None,
) -> None:
    """How fast it is here: engines, the whole chain, the age of a frame when its pose is there."""
    from realtime.bench.compare import comparison, different_machines, read_report
    from realtime.bench.report import markdown_table
    from realtime.bench.run import FULL, QUICK
    from realtime.bench.run import bench as run_bench

    before = None if compare is None else read_report(compare)
    with progress_bar("bench") as step:
        report = run_bench(weights, engine=engine, effort=QUICK if quick else FULL, step=step)
    print(report.as_markdown())
    for path in report.write(out):
        print(f"wrote {path}")
    now = report.as_json()
    if before is not None:
        print(
            "\n".join([*different_machines(before, now), markdown_table(f"Against {compare}", comparison(before, now))])
        )
    write_json(json_file, now)


def doctor(json_file: Json = None) -> None:
    """What is installed, which processors and cameras there are, what to do next."""
    from realtime.doctor import advice, examine

    findings = examine()
    for finding in findings:
        mark = {"ok": "ok  ", "note": "note", "missing": "MISS"}[finding.state]
        print(f"{mark}  {finding.what:<14} {finding.says}")
    print(f"\n{advice(findings)}")
    write_json(json_file, {"findings": [[f.what, f.state, f.says] for f in findings], "advice": advice(findings)})
    if any(f.state == "missing" for f in findings):
        raise typer.Exit(1)
