"""One camera of a take as the source of a run.

A take that a live run recorded is replayed as that run saw it: the frames that it looked at, at their moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from realtime.frame import Frame
from realtime.sources import SourceError
from realtime.takes.about import NAME
from realtime.takes.take import TakeCamera, open_take


class TakeSource:
    """`TAKE` is its first camera, `TAKE:cam1` another."""

    live = False

    def __init__(self, camera: TakeCamera, folder: Path, *, as_live: bool) -> None:
        if not len(camera.table):
            raise SourceError(f"{camera.name} of {folder} has no frame; record again")
        self.name, self.size_px = f"{folder}:{camera.name}", camera.size_px
        self.as_live = as_live  # the run that is replayed was spread over frames as live runs are
        looked_at = camera.table.processed > 0
        self._wanted = looked_at if as_live and looked_at.any() else np.ones(len(camera.table), bool)
        self.rate: Fraction | None = camera.about.rate
        self.frame_count: int | None = int(self._wanted.sum())
        self.description = f"{self.size_px[0]}x{self.size_px[1]}, {self.frame_count} frames of a take"
        self._camera, self._closed = camera, False

    def frames(self) -> Iterator[Frame]:
        """Frames numbered as in the take: a gap is a frame that the live run passed over."""
        for frame in self._camera.frames():
            if self._closed:
                return
            if self._wanted[frame.index]:
                yield frame

    def close(self) -> None:
        """The file is closed when nobody reads any more."""
        self._closed = True


def is_take(text: str) -> bool:
    """Whether this names a take, or a camera of one."""
    return (_split(text)[0] / NAME).is_file()


def open_replay(text: str, *, rotate_deg: int | None = None) -> TakeSource:
    """SourceError where the take has no such camera, TakeError where it cannot be read."""
    if rotate_deg is not None:
        raise SourceError("a take knows how its pictures are turned; leave --rotate out")
    folder, name = _split(text)
    take = open_take(folder)
    if name and name not in take.cameras:
        raise SourceError(f"{folder} has no camera {name}; it has {', '.join(take.cameras)}")
    camera = take.cameras[name] if name else next(iter(take.cameras.values()))
    return TakeSource(camera, folder, as_live=take.about.made_by == "live")


def _split(text: str) -> tuple[Path, str]:
    if (Path(text) / NAME).is_file():
        return Path(text), ""
    folder, _, name = text.rpartition(":")
    return Path(folder or text), name if folder else ""
