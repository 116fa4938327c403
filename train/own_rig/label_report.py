"""What labelling a take gave, for people and programs: labels.txt, labels.json, labels.html with pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path

from calib.formats.source import write_whole
from train.own_rig.label_pictures import label_pictures
from train.own_rig.labelling import Labelled

MEANING = {"green": "use them", "yellow": "usable, with this in mind", "red": "not used"}
CSS = """
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px;
  margin: 0 auto; padding: 24px; } img { max-width: 100%; border-radius: 6px; margin: 4px 0; }
table { border-collapse: collapse; } td, th { padding: 2px 14px 2px 0; text-align: right; font-weight: 400; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 1px solid gray; }
.green { color: #1f8a4c; } .yellow { color: #b47700; } .red { color: #c8323a; }
"""


def write_label_report(done: Labelled, *, teacher: str) -> list[Path]:
    """The three files, into the take's folder."""
    folder = done.take.folder
    paths = [folder / "labels.txt", folder / "labels.json", folder / "labels.html"]
    write_whole(paths[0], "\n".join(lines(done, teacher=teacher)) + "\n")
    write_whole(paths[1], json.dumps(summary(done, teacher=teacher), indent=2) + "\n")
    write_whole(paths[2], _page(done, teacher=teacher))
    return paths


def summary(done: Labelled, *, teacher: str) -> dict[str, object]:
    """For `--json`."""
    placed = done.placed
    return {
        "schema": 1,
        "take": str(done.take.folder),
        "teacher": teacher,
        "verdict": placed.verdict.light,
        "reasons": placed.verdict.texts(),
        "made_from": placed.made_from,
        "metric": placed.metric,
        "skeleton": None if done.labels is None else done.labels.skeleton.name,
        "clock_offset_ms": round(1000 * placed.clock.offset_s, 2),
        "clock_sigma_ms": placed.clock_sigma_ms,
        **({} if done.quality is None else asdict(done.quality)),
    }


def lines(done: Labelled, *, teacher: str) -> list[str]:
    """For a terminal."""
    placed, quality = done.placed, done.quality
    light = placed.verdict.light
    said = [f"{light.upper()}: labels of {done.take.folder} by {teacher}: {MEANING[light]}"]
    said += [f"- {text}" for text in placed.verdict.texts()]
    sigma = "" if placed.clock_sigma_ms is None else f" (+- {placed.clock_sigma_ms:.1f})"
    said.append(f"rig from {placed.made_from}; {placed.names[1]} is {1000 * placed.clock.offset_s:+.1f} ms{sigma} off")
    if quality is None:
        return said
    for name, count in quality.frames.items():
        said.append(f"{name}: {count} of {quality.frames_total[name]} frames labelled")
    share = ", ".join(f"{name} {100 * part:.0f} %" for name, part in quality.flagged.items() if part >= 0.005)
    said.append(f"kept {100 * quality.kept_share:.0f} % of the joints" + (f"; flagged: {share}" if share else ""))
    scale = "" if placed.metric else ", metres approximate"
    said.append(f"the person is {quality.height_m:.2f} m high by the labels{scale}")
    said.append(
        f"estimated label noise {quality.noise_mm:.0f} mm per joint, for {quality.sigma_px:.1f} px of the teacher; "
        "what the teacher puts in the wrong place in every frame is not in it"
    )
    return said


def _page(done: Labelled, *, teacher: str) -> str:
    first, *rest = lines(done, teacher=teacher)
    light = done.placed.verdict.light
    body = [f"<h1>Labels of {escape(done.take.folder.name)}</h1><p class={light}>{escape(first)}</p>"]
    body.append("<ul>" + "".join(f"<li>{escape(line.removeprefix('- '))}</li>" for line in rest) + "</ul>")
    if done.quality is not None:
        body.append(_joint_table(done.quality.residual_px, done.quality.noise_mm_per_joint))
        body.append(_bone_table(done.quality.bone_spread))
    body.append(
        "<h2>Both views</h2><p>Lines: the labels, seen by each camera. Rings: where the teacher saw the joints.</p>"
    )
    body += [
        f'<img alt="both views with labels" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
        for jpeg in label_pictures(done)
    ]
    title = escape(f"Labels of {done.take.folder.name}")
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{CSS}</style>{''.join(body)}"


def _joint_table(residual_px: Mapping[str, Mapping[str, float | None]], noise_mm: Mapping[str, float | None]) -> str:
    head = "".join(f"<th>{escape(name)}, px</th>" for name in residual_px)
    rows = ""
    for joint in noise_mm:
        cells = [_cell(view[joint]) for view in residual_px.values()]
        rows += f"<tr><td>{joint}</td>{''.join(cells)}{_cell(noise_mm[joint])}</tr>"
    said = "<h2>Joints</h2><p>Label against teacher (median), and the label's noise.</p>"
    return f"{said}<table><tr><th>joint</th>{head}<th>noise, mm</th></tr>{rows}</table>"


def _bone_table(spread: Mapping[str, float | None]) -> str:
    rows = "".join(
        f"<tr><td>{bone}</td>{_cell(None if part is None else 100 * part)}</tr>" for bone, part in spread.items()
    )
    said = "<h2>Bones</h2><p>How much a length varies, as triangulated.</p>"
    return f"{said}<table><tr><th>bone</th><th>%</th></tr>{rows}</table>"


def _cell(value: float | None) -> str:
    return f"<td>{'-' if value is None else f'{value:.1f}'}</td>"
