"""Which cameras a recording has: opening them, and what a take says about each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from engine.errors import UserError
from realtime.sources import STREAMS, Source, SourceError
from realtime.sources.camera import CameraSource
from realtime.sources.device import LADDER, BandwidthError, Mode, camera_name, make_device
from realtime.sources.paced import PacedSource
from realtime.takes import CameraAbout

StoredAs = Literal["mjpeg", "h264"]


class RecordError(UserError):
    """A recording that cannot begin or go on, and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A camera by its index, or what stands in for one: a file, a stream, `lavfi:GRAPH`."""

    camera: int | None = None
    source: str | None = None

    def opened(self, modes: Sequence[Mode] = LADDER) -> Source:
        """A camera in the first of the modes that it can. SourceError where it gives no picture."""
        if self.camera is not None:
            return open_camera(self.camera, modes)
        assert self.source is not None
        return open_stand_in(self.source)

    @property
    def device(self) -> str:
        """What the hardware calls itself."""
        return "" if self.camera is None else camera_name(self.camera)


def open_camera(index: int, modes: Sequence[Mode] = LADDER) -> CameraSource:
    """On Linux through FFmpeg where that works, elsewhere through OpenCV; in the first mode that there is room for."""
    if sys.platform.startswith("linux"):
        from realtime.sources.ffmpeg_device import make_ffmpeg_device

        try:
            return CameraSource(index, make=make_ffmpeg_device, modes=modes)
        except BandwidthError:
            raise
        except SourceError as error:
            first = error
        try:
            return CameraSource(index, make=make_device, modes=modes)
        except SourceError:
            raise first from None
    return CameraSource(index, modes=modes)


def open_stand_in(source: str) -> Source:
    """Files and FFmpeg's graphs play in real time; streams have a time of their own."""
    scheme = urlsplit(source).scheme
    if scheme in STREAMS and scheme != "lavfi":
        from realtime.sources.stream import open_stream

        opened = open_stream(source)
        if opened.live:
            return opened
        opened.close()
    elif scheme != "lavfi" and not Path(source).is_file():
        raise SourceError(f"no such file: {source}; give a video, a URL or lavfi:GRAPH")
    return PacedSource(source)


def open_all(wanted: Sequence[Wanted]) -> list[Source]:
    """One after the other: room on the bus is given out in the order of asking. A fault closes those before.

    Where the last finds no room at all beside the others, all begin anew one step further down the ladder.
    """
    if twice := {w.camera for w in wanted if w.camera is not None and wanted.count(w) > 1}:
        raise RecordError(f"camera {min(twice)} is named twice; `python run.py doctor` lists the cameras")
    for step in range(len(LADDER)):
        try:
            return _opened(wanted, LADDER[step:])
        except BandwidthError:
            if step == len(LADDER) - 1:
                raise
    raise AssertionError("the last step returns or raises")


def _opened(wanted: Sequence[Wanted], modes: Sequence[Mode]) -> list[Source]:
    with ExitStack() as stack:
        sources = []
        for one in wanted:
            sources.append(one.opened(modes))
            stack.callback(sources[-1].close)
        stack.pop_all()  # the recorder closes them now
    return sources


def about_of(source: Source, *, stored_as: StoredAs, device: str = "") -> CameraAbout:
    """What `take.toml` says about an open source. JPEGs of a camera are stored as they come, turned when read."""
    size_px, rotate_deg = source.size_px, 0
    asked = obtained = ""
    if isinstance(source, CameraSource):
        asked, obtained = f"{source.asked}", f"{source.granted}"
        if source.packed and stored_as == "mjpeg":
            size_px, rotate_deg = source.granted.size_px, source.rotate_deg
    return CameraAbout(
        source=source.name,
        width=size_px[0],
        height=size_px[1],
        codec=stored_as,
        clock=clock_of(source),
        rate=source.rate,
        device=device,
        asked=asked,
        obtained=obtained or source.description,
        rotate_deg=rotate_deg,
    )


def differs(source: Source) -> str:
    """What a camera gives instead of what it was asked for; empty where that is the same."""
    if not isinstance(source, CameraSource) or source.granted.granted(source.asked):
        return ""
    return f"gives {source.granted}, asked were {source.asked}"


def clock_of(source: Source) -> Literal["driver", "host", "file"]:
    """Whose times its frames have."""
    if isinstance(source, PacedSource):
        return "file"
    return "driver" if isinstance(source, CameraSource) and source.by_driver else "host"


def again(wanted: Wanted) -> Callable[[], Source] | None:
    """How it is opened anew after its driver hung; files do not come back."""
    return wanted.opened if wanted.camera is not None else None
