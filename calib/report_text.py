"""The report in plain text, 100 columns wide."""

from __future__ import annotations

import textwrap

import numpy as np

from calib.report import CameraReport, ReportData, pair_figures, volume_figures

MEANING = {"green": "use it", "yellow": "usable, with this in mind", "red": "do not use it"}


def text(report: ReportData) -> str:
    """Verdict first, then cameras, pairs, lengths and the volume."""
    light = report.verdict.light
    lines = [report.title, "=" * len(report.title), "", f"{light.upper()}: {MEANING[light]}"]
    reasons = sorted(report.verdict.reasons, key=lambda reason: list(MEANING).index(reason.light), reverse=True)
    lines += [line for reason in reasons for line in _wrapped(f"[{reason.light}] {reason.text}")]
    for camera in report.cameras:
        lines += ["", *_camera(camera)]
    if report.rig is not None:
        lines += ["", *_rig(report)]
    if report.notes:
        lines += ["", "Assumed", *(line for note in report.notes for line in _wrapped(note))]
    if report.made_at:
        lines += ["", report.made_at]
    return "\n".join(lines) + "\n"


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(" ".join(sentence.split()), 100, initial_indent="  ", subsequent_indent="    ")


def _camera(report: CameraReport) -> list[str]:
    camera, sigma = report.camera, report.sigma
    lines = [f"Camera {report.name}: {camera.width}x{camera.height}, {camera.model}, {report.word}"]
    for name, value in (
        ("fx_px", camera.K[0, 0]),
        ("fy_px", camera.K[1, 1]),
        ("cx_px", camera.K[0, 2]),
        ("cy_px", camera.K[1, 2]),
    ):
        spread = f" +- {sigma[name]:.2f}" if name in sigma else ""
        lines.append(f"  {name[:2]}  {value:10.2f}{spread} px")
    lines.append(f"  distortion  {'  '.join(f'{number:.5f}' for number in camera.dist)}")
    if report.rms_px is not None:
        lines.append(
            f"  RMS {report.rms_px:.3f} px over {len(report.used)} of {len(report.views)} views; "
            f"corners in {100 * (report.coverage or 0):.0f} % of the picture"
        )
        lines += [
            f"    {view.name:24} {view.rms_px:7.3f} px {'' if view.used else ' not used'}".rstrip()
            for view in report.views
        ]
    lines += [line for reason in report.verdict.texts() for line in _wrapped(reason)]
    return lines


def _rig(report: ReportData) -> list[str]:
    assert report.rig is not None
    lines = [
        f"Rig of {len(report.rig.cameras)} cameras" + ("" if report.metric else ", NOT METRIC: lengths are relative")
    ]
    for name, camera in report.rig.cameras.items():
        if camera.cam_from_world is not None:
            x, y, z = np.round(camera.center_world_m, 3) + 0.0  # no -0.000
            lines.append(f"  {name:16} stands at x {x:.3f}, y {y:.3f}, z {z:.3f} m")
    for pair in report.pairs:
        figures = pair_figures(report.rig, pair)
        baseline = f"{1000 * figures['baseline_m']:.1f}{_spread(figures['baseline_sigma_m'], 1000)} mm apart"
        turn = f"turned by {figures['rotation_deg']:.2f}{_spread(figures['rotation_sigma_deg'])} degrees"
        lines.append(f"  {pair.a} - {pair.b}: {baseline}, {turn}, RMS {pair.rms_px:.3f} px over {pair.views} views")
    for scale in report.scales:
        lines.append(
            f"  {scale.cue}: {1000 * scale.measured_m:.1f}{_spread(scale.sigma_m, 1000)} mm, should be "
            f"{1000 * scale.expected_m:.1f} mm ({100 * scale.difference:+.2f} %)"
        )
    figures = volume_figures(report)
    if figures and figures["mm_per_px_p50"] is not None:
        lines.append(
            f"  one pixel of noise becomes {figures['mm_per_px_p50']:.1f} mm (90 % in "
            f"{figures['mm_per_px_p05']:.1f} ... {figures['mm_per_px_p95']:.1f})"
        )
        lines.append(f"  two cameras see {100 * figures['seen_by_two']:.0f} % of the volume")
    return lines


def _spread(sigma: float | None, factor: float = 1.0) -> str:
    return "" if sigma is None else f" +- {factor * sigma:.2g}"
