"""The report as one HTML page: no script, nothing loaded from anywhere, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.util import find_spec

import numpy as np

from calib.report import CameraReport, ReportData, pair_figures, volume_figures
from calib.report_text import MEANING
from calib.verdict import Verdict

NO_PLOTS = 'The plots need matplotlib: install the extra "train", then run this again.'
CSS = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #1c232b; --soft: #5b6673;
  --line: #c9d0d8;
  --green: #1f8a4c; --yellow: #b47700; --red: #c8323a; }
@media (prefers-color-scheme: dark) { :root { --page: #12161b; --card: #1b2128; --ink: #e4e9ee; --soft: #9aa6b2;
  --line: #46515d; --green: #46c07d; --yellow: #e9b33a; --red: #f0686e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; margin: 0 0 2px; } h2 { font-size: 19px; margin: 36px 0 10px; } h3 { font-size: 15px;
  margin: 18px 0 6px; }
.soft, .date { color: var(--soft); } .date { margin: 0 0 18px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px;
  margin: 12px 0; }
.verdict { display: flex; gap: 22px; align-items: flex-start; }
.light { display: flex; flex-direction: column; gap: 7px; padding: 9px; border-radius: 22px;
  background: #20262d; flex: none; }
.light i { width: 26px; height: 26px; border-radius: 50%; background: #414b56; display: block; }
.light i.on-red { background: #f0545b; } .light i.on-yellow { background: #f5bd2f; }
  .light i.on-green { background: #3ec97d; }
.verdict b { font-size: 20px; text-transform: capitalize; }
.green { color: var(--green); } .yellow { color: var(--yellow); } .red { color: var(--red); }
ul { list-style: none; margin: 8px 0 0; padding: 0; } li { margin: 3px 0; padding-left: 22px;
  text-indent: -22px; }
li i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 12px;
  background: currentColor; }
li span { color: var(--ink); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 4px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } th:first-child, td:first-child { text-align: left;
  padding-left: 0; }
tr:last-child td { border-bottom: 0; } .scroll { overflow-x: auto; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin-top: 14px; align-items: start; }
.plots .wide { grid-column: 1 / -1; } .plots svg { width: 100%; height: auto; display: block;
  max-height: 560px; }
.plots .wide { overflow-x: auto; } .plots .wide svg { min-width: 560px; }
@media (max-width: 720px) { .plots { grid-template-columns: 1fr; } }
@media print { body { background: none; } .card { break-inside: avoid; } }
"""


def page(report: ReportData) -> str:
    """The whole page; without matplotlib it has no plots and says so."""
    plots = find_spec("matplotlib") is not None
    parts = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="date">{escape(report.made_at or "")}</p>',
        _verdict(report.verdict),
    ]
    if not plots:
        parts.append(f'<p class="card soft">{NO_PLOTS}</p>')
    if report.rig is not None:
        parts += _rig(report, plots)
    for camera in report.cameras:
        parts += _camera(camera, plots)
    if report.notes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
        parts.append(f'<h2>What was assumed</h2><div class="card"><ul>{notes}</ul></div>')
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{CSS}</style>"
    )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def _verdict(verdict: Verdict) -> str:
    lamps = "".join(
        f'<i class="{f"on-{light}" if light == verdict.light else ""}"></i>' for light in ("red", "yellow", "green")
    )
    return (
        f'<section class="card verdict"><div class="light" role="img" aria-label="{verdict.light}">{lamps}</div><div>'
        f'<b class="{verdict.light}">{verdict.light}</b> <span class="soft">{MEANING[verdict.light]}</span>'
        f"{_reasons(verdict)}</div></section>"
    )


def _reasons(verdict: Verdict) -> str:
    """All of them, worst first, each with its own light and its word for those who see no colours."""
    order = ("red", "yellow", "green")
    reasons = sorted(verdict.reasons, key=lambda reason: order.index(reason.light))
    rows = (
        f'<li class="{r.light}" title="{r.light}"><i></i><span>{escape(" ".join(r.text.split()))}</span></li>'
        for r in reasons
    )
    return f"<ul>{''.join(rows)}</ul>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'


def _rig(report: ReportData, plots: bool) -> list[str]:
    assert report.rig is not None
    unit = "m" if report.metric else "not metric"
    places = [
        (name, *(f"{number:.3f}" for number in np.round(camera.center_world_m, 3) + 0.0))
        for name, camera in report.rig.cameras.items()
        if camera.cam_from_world is not None
    ]
    parts = ["<h2>Rig</h2>", '<div class="card">']
    if places:
        parts.append(_table(("camera stands at", f"x, {unit}", f"y, {unit}", f"z, {unit}"), places))
    if report.pairs:
        parts += ["<h3>Pairs</h3>", _pairs(report)]
    if report.scales:
        parts += ["<h3>Lengths</h3>", _scales(report)]
    if plots and places:
        from calib import report_plots

        figures = volume_figures(report) or {}
        seen = _volume_sentence(figures, report.small_unit) if figures.get("mm_per_px_p50") is not None else ""
        drawn = report_plots.volume_map(report)
        volume = f'<div class="wide">{drawn}{seen}</div>' if drawn else ""
        parts.append(f'<div class="plots"><div class="wide">{report_plots.positions(report)}</div>{volume}</div>')
    return [*parts, "</div>"]


def _volume_sentence(figures: dict, unit: str) -> str:
    return (
        f'<p class="soft">One pixel of noise becomes {figures["mm_per_px_p50"]:.1f} {unit} (90 % in '
        f"{figures['mm_per_px_p05']:.1f} ... {figures['mm_per_px_p95']:.1f}); "
        f"two cameras see {100 * figures['seen_by_two']:.0f} % of the volume.</p>"
    )


def _pairs(report: ReportData) -> str:
    assert report.rig is not None
    rows = []
    for pair in report.pairs:
        figures = pair_figures(report.rig, pair)
        baseline = _with_sigma(1000 * figures["baseline_m"], figures["baseline_sigma_m"], 1, 1000)
        turn = _with_sigma(figures["rotation_deg"], figures["rotation_sigma_deg"], 2)
        rows.append((f"{pair.a} – {pair.b}", baseline, turn, f"{pair.rms_px:.3f}", str(pair.views)))
    return _table(("pair", f"baseline, {report.small_unit}", "turned by, degrees", "RMS, px", "views"), rows)


def _scales(report: ReportData) -> str:
    rows = (
        (
            scale.cue,
            f"{1000 * scale.expected_m:.1f}",
            _with_sigma(1000 * scale.measured_m, scale.sigma_m, 1, 1000),
            f"{100 * scale.difference:+.2f} %",
        )
        for scale in report.scales
    )
    return _table(("cue", "should be, mm", "measured, mm", "difference"), rows)


def _with_sigma(value: float, sigma: float | None, digits: int, factor: float = 1.0) -> str:
    """Value and standard deviation with as many decimals as the latter needs, four at most."""
    if sigma is None or not np.isfinite(sigma):
        return f"{value:.{digits}f}"
    spread = factor * sigma
    if 0 < spread < 1:
        digits = min(4, max(digits, int(np.ceil(-np.log10(spread)))))
    return f"{value:.{digits}f} ± {spread:.{digits}f}"


def _camera(report: CameraReport, plots: bool) -> list[str]:
    camera, sigma = report.camera, report.sigma
    width, height = report.size_px
    about = f"{width} x {height} px, {camera.model}, {camera.fov_deg:.0f}° along the longer side"
    if report.rms_px is not None:
        about += f", RMS {report.rms_px:.3f} px over {len(report.used)} of {len(report.views)} views"
        about += f", corners in {100 * (report.coverage or 0):.0f} % of the picture"
    values = (
        ("fx_px", camera.K[0, 0]),
        ("fy_px", camera.K[1, 1]),
        ("cx_px", camera.K[0, 2]),
        ("cy_px", camera.K[1, 2]),
    )
    lens = [_with_sigma(float(value), sigma.get(name), 2) for name, value in values]
    dist = ", ".join(f"{number:.5f}" for number in camera.dist)
    parts = [
        f"<h2>Camera {escape(report.name)}</h2>",
        f'<div class="card"><p class="soft" style="margin:0 0 8px"><b class="{report.light}">'
        f"{report.word}</b> · {about}</p>",
        _reasons(report.verdict) if report.verdict.reasons else "",
        _table(("", "fx, px", "fy, px", "cx, px", "cy, px"), [("lens", *lens)]),
        f'<p class="soft">distortion: {dist}</p>',
    ]
    if plots and report.used:
        from calib import report_plots

        pictures = (report_plots.coverage(report), report_plots.residual_field(report))
        drawn = "".join(f"<div>{picture}</div>" for picture in pictures)
        parts.append(f'<div class="plots">{drawn}<div class="wide">{report_plots.per_view(report)}</div></div>')
    return [*parts, "</div>"]
