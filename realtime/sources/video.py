"""Video files: every frame, exact presentation times, rotation tags obeyed."""

from __future__ import annotations

from collections.abc import Iterator

import av.error

from realtime.frame import Frame
from realtime.sources import Decoder, SourceError
from realtime.sources.container import Container, plain
from realtime.sources.guard import Guard
from realtime.sources.rotation import turned
from realtime.sources.stamps import FileStamps

# a file that ends this much before its own table says is cut short
MISSING_S = 0.5


class VideoSource:
    """A file, here or on a web server."""

    live = False

    def __init__(self, container: Container) -> None:
        self._container = container
        self._guard = Guard(container.close)
        self.name, self.rate, self.frame_count = container.name, container.rate, container.frame_count
        self.size_px, self.description = container.size_px, container.description

    def frames(self) -> Iterator[Frame]:
        """All frames with their presentation times from the file's start, see `FileStamps`."""
        stamp = FileStamps(self.name, self.rate)
        index, end_s = 0, 0.0
        picture: av.VideoFrame | None = self._container.first
        while picture is not None:
            stamp_s = self._container.stamp_s(picture)
            end_s = max(end_s, stamp_s or 0.0)
            image = picture.to_ndarray(format="bgr24")
            yield Frame(index, stamp(stamp_s), turned(image, self._container.rotate_deg))
            index += 1
            with self._guard.inside() as allowed:
                if not allowed:
                    return
                try:
                    picture = self._container.next()
                except av.error.FFmpegError as error:
                    raise SourceError(self._cut_short(index, plain(error))) from error
        if self._container.duration_s - end_s > MISSING_S and index < (self.frame_count or 0):
            raise SourceError(self._cut_short(index, "the file is shorter than its own table says"))

    def close(self) -> None:
        """Closes the file or connection."""
        self._guard.close()

    def _cut_short(self, index: int, why: str) -> str:
        of = f" of {self.frame_count}" if self.frame_count else ""
        return (
            f"{self.name} breaks off after {index}{of} frames ({why}); everything before is saved, copy the file again"
        )


def open_video(path: str, *, rotate_deg: int | None = None, decoder: Decoder = "cpu") -> VideoSource:
    """A file by its path."""
    return VideoSource(Container(path, rotate_deg=rotate_deg, decoder=decoder))
