"""Where frames come from: a camera, a video file or stream, a folder of pictures."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from engine.errors import UserError
from realtime.frame import Captured

Decoder = Literal["cpu", "cuda"]  # what makes pictures of a video's packets
# lavfi is FFmpeg's own source of test pictures
STREAMS = ("http", "https", "rtsp", "rtsps", "rtp", "udp", "tcp", "srt", "lavfi")
log = logging.getLogger(__name__)


class SourceError(UserError):
    """A source that cannot be opened or read, and what to do."""


@runtime_checkable
class Source(Protocol):
    """A sequence of frames.

    `close` may be called twice, and from another thread than the one that reads, which then ends soon.
    """

    name: str
    live: bool  # frames come by themselves; those that come too fast are dropped
    size_px: tuple[int, int]  # width, height, after rotation
    rate: Fraction | None  # frames per second, None = not known
    frame_count: int | None

    @property
    def description(self) -> str:
        """Of a camera the mode that it granted, of a file size, rate and codec: for a person to read."""
        ...

    def frames(self) -> Iterator[Captured]:
        """All frames, once. SourceError where reading fails on the way; the frames before it are good.

        Times of a live source strictly increase. Where it goes away and may come back, it gives an `Absence`.
        """
        ...

    def close(self) -> None:
        """Lets go of the device or file."""
        ...


def open_source(
    *,
    camera: int | None = None,
    video: str | None = None,
    rotate_deg: int | None = None,
    decoder: Decoder = "cpu",
) -> Source:
    """A camera by its index, or a file, a folder of pictures, a take, a URL, `lavfi:GRAPH` for a made-up camera.

    `rotate_deg` turns pictures clockwise, instead of what a file's own tag says. `decoder="cuda"`: files and streams
    are decoded by an NVIDIA card where it can. SourceError where there is nothing that can be read.
    """
    if (camera is None) == (video is None):
        raise ValueError("give a camera or a video")
    if rotate_deg not in (None, 0, 90, 180, 270):
        raise SourceError(f"pictures turn by 0, 90, 180 or 270 degrees, not {rotate_deg}")
    # each source needs only its own library
    if camera is not None:
        _processor_decodes(f"camera {camera}", decoder)
        return importlib.import_module("realtime.sources.camera").CameraSource(camera, rotate_deg=rotate_deg)
    assert video is not None
    if urlsplit(video).scheme in STREAMS:
        return importlib.import_module("realtime.sources.stream").open_stream(
            video, rotate_deg=rotate_deg, decoder=decoder
        )
    replay = importlib.import_module("realtime.takes.replay")
    if replay.is_take(video):
        _processor_decodes(video, decoder)
        return replay.open_replay(video, rotate_deg=rotate_deg)
    path = Path(video)
    if path.is_dir():
        _processor_decodes(video, decoder)
        return importlib.import_module("realtime.sources.folder").FolderSource(path, rotate_deg=rotate_deg)
    if not path.exists():
        raise SourceError(f"no such file: {video}; give a video, a folder of pictures or a URL")
    return importlib.import_module("realtime.sources.video").open_video(video, rotate_deg=rotate_deg, decoder=decoder)


def _processor_decodes(name: str, asked: Decoder) -> None:
    if asked == "cuda":
        log.warning("%s is decoded by the processor: --decoder cuda is for video files and streams", name)
