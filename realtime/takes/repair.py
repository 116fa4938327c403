"""What a crash left of a take, made whole: table and video hold the same frames, and every player takes the video."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from calib.formats.source import write_whole
from realtime.sinks.fragment_file import TIME_BASE
from realtime.takes.about import About, write_about
from realtime.takes.errors import TakeError
from realtime.takes.lock import Lock
from realtime.takes.table import UNKNOWN, Flag, FrameTable, read_table, table_text
from realtime.takes.video import Packet, opened, packets, pictures
from realtime.takes.writer import table_path, video_path


@dataclass(frozen=True, slots=True)
class _Whole:
    """What of a camera's video can be used."""

    since_first_us: Int64[ndarray, "n"]
    size_bytes: Int64[ndarray, "n"]
    key: Int64[ndarray, "n"]


def repair(folder: Path, about: About) -> list[str]:
    """Mends what was not completed; says what, a line each. TakeError while it is still being recorded."""
    if any(camera.codec == "copied" for camera in about.cameras.values()):
        raise TakeError(f"{folder}: the import was broken off; import the videos again, with --force")
    said: list[str] = []
    try:
        with Lock(folder):
            for name, camera in about.cameras.items():
                said += _repair_camera(folder, name, jpegs=camera.codec == "mjpeg")
            write_about(folder, replace(about, complete=True))
    except OSError as error:
        advice = "make room" if error.errno == errno.ENOSPC else "copy it to where you may write"
        raise TakeError(f"{folder} was broken off and cannot be mended ({error.strerror}); {advice}") from error
    return said


def _repair_camera(folder: Path, name: str, *, jpegs: bool) -> list[str]:
    video, path = video_path(folder, name), table_path(folder, name)
    table, torn = read_table(path)
    whole = _whole_frames(video, table, jpegs=jpegs)
    kept = min(len(table), len(whole.size_bytes))
    lost_rows, new_rows = len(table) - kept + torn, len(whole.size_bytes) - kept
    mended = _extended(table.rows(slice(0, kept)), whole)
    _rewrite(video, len(mended))
    write_whole(path, table_text(mended))
    said = [f"{name}: the recording was broken off; {_count(len(mended), 'frame is', 'frames are')} whole"]
    if lost_rows:
        said.append(f"{name}: {_count(lost_rows, 'row', 'rows')} of the table without a picture cut off")
    if new_rows:
        said.append(f"{name}: {_count(new_rows, 'row', 'rows')} of the table made anew from the video's stamps")
    return said


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _whole_frames(video: Path, table: FrameTable, *, jpegs: bool) -> _Whole:
    """Frames from the top on that are not torn, the last of which decode.

    A JPEG is as long as the table says; H.264 changes by bytes on its way into the container.
    """
    found: list[tuple[int, int, bool]] = []
    with suppress(_Nothing):
        for number, packet in enumerate(_readable(video)):
            size = table.size_bytes[number] if jpegs and number < len(table) else UNKNOWN
            if packet.data.is_corrupt or size not in (UNKNOWN, packet.data.size):
                break
            found.append((packet.since_first_us, packet.data.size, packet.key))
    count = _decodable(video, found, jpegs=jpegs)
    array = np.array(found[:count], np.int64).reshape(-1, 3)
    return _Whole(*(np.ascontiguousarray(column) for column in array.T))


class _Nothing(Exception):  # noqa: N818 - not an error
    """The file holds no frame."""


def _readable(video: Path) -> Iterator[Packet]:
    try:
        with opened(video):
            pass
    except Exception as error:
        raise _Nothing from error
    yield from packets(video)


def _decodable(video: Path, found: list[tuple[int, int, bool]], *, jpegs: bool) -> int:
    """How many frames are left when the last that do not decode are taken away: everything from the last key on."""
    keys = [number for number, (_, _, key) in enumerate(found) if key]
    while keys:
        from_us = found[keys[-1]][0]
        decoded = {us for us, _ in pictures(video, jpegs=jpegs, from_us=from_us)}
        good = keys[-1]
        while good < len(found) and found[good][0] in decoded:
            good += 1
        if good > keys[-1]:
            return good
        found = found[: keys[-1]]
        keys.pop()
    return 0


def _extended(table: FrameTable, whole: _Whole) -> FrameTable:
    """The table with rows for frames that it lost."""
    kept, count = len(table), len(whole.size_bytes)
    if count == kept:
        return table
    first_us = int(table.time_us[0]) if kept else 0
    unknown = np.full(count - kept, UNKNOWN, np.int64)
    segment = np.full(count - kept, table.segment[-1] if kept else 0, np.int64)
    flags = int(Flag.RECOVERED) + int(Flag.KEY) * whole.key[kept:]
    rows = FrameTable(
        time_us=first_us + whole.since_first_us[kept:],
        driver_ts_us=unknown,
        host_ts_ns=unknown,
        sequence=unknown,
        size_bytes=whole.size_bytes[kept:],
        flags=flags,
        segment=segment,
        processed=np.zeros(count - kept, np.int64),
    )
    both = [np.concatenate([getattr(table, n), getattr(rows, n)]) for n in FrameTable.__slots__]
    return FrameTable(*both)


def _rewrite(video: Path, count: int) -> None:
    """The same packets as an ordinary MP4 with the first frames alone.

    Where the disk has no room for that, the video stays as it is, which is readable too.
    """
    beside = video.with_name(f".{video.name}.repair.mp4")
    try:
        if count:
            _copied(video, beside, count)
            with open(beside, "rb") as file:
                os.fsync(file.fileno())
            os.replace(beside, video)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        beside.unlink(missing_ok=True)


def _copied(video: Path, to: Path, count: int) -> None:
    with opened(video) as source, av.open(str(to), "w", format="mp4") as target:
        new = target.add_stream_from_template(source.streams.video[0])
        new.time_base = TIME_BASE
        for packet in islice(packets(video), count):
            data = packet.data
            data.pts = data.dts = packet.since_first_us
            data.time_base, data.stream = TIME_BASE, new
            target.mux(data)
