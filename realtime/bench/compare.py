"""Two bench runs against each other: what became faster, and what slower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.errors import UserError
from realtime.bench.report import SCHEMA

# below this, two runs on a machine that does other things as well are the same
NOISE = 0.1


def read_report(path: Path) -> dict[str, Any]:
    """The JSON of a bench run. UserError where it is none, or is newer than this program."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        schema = report["schema"]
        if not isinstance(report["ratios"], dict):
            raise TypeError("no ratios")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no report of `python run.py bench --json FILE` ({error})") from error
    if schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this program reads up to {SCHEMA}; update it")
    return report


def comparison(before: dict[str, Any], now: dict[str, Any]) -> list[dict[str, object]]:
    """A row for each time of an engine and each ratio that both runs have: before, now, now over before, and a word.

    Times are fit to be compared on the same machine at rest; ratios also on a busy one.
    """
    rows = []
    for engine, (old, new) in _common(_times(before), _times(now)):
        rows.append(_row(f"{engine}, ms", old, new, better="less"))
    for name, (old, new) in _common(before["ratios"], now["ratios"]):
        rows.append(_row(name, old, new, better="less" if "age" in name else "more"))
    return rows


def different_machines(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not the same about the two machines, for people."""
    old, new = before["machine"], now["machine"]
    return [f"{key}: {old[key]} before, {new[key]} now" for key in old if key in new and old[key] != new[key]]


def _times(report: dict[str, Any]) -> dict[str, float]:
    return {f"{row['engine']} {row['precision']}": row["p50_ms"] for row in report["engines"] if "p50_ms" in row}


def _common(before: dict[str, float], now: dict[str, float]) -> list[tuple[str, tuple[float, float]]]:
    return [(name, (before[name], now[name])) for name in before if name in now]


def _row(what: str, old: float, new: float, *, better: str) -> dict[str, object]:
    share = new / old if old else float("nan")
    word = "same"
    if abs(share - 1) > NOISE:
        word = "better" if (share < 1) == (better == "less") else "worse"
    return {"what": what, "before": old, "now": new, "now_over_before": round(share, 3), "verdict": word}
