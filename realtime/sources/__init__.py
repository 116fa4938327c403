"""Where frames come from: a camera, a video file or stream, a folder of pictures."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from engine.errors import UserError
from realtime.frame import Frame


class SourceError(UserError):
    """A source that cannot be opened or read, and what to do."""


@runtime_checkable
class Source(Protocol):
    """A sequence of frames. `close` may be called twice."""

    name: str
    live: bool  # frames come by themselves; those that come too fast are dropped
    size_px: tuple[int, int]  # width, height, after rotation
    rate: Fraction | None  # frames per second, None = not known
    frame_count: int | None

    def frames(self) -> Iterator[Frame]:
        """All frames, once. SourceError where reading fails on the way; the frames before it are good."""
        ...

    def close(self) -> None:
        """Lets go of the device or file."""
        ...


def open_source(*, camera: int | None = None, video: str | None = None, rotate_deg: int | None = None) -> Source:
    """A camera by its index, or a file, a folder of pictures, a URL.

    `rotate_deg` turns pictures clockwise, instead of what a file's own tag says. SourceError where there is nothing
    that can be read.
    """
    if (camera is None) == (video is None):
        raise ValueError("give a camera or a video")
    if rotate_deg not in (None, 0, 90, 180, 270):
        raise SourceError(f"pictures turn by 0, 90, 180 or 270 degrees, not {rotate_deg}")
    # each source needs only its own library
    if camera is not None:
        return importlib.import_module("realtime.sources.camera").CameraSource(camera, rotate_deg=rotate_deg)
    assert video is not None
    if urlsplit(video).scheme in ("http", "https", "rtsp", "rtsps", "rtp", "udp", "tcp", "srt"):
        return importlib.import_module("realtime.sources.video").VideoSource(video, rotate_deg=rotate_deg)
    path = Path(video)
    if path.is_dir():
        return importlib.import_module("realtime.sources.folder").FolderSource(path, rotate_deg=rotate_deg)
    if not path.exists():
        raise SourceError(f"no such file: {video}; give a video, a folder of pictures or a URL")
    return importlib.import_module("realtime.sources.video").VideoSource(video, rotate_deg=rotate_deg)
