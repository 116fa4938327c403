"""The thread that writes one camera's frames, so that no disk holds up the reading of a camera.

It may fall behind by `WAITING` frames; more are dropped, counted and said. Once a second what was written is brought
to the disk itself, for the power cut.
"""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from pathlib import Path

from realtime.recorder.cameras import RecordError
from realtime.recorder.compressed import Compressed, jpeg_size_px
from realtime.takes import CameraWriter, Flag, Row

WAITING = 120
# pictures that are not compressed yet are large: so many bytes of them may wait
WAITING_BYTES = 128 << 20
SYNC_S = 1.0
CLOSE_WAIT_S, STUCK_WAIT_S = 3.0, 1.0


class FrameWriter:
    """Writes frames to one camera of a take; times count from `zero_s` on the monotonic clock."""

    def __init__(self, camera: CameraWriter, *, zero_s: float, waiting: int | None = None) -> None:
        self.name = camera.name
        self.dropped = 0  # frames that found no room to wait
        self.unusable = 0  # frames without a whole picture, or of another size
        self.error: Exception | None = None
        self._camera, self._zero_s = camera, zero_s
        self._capacity = waiting or WAITING
        self._raw_capacity = min(
            self._capacity, max(WAITING_BYTES // (camera.about.width * camera.about.height * 2), 4)
        )
        self._waiting: deque[tuple[Compressed, int, bool]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._last_us = -1
        self._thread = threading.Thread(target=self._run, name=f"write {camera.name}", daemon=True)
        self._thread.start()

    @property
    def written(self) -> int:
        """Frames in the file so far."""
        return self._camera.count

    def put(self, frame: Compressed, *, segment: int = 0, processed: bool = False) -> bool:
        """Hands over one frame; never waits. False where it is dropped."""
        with self._changed:
            if self._closing or self.error is not None:
                return False
            room = self._raw_capacity if frame.arrival.jpeg is None else self._capacity
            if len(self._waiting) >= room:
                self.dropped += 1
                return False
            self._waiting.append((frame, segment, processed))
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Waits, not for ever, until what was handed over is written; what is left counts as dropped.

        Called twice it does nothing more.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_WAIT_S)
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        self._thread.join(STUCK_WAIT_S)
        if self._thread.is_alive() and self.error is None:
            self.error = OSError(errno.EIO, "the disk takes nothing any more")

    def _run(self) -> None:
        due_s = time.monotonic() + SYNC_S
        try:
            while (taken := self._take()) is not None:
                self._write(*taken)
                if time.monotonic() >= due_s:
                    self._camera.sync()
                    due_s = time.monotonic() + SYNC_S
        except Exception as error:  # noqa: BLE001 - the recorder looks at it
            with self._changed:
                self.error = error
                self._waiting.clear()

    def _take(self) -> tuple[Compressed, int, bool] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _write(self, frame: Compressed, segment: int, processed: bool) -> None:
        time_us = max(round((frame.time_s - self._zero_s) * 1e6), self._last_us + 1)
        arrival = frame.arrival
        row = Row(
            time_us,
            driver_ts_us=None if arrival.driver_s is None else round(arrival.driver_s * 1e6),
            host_ts_ns=round(arrival.host_s * 1e9),
            sequence=frame.index,
            flags=Flag(0) if arrival.by_driver else Flag.HOST_TIME,
            segment=segment,
            processed=processed,
        )
        if self._stored(frame, row):
            self._last_us = time_us
        else:
            self.unusable += 1

    def _stored(self, frame: Compressed, row: Row) -> bool:
        """False for what is no whole picture of the camera's size: some come cut short, and a camera that was plugged
        in anew may have fallen back to another mode."""
        size_px = (self._camera.about.width, self._camera.about.height)
        if self._camera.about.codec == "mjpeg":
            jpeg = frame.jpeg()
            if jpeg is None or jpeg_size_px(jpeg) != size_px:
                return False
            self._camera.write_jpeg(jpeg, row)
            return True
        image_bgr = frame.image()
        if image_bgr is None or (image_bgr.shape[1], image_bgr.shape[0]) != size_px:
            return False
        self._camera.write_image(image_bgr, row)
        return True


def unwritable(error: Exception, folder: Path) -> RecordError:
    """What a failed write means for the person who records."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RecordError(f"the disk is full; what was recorded until now is in {folder}")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return RecordError(f"{folder} cannot be written on ({reason}); what came before is in it")
