"""The figures of a study as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from train.sweep import Record

Rows = Sequence[Sequence[str]]


def markdown(records: Mapping[str, Record]) -> str:
    """Tables of `train.own_rig.study`: each seed, means and spread, and labels by arm."""
    seeds: dict[str, Any] = {name: record for name, record in records.items() if name.startswith("seed ")}
    done = {name: record for name, record in seeds.items() if "taught" in record}
    settings = records["settings"]
    lines = [
        f"From {settings['weights']} {str(settings['sha256'])[:12]}; takes of {settings['seconds']:g} s, "
        f"{settings['crops']} crops; errors are MPJPE in mm against the truth, one camera.",
        "",
        *_table(HEAD, [_row(name, record) for name, record in done.items()]),
    ]
    lines += [f"- {name}: refused: {record['refused']}" for name, record in seeds.items() if "refused" in record]
    if done:
        lines += ["", *_means(list(done.values())), "", *_arms(list(done.values())), "", *_rigs(done)]
    return "\n".join(lines) + "\n"


HEAD = (
    "take", "baseline", "labels' error", "before", "taught", "change", "ceiling", "share of the way",
    "N-MPJPE", "forgotten", "kept", "gate", "second take", "change",
)  # fmt: skip

RIG = ("turn", "direction")


def _row(name: str, record: Any) -> list[str]:
    before, after, top = _ends(record)
    (was,), (now,) = (record["taught"][when].values() for when in ("before", "after"))
    second = record["second"]
    return [
        name,
        f"{record['baseline_m']:.2f} m",
        f"{was[1]['label_noise_mm']:.1f}",
        f"{before:.1f}",
        f"{after:.1f}",
        f"{_percent(before, after)}",
        f"{top:.1f}",
        f"{100 * _way(record):.0f} %",
        f"{was[1]['n_mpjpe_mm']:.1f} -> {now[1]['n_mpjpe_mm']:.1f}",
        f"{_percent(record['taught']['regression_mm']['before'], record['taught']['regression_mm']['after'])}",
        f"{100 * record['taught']['share_of_new'][-1]:.0f} %",
        record["taught"]["verdict"],
        f"{second['before']['mpjpe_mm']:.1f} -> {second['taught']['mpjpe_mm']:.1f}",
        f"{_percent(second['before']['mpjpe_mm'], second['taught']['mpjpe_mm'])}",
    ]


def _ends(record: Any) -> tuple[float, float, float]:
    """Before, taught, and taught with the truth: MPJPE on the held-out part."""
    ends = [(record["taught"], "before"), (record["taught"], "after"), (record["ceiling"], "after")]
    found = []
    for run, when in ends:
        (figures,) = run[when].values()
        found.append(float(figures[1]["mpjpe_mm"]))
    return found[0], found[1], found[2]


def _way(record: Any) -> float:
    before, after, top = _ends(record)
    return (before - after) / (before - top) if before > top else float("nan")


def _percent(before: float, after: float) -> str:
    return f"{100 * (after / before - 1):+.1f} %"


def _means(done: Sequence[Any]) -> list[str]:
    ends = np.array([_ends(record) for record in done])
    second = np.array([[record["second"][when]["mpjpe_mm"] for when in ("before", "taught")] for record in done])
    changes = {
        "held-out part": ends[:, 1] / ends[:, 0] - 1,
        "held-out part, taught with the truth": ends[:, 2] / ends[:, 0] - 1,
        "second take": second[:, 1] / second[:, 0] - 1,
    }
    rows = [
        [what, f"{100 * c.mean():+.1f} %", f"{100 * c.std(ddof=1):.1f} %" if len(c) > 1 else "-"]
        for what, c in changes.items()
    ]
    return _table(("change of the error", f"mean of {len(done)}", "standard deviation"), rows)


def _arms(done: Sequence[Any]) -> list[str]:
    names = [arm["name"] for arm in done[0]["arms"]]
    rows = []
    for i, name in enumerate(names):
        arms = [record["arms"][i] for record in done]
        share, n, p = (np.nanmean([arm[key] for arm in arms]) for key in ("share", "n_mpjpe_mm", "p_mpjpe_mm"))
        rows.append([name, f"{100 * share:.0f} %", f"{n:.1f}", f"{p:.1f}"])
    return _table(("labels by", "joints", "N-MPJPE", "P-MPJPE"), rows)


def _rigs(done: Mapping[str, Any]) -> list[str]:
    """What the person's rigs are off by, beside what they say of themselves."""
    rows = []
    for name, rig in ((name, record["rig"]) for name, record in done.items() if "rig" in record):
        said = ["not said" if (sigma := rig[f"{what}_sigma_deg"]) is None else f"{sigma:.2f}" for what in RIG]
        rows.append([name, *(f"{rig[f'{what}_deg']:.2f}" for what in RIG), *said])
    return _table(("rig, degrees", *(f"{what} off by" for what in RIG), *(f"{what}'s sigma" for what in RIG)), rows)


def _table(head: Sequence[str], rows: Rows) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
