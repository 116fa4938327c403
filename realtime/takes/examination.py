"""What a take holds and whether it is sound: every picture decoded, every stamp compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realtime.takes.take import Take, TakeCamera, period_s
from realtime.takes.video import packets, pictures

Progress = Callable[[int, int | None, str], None]
STAMP_TOLERANCE_US = 1


@dataclass(frozen=True, slots=True)
class CameraFindings:
    """One camera. `problems` are sentences, empty where it is sound."""

    name: str
    source: str
    device: str
    size_px: tuple[int, int]
    frames: int
    decoded: int | None  # None: not looked at
    duration_s: float
    rate_hz: float | None
    dropped: int
    segments: int
    scatter_ms: float  # of the stamps around the steady cadence
    regular: bool  # they keep one
    clock: str
    obtained: str
    asked: str
    size_bytes: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All of a take."""

    cameras: tuple[CameraFindings, ...]
    common_s: float  # recorded by all cameras
    pairs: dict[str, int]  # frames that belong together, of cam0 with each other camera
    phase_ms: dict[str, float]  # how much later the other camera's frames are, in the median
    problems: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def examine(take: Take, *, decode: bool = True, step: Progress | None = None) -> Findings:
    """Looks at everything. With `decode` at every picture, which takes about a third of the take's duration."""
    total = sum(len(camera.table) for camera in take.cameras.values())
    found: list[CameraFindings] = []
    done = 0
    for camera in take.cameras.values():
        decoded = None
        if decode:
            decoded = 0
            for decoded, _ in enumerate(_pictures(camera), start=1):
                if step is not None:
                    step(done + decoded, total, camera.name)
        done += len(camera.table)
        found.append(_camera(camera, decoded))
    problems = tuple(f"{c.name}: {problem}" for c in found for problem in c.problems)
    if any(c.frames == 0 for c in found):
        return Findings(tuple(found), 0.0, {}, {}, problems)
    first, *others = take.cameras
    pairs = {name: take.pairs(first, name) for name in others}
    phase_ms = {name: _phase_ms(take, first, name) for name in others if len(pairs[name])}
    begin_s, end_s = take.common_s if all(len(p) for p in pairs.values()) else (0.0, 0.0)
    return Findings(tuple(found), end_s - begin_s, {n: len(p) for n, p in pairs.items()}, phase_ms, problems)


def lines(take: Take, findings: Findings) -> Iterator[str]:
    """For a terminal."""
    about = take.about
    yield from take.repairs
    height = f", person of {about.subject_height_m:g} m" if about.subject_height_m else ""
    cameras = "1 camera" if len(findings.cameras) == 1 else f"{len(findings.cameras)} cameras"
    yield f"{take.folder}: {cameras}, {findings.common_s:.1f} s in common{height}"
    if about.notes:
        yield f"notes: {about.notes}"
    for c in findings.cameras:
        rate = f"{c.rate_hz:.2f} a second" if c.rate_hz else "no rate"
        name = f"{c.source} ({c.device})" if c.device else c.source
        yield f"{c.name}: {name}, {c.size_px[0]}x{c.size_px[1]}, {c.frames} frames in {c.duration_s:.1f} s, {rate}"
        asked = f", asked {c.asked}" if c.asked and c.asked != c.obtained else ""
        cadence = f"scatter {c.scatter_ms:.2f} ms" if c.regular else "without an even cadence"
        yield f"      {c.obtained}{asked}; stamped by {c.clock}, {cadence}"
        segments = f", {c.segments} segments" if c.segments > 1 else ""
        yield f"      {c.dropped} frames dropped{segments}, {c.size_bytes / 1e6:.1f} MB"
    for name, count in findings.pairs.items():
        phase = f", {findings.phase_ms[name]:+.1f} ms apart in the middle" if name in findings.phase_ms else ""
        yield f"cam0 and {name}: {count} frames belong together{phase}"
    yield _sync_line(take)
    yield "lenses and places: " + ("rig.toml" if take.rig is not None else "not calibrated yet")
    yield from findings.problems


def _sync_line(take: Take) -> str:
    if take.sync is not None:
        return f"synced by {take.sync.method}"
    if len(take.cameras) == 1:
        return "one camera: nothing to sync"
    return "synced by the stamps alone" if take.about.clock.shared else "not synced: each video has a clock of its own"


def _pictures(camera: TakeCamera) -> Iterator[Any]:
    jpegs = camera.about.codec == "mjpeg"
    return pictures(camera.path, jpegs=jpegs, from_us=0) if len(camera.table) else iter(())


def _camera(camera: TakeCamera, decoded: int | None) -> CameraFindings:
    time_s, about, table = camera.time_s, camera.about, camera.table
    cadence = camera.cadence
    step_s = period_s(time_s)
    return CameraFindings(
        name=camera.name,
        source=about.source,
        device=about.device,
        size_px=camera.size_px,
        frames=len(table),
        decoded=decoded,
        duration_s=float(time_s[-1] - time_s[0]) if len(table) else 0.0,
        rate_hz=1 / step_s if step_s else None,
        dropped=camera.dropped,
        segments=len(np.unique(table.segment)) if len(table) else 0,
        scatter_ms=cadence.scatter_s * 1e3,
        regular=cadence.regular,
        clock={"driver": "its driver", "host": "arrival", "file": "the file", "exact": "truth"}[about.clock],
        obtained=about.obtained,
        asked=about.asked,
        size_bytes=camera.path.stat().st_size if camera.path.exists() else 0,
        problems=tuple(_problems(camera, decoded)),
    )


def _problems(camera: TakeCamera, decoded: int | None) -> Iterator[str]:
    count = len(camera.table)
    if not count:
        yield "has no frame; record again"
        return
    stamps = np.sort([p.since_first_us for p in packets(camera.path)])
    if len(stamps) != count:
        yield f"the table has {count} rows, the video {len(stamps)} pictures; copy the take again"
    else:
        apart_us = np.abs(stamps - (camera.table.time_us - camera.table.time_us[0])).max()
        if apart_us > STAMP_TOLERANCE_US:
            yield f"stamps of table and video lie up to {apart_us / 1e3:.3g} ms apart"
    if decoded is not None and decoded < count:
        yield f"{count - decoded} of {count} pictures are damaged"


def _phase_ms(take: Take, a: str, b: str) -> float:
    pairs = take.pairs(a, b)
    apart_s = take.cameras[b].take_time_s[pairs[:, 1]] - take.cameras[a].take_time_s[pairs[:, 0]]
    return float(np.median(apart_s)) * 1e3
