"""Writing a take: each camera from a thread of its own, each frame in the video and in the table."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

from jaxtyping import UInt8
from numpy import ndarray

from realtime.takes.about import NAME, About, CameraAbout, ClockMapping, MadeBy, completed, write_about
from realtime.takes.errors import TakeError
from realtime.takes.lock import Lock
from realtime.takes.table import Flag, Row, TableWriter
from realtime.takes.video import VideoWriter, Written

# what a take's folder may hold: only such files are removed by `force`
OURS = re.compile(
    r"take\.toml|sync\.toml|rig\.toml|labels\.npz|truth\.npz|(report|labels)\.(html|json|txt)|events\.jsonl"
    r"|cam\d+\.(mp4|frames\.csv)|(joints|crops)_cam\d+\.npz"
)


class CameraWriter:
    """One camera of a take that grows. Used by one thread. Moments have to increase strictly."""

    def __init__(self, folder: Path, name: str, about: CameraAbout) -> None:
        self.name, self.about, self.count = name, about, 0
        if about.codec == "copied":
            raise ValueError("packets of other videos are copied by the import")
        codec: Literal["mjpeg", "h264"] = about.codec
        self._first_us: int | None = None
        self._last_us = 0
        self._table = TableWriter(table_path(folder, name))
        self._video = VideoWriter(video_path(folder, name), (about.width, about.height), codec=codec, rate=about.rate)

    def write_jpeg(self, data: bytes, row: Row) -> None:
        """A frame as the camera compressed it (codec mjpeg). OSError where the disk is full."""
        since_us = self._since_first_us(row.time_us)
        self._append(row, self._video.write_jpeg(data, since_us))

    def write_image(self, image_bgr: UInt8[ndarray, "h w 3"], row: Row) -> None:
        """A frame that is compressed here. OSError where the disk is full."""
        if image_bgr.shape[:2] != (self.about.height, self.about.width):
            wanted = f"{self.about.width}x{self.about.height}"
            raise ValueError(f"{self.name} has pictures of {wanted}, got {image_bgr.shape[1]}x{image_bgr.shape[0]}")
        since_us = self._since_first_us(row.time_us)
        self._append(row, self._video.write_image(image_bgr, since_us))

    def sync(self) -> None:
        """What was written is on the disk, also after a power cut."""
        os.fsync(self._video.fileno())
        self._table.sync()

    def close(self) -> None:
        """Completes the video and the table; may be called twice. OSError where the disk is full."""
        with ExitStack() as stack:
            stack.callback(self._table.close)
            stack.callback(self._video.close)

    def _since_first_us(self, time_us: int) -> int:
        if self._first_us is None:
            self._first_us = time_us
        elif time_us <= self._last_us:
            raise ValueError(f"{self.name}: moments increase, got {time_us = } after {self._last_us}")
        self._last_us = time_us
        return time_us - self._first_us

    def _append(self, row: Row, written: Written) -> None:
        flags = row.flags & ~Flag.KEY | (Flag.KEY if written.key else Flag(0))
        self._table.append(replace(row, size_bytes=written.size_bytes, flags=flags))
        self.count += 1


class TakeWriter:
    """A new take; index it with a camera's name. Closing completes it, unless an exception is under way."""

    def __init__(self, folder: Path, about: About) -> None:
        self.folder, self.about = folder, about
        self._stack = ExitStack()
        self._closed = False
        self._stack.enter_context(Lock(folder))
        write_about(folder, about)
        try:
            self._cameras = {name: self._opened(name, camera) for name, camera in about.cameras.items()}
        except BaseException:
            self._stack.close()
            raise

    def __getitem__(self, name: str) -> CameraWriter:
        return self._cameras[name]

    def describe(self, name: str, camera: CameraAbout) -> None:
        """What is known better now: a clock that turned out not to be sane, what was obtained."""
        self.about = replace(self.about, cameras={**self.about.cameras, name: camera})

    def close(self) -> None:
        """Completes videos, tables and `take.toml`; may be called twice. OSError where the disk is full."""
        if self._closed:
            return
        self._closed = True
        try:
            for camera in self._cameras.values():
                camera.close()
            live = self.about.clock.start_monotonic_ns is not None
            end = (time.monotonic_ns(), time.time_ns()) if live else (None, None)
            self.about = completed(self.about, end_monotonic_ns=end[0], end_utc_ns=end[1])
            write_about(self.folder, self.about)
        finally:
            self._stack.close()

    def abandon(self) -> None:
        """Closes the files, and leaves the take marked as one that was not completed."""
        self._closed = True
        self._stack.close()

    def __enter__(self) -> TakeWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _opened(self, name: str, about: CameraAbout) -> CameraWriter:
        camera = CameraWriter(self.folder, name, about)
        self._stack.callback(camera.close)
        return camera


def create_take(
    folder: Path,
    cameras: Mapping[str, CameraAbout],
    *,
    made_by: MadeBy,
    clock: ClockMapping | None = None,
    subject_height_m: float | None = None,
    notes: str = "",
    force: bool = False,
) -> TakeWriter:
    """A take that grows. Cameras are named cam0, cam1, ...

    An existing take is replaced only with `force`, and then only files that belong to takes are removed. TakeError
    where that may not be or nothing can be written there.
    """
    if wrong := [name for name in cameras if not re.fullmatch(r"cam\d+", name)]:
        raise ValueError(f"cameras of a take are called cam0, cam1, ..., not {', '.join(wrong)}")
    make_room(folder, force=force)
    about = About(cameras, made_by, clock or ClockMapping(), subject_height_m, notes)
    try:
        return TakeWriter(folder, about)
    except OSError as error:
        raise TakeError(f"{folder} cannot be written ({error.strerror}); choose another place") from error


def live_clock() -> ClockMapping:
    """The take's zero is now."""
    return ClockMapping(start_monotonic_ns=time.monotonic_ns(), start_utc_ns=time.time_ns())


def check_room(folder: Path, *, force: bool) -> list[Path]:
    """Files of an earlier take in the folder. TakeError where they may not be replaced, or it holds something else."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise TakeError(f"{folder} is a file; give a folder")
    held = sorted(p for p in folder.iterdir() if p.name != Lock.NAME)
    if foreign := [p.name for p in held if not (p.is_file() and OURS.fullmatch(p.name))]:
        raise TakeError(f"{folder} holds {foreign[0]}, which is no part of a take; give a new folder")
    if held and not force:
        kind = "a take" if (folder / NAME) in held else "files"
        raise TakeError(f"{folder} holds {kind} already; give another folder (--force of `record` replaces it)")
    return held


def make_room(folder: Path, *, force: bool) -> None:
    """The folder, empty of earlier takes."""
    held = check_room(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Lock(folder):
            for path in held:
                path.unlink()
    except OSError as error:
        raise TakeError(f"{folder} cannot be written ({error.strerror}); choose another place") from error


def video_path(folder: Path, name: str) -> Path:
    """Where a camera's pictures are."""
    return folder / f"{name}.mp4"


def table_path(folder: Path, name: str) -> Path:
    """Where a camera's rows are."""
    return folder / f"{name}.frames.csv"
