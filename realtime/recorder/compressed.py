"""A frame on its way into a take: as the camera compressed it, or compressed once by whoever needs that first."""

from __future__ import annotations

import threading

from jaxtyping import UInt8
from numpy import ndarray

from realtime.frame import Arrival, Frame, Undecoded
from realtime.takes.video import jpeg_of

JPEG_START = b"\xff\xd8"


# the markers of JPEG that give the size: baseline, extended, progressive
SIZE_MARKERS = (0xC0, 0xC1, 0xC2)


class Compressed:
    """One frame, for several threads: decoders are not to be entered by two at once."""

    __slots__ = ("_item", "_jpeg", "_lock", "arrival", "index", "time_s")

    def __init__(self, item: Frame | Undecoded) -> None:
        self.index, self.time_s = item.index, item.time_s
        self.arrival = item.arrival or Arrival(item.time_s)
        self._item, self._jpeg, self._lock = item, b"", threading.Lock()

    def jpeg(self) -> bytes | None:
        """The picture as JPEG, None where the camera sent nothing whole."""
        with self._lock:
            if not self._jpeg:
                sent = self.arrival.jpeg
                image_bgr = self._image() if sent is None else None
                self._jpeg = jpeg_of(image_bgr) if image_bgr is not None else b"" if sent is None else sent.tobytes()
            return self._jpeg if self._jpeg.startswith(JPEG_START) else None

    def image(self) -> UInt8[ndarray, "h w 3"] | None:
        """The picture, upright; None where it is damaged."""
        with self._lock:
            return self._image()

    def _image(self) -> UInt8[ndarray, "h w 3"] | None:
        return self._item.image_bgr if isinstance(self._item, Frame) else self._item.decode()


def jpeg_size_px(jpeg: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a JPEG; None where it is damaged."""
    at = 2
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker in SIZE_MARKERS:
            return int.from_bytes(jpeg[at + 7 : at + 9]), int.from_bytes(jpeg[at + 5 : at + 7])
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return None
