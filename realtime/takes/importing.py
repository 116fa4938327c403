"""A take from videos that exist already: of phones, action cameras, data sets.

Packets are copied as they are, so nothing is lost and an hour takes seconds; only what an MP4 cannot hold, or has no
sane stamps, is encoded anew. A rotation tag is kept as the turn of the pictures, a variable rate as exact stamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer

from realtime.sinks.fragment_file import TIME_BASE
from realtime.sources.container import Container
from realtime.sources.video import open_video
from realtime.takes.about import About, CameraAbout, ClockMapping, write_about
from realtime.takes.errors import TakeError
from realtime.takes.lock import Lock
from realtime.takes.table import Flag, Row, TableWriter
from realtime.takes.writer import CameraWriter, make_room, table_path, video_path

COPYABLE = ("h264", "hevc", "av1", "mpeg4", "mjpeg", "vp9")
MODEL_KEYS = ("com.apple.quicktime.model", "com.android.model", "model")
Progress = Callable[[int, int | None, str], None]


@dataclass(frozen=True, slots=True)
class _Probe:
    """What a video is."""

    path: Path
    size_px: tuple[int, int]  # as stored
    rotate_deg: int
    rate: Fraction | None
    codec: str
    device: str
    rows: list[Row] | None  # in the order of presentation; None: it has to be encoded anew


def import_videos(
    videos: Sequence[Path],
    folder: Path,
    *,
    force: bool = False,
    subject_height_m: float | None = None,
    notes: str = "",
    step: Progress | None = None,
) -> list[str]:
    """Makes a take; what was done, a line per camera. Each video's time counts from its own start.

    TakeError or SourceError where a video cannot be read or the take not be written.
    """
    probes = [_probe(path) for path in videos]
    make_room(folder, force=force)
    cameras = {f"cam{k}": _about(probe) for k, probe in enumerate(probes)}
    # files rarely share a clock: whoever needs one finds it in the pictures
    about = About(cameras, "import", ClockMapping(shared=False), subject_height_m, notes)
    said = []
    try:
        with Lock(folder):
            write_about(folder, about)
            for done, (name, probe) in enumerate(zip(cameras, probes, strict=True)):
                if step is not None:
                    step(done, len(probes), probe.path.name)
                said.append(_taken_in(folder, name, cameras[name], probe))
            write_about(folder, About(cameras, "import", about.clock, subject_height_m, notes, complete=True))
    except (av.error.FFmpegError, OSError) as error:
        raise TakeError(f"{folder} cannot be written ({error.strerror}); make room, or choose another place") from error
    return said


def _probe(path: Path) -> _Probe:
    if not path.is_file():
        raise TakeError(f"no such file: {path}; give the videos of the take")
    probe = Container(str(path))
    first, rotate_deg, rate = probe.first, probe.rotate_deg, probe.rate
    probe.close()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        metadata = {**container.metadata, **stream.metadata}
        rows = _rows(container, stream) if codec in COPYABLE else None
    device = next((metadata[key] for key in MODEL_KEYS if key in metadata), "")
    return _Probe(path, (first.width, first.height), rotate_deg, rate, codec, device, rows)


def _rows(container: InputContainer, stream: av.VideoStream) -> list[Row] | None:
    """Rows of all packets; None where stamps are missing or repeat, or where an edit hides packets."""
    time_base, start_us = stream.time_base or TIME_BASE, container.start_time or 0
    found: list[tuple[int, int, bool]] = []
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.dts is None or packet.is_discard or packet.is_corrupt:
            return None
        found.append((round(packet.pts * time_base / TIME_BASE) - start_us, packet.size, packet.is_keyframe))
    found.sort()
    if not found or bool((np.diff([us for us, _, _ in found]) <= 0).any()):
        return None
    return [Row(us, size_bytes=size, flags=Flag.KEY if key else Flag(0)) for us, size, key in found]


def _about(probe: _Probe) -> CameraAbout:
    turned = probe.rows is None  # pictures that are encoded anew are turned first
    width, height = probe.size_px[::-1] if turned and probe.rotate_deg in (90, 270) else probe.size_px
    return CameraAbout(
        source=probe.path.name,
        width=width,
        height=height,
        codec="h264" if turned else "copied",
        clock="file",
        rate=probe.rate,
        device=probe.device,
        obtained=f"{probe.size_px[0]}x{probe.size_px[1]} {probe.codec}",
        rotate_deg=0 if turned else probe.rotate_deg,
    )


def _taken_in(folder: Path, name: str, about: CameraAbout, probe: _Probe) -> str:
    count = _encode(folder, name, about, probe) if probe.rows is None else _copy(folder, name, probe)
    how = "encoded anew" if probe.rows is None else "copied"
    turn = f", turned by {probe.rotate_deg} degrees" if probe.rotate_deg else ""
    return f"{name}: {probe.path.name}, {count} frames {how}{turn}"


def _copy(folder: Path, name: str, probe: _Probe) -> int:
    assert probe.rows is not None
    with av.open(str(probe.path)) as source, av.open(str(video_path(folder, name)), "w", format="mp4") as target:
        old = source.streams.video[0]
        new = target.add_stream_from_template(old)
        new.time_base = TIME_BASE
        scale = (old.time_base or TIME_BASE) / TIME_BASE
        first = min(p.pts for p in _packets(source, old) if p.pts is not None)
        source.seek(0)
        for packet in _packets(source, old):
            packet.pts, packet.dts = (round(((stamp or 0) - first) * scale) for stamp in (packet.pts, packet.dts))
            packet.time_base, packet.stream = TIME_BASE, new
            target.mux(packet)
    table = TableWriter(table_path(folder, name))
    for row in probe.rows:
        table.append(row)
    table.close()
    return len(probe.rows)


def _packets(container: InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    return (packet for packet in container.demux(stream) if packet.size)


def _encode(folder: Path, name: str, about: CameraAbout, probe: _Probe) -> int:
    source, camera = open_video(str(probe.path)), CameraWriter(folder, name, about)
    try:
        for frame in source.frames():
            camera.write_image(frame.image_bgr, Row(round(frame.time_s * 1e6)))
    finally:
        source.close()
        camera.close()
    return camera.count
