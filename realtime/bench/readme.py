"""The README's table of what was measured, from the JSON of a bench run, between two marks.

`python -m realtime.bench.readme` writes it anew after `python run.py bench --json docs/bench.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.marked import begin, remarked

ROOT = Path(__file__).resolve().parents[2]
README, MEASURED = ROOT / "README.md", ROOT / "docs" / "bench.json"
MAKER = "python -m realtime.bench.readme"
BEGIN = begin(MAKER)


def table(report: dict[str, Any]) -> str:
    """Engines with their times, and the age of a webcam's frame when its pose is there."""
    weights = report["weights"].split()[0]
    machine = report["machine"]
    card = "without a card" if machine["gpu"] == "none" else machine["gpu"]
    where = f"{machine['cores']} cores ({machine['cpu']}), {card}"
    lines = [
        f" Here on {where}, one person, `{weights}`:",
        "",
        "| engine | ms, median | ms, p95 | times as fast as eager fp32 (processor time) |",
        "| --- | --- | --- | --- |",
    ]
    for row in report["engines"]:
        if "refused" in row:
            continue
        ratio = report["ratios"].get(f"{row['engine']}_{row['precision']}_vs_eager", 1)
        lines.append(
            f"| {row['engine']} {row['precision']} | {row['p50_ms']:.1f} | {row['p95_ms']:.1f} | {round(ratio, 1):g} |"
        )
    if "card" in report:
        lines += ["", *_on_card(report["card"])]
    webcam = next(row for row in report["cameras"] if row["camera_fps"] == 30.0 and row["window"] == "none")
    lines += [
        "",
        f"From the picture of a 30 fps camera of 720 lines to the pose: median {webcam['age_p50_ms']:.0f} ms, p95 "
        f"{webcam['age_p95_ms']:.0f} ms, {100 * webcam['dropped_share']:.0f} % of the frames dropped, "
        f"{webcam['cores']:.2f} of a core. ",
    ]
    return "\n".join(lines)


def _on_card(card: dict[str, Any]) -> list[str]:
    """Stage by stage, and how near to what the card can do."""
    stages = [name.removesuffix("_ms") for name in card["stages"][0] if name.endswith("_ms") and name != "least_ms"]
    lines = [
        f"On the card, ms by its own clock (`cuda`; peaks {card['peak_tflops']:.0f} TFLOP/s, "
        f"{card['peak_gb_per_s']:.0f} GB/s, measured):",
        "",
        f"| people | {' | '.join(stages)} | share of the roofline |",
        f"| --- | {' | '.join('---' for _ in stages)} | --- |",
    ]
    for row in card["stages"]:
        times = " | ".join(f"{row[f'{stage}_ms']:.3f}" for stage in stages)
        lines.append(f"| {row['people']} | {times} | {100 * row['roofline_share']:.0f} % |")
    return lines


def renewed(text: str, report: dict[str, Any]) -> str:
    """A README with its table made anew. ValueError where the marks are missing."""
    return remarked(text, MAKER, [table(report)])


if __name__ == "__main__":
    report = json.loads(MEASURED.read_text(encoding="utf-8"))
    README.write_text(renewed(README.read_text(encoding="utf-8"), report), encoding="utf-8")
