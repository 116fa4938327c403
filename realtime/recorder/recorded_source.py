"""A live source whose frames also go into a take, while a run looks at them.

The run sees what the take holds: where a camera's pictures come uncompressed they are compressed first, and the run
gets them decoded again. So a replay sees the same pixels. Which frames the run looked at stands in the table; a frame's
row is written when that is known, the latest when the next has been taken or after `HOLD` frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Absence, Captured, Undecoded
from realtime.recorder.cameras import RecordError, about_of, clock_of
from realtime.recorder.compressed import Compressed
from realtime.recorder.frame_writer import FrameWriter, unwritable
from realtime.recorder.status import room_bytes
from realtime.sources import Source
from realtime.sources.device import unpacked
from realtime.sources.rotation import turned
from realtime.takes import create_take, live_clock

NAME = "cam0"
HOLD = 30  # a run that looks at none of so many frames stands still
LOOK_S = 1.0  # between looks at the room on the disk


def check_recordable(source: Source) -> None:
    """RecordError where it is no camera or stream."""
    if not source.live:
        raise RecordError("--record is for cameras and streams; this video is a file already")


class RecordedSource:
    """Everything of the source, and a take. TakeError where the folder cannot be used, RecordError where it is no
    camera or stream."""

    live = True
    frame_count: int | None = None

    def __init__(self, source: Source, folder: Path, *, height_m: float | None = None) -> None:
        check_recordable(source)
        self.name, self.size_px, self.rate = source.name, source.size_px, source.rate
        self._source, self._folder = source, folder
        about = about_of(source, stored_as="mjpeg")
        self._rotate_deg = about.rotate_deg
        clock = live_clock()
        self._take = create_take(folder, {NAME: about}, made_by="live", clock=clock, subject_height_m=height_m)
        self._zero_s = (clock.start_monotonic_ns or 0) / 1e9
        self._writer = FrameWriter(self._take[NAME], zero_s=self._zero_s)
        self._held: deque[tuple[Compressed, int]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._look_s = 0.0

    @property
    def description(self) -> str:
        """Of the source."""
        return self._source.description

    @property
    def notes(self) -> list[str]:
        """What came of the take."""
        lost = f", {self._writer.dropped} dropped: the disk was slow" if self._writer.dropped else ""
        return [f"recorded {self._folder}: {self._writer.written} frames{lost}"]

    def frames(self) -> Iterator[Captured]:
        """The source's frames. RecordError where they cannot be recorded any more."""
        segment, away = 0, False
        for item in self._source.frames():
            if isinstance(item, Absence):
                away = True
                yield item
                continue
            segment, away = segment + away, False
            self._check()
            frame = Compressed(item)
            if item.time_s >= self._zero_s:
                self._hold(frame, segment)
            yield Undecoded(item.index, item.time_s, partial(self._looked_at, frame), item.arrival)

    def close(self) -> None:
        """Closes the source and completes the take; may be called twice. RecordError where it is not complete."""
        self._source.close()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._settle(None)
        self._writer.close()
        about = self._take.about.cameras[NAME]
        self._take.describe(NAME, replace(about, clock=clock_of(self._source)))
        try:
            if self._writer.error is None:
                self._take.close()
                return
            self._take.abandon()
        except OSError as error:
            raise unwritable(error, self._folder) from error
        raise unwritable(self._writer.error, self._folder) from self._writer.error

    def _check(self) -> None:
        if self._writer.error is not None:
            raise unwritable(self._writer.error, self._folder) from self._writer.error
        if time.monotonic() >= self._look_s:
            self._look_s = time.monotonic() + LOOK_S
            if not room_bytes(self._folder):
                raise RecordError(f"the disk is full; what was recorded until now is in {self._folder}")

    def _looked_at(self, frame: Compressed) -> UInt8[ndarray, "h w 3"] | None:
        """The run takes a frame: those before it that wait were passed over."""
        jpeg = frame.jpeg()
        image_bgr = unpacked(np.frombuffer(jpeg, np.uint8)) if jpeg is not None else None
        if image_bgr is None:
            return None
        with self._lock:
            self._settle(frame)
        return turned(image_bgr, self._rotate_deg)

    def _hold(self, frame: Compressed, segment: int) -> None:
        with self._lock:
            self._held.append((frame, segment))
            while len(self._held) > HOLD:
                self._writer.put(self._held[0][0], segment=self._held.popleft()[1])

    def _settle(self, taken: Compressed | None) -> None:
        """Writes what waits, up to the frame that was taken; all of it where the run has ended."""
        while self._held and (taken is None or self._held[0][0].index <= taken.index):
            frame, segment = self._held.popleft()
            self._writer.put(frame, segment=segment, processed=frame is taken)
