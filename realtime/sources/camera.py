"""A webcam through OpenCV."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2

from realtime.frame import Frame
from realtime.sources import SourceError
from realtime.sources.rotation import turned, turned_size

# asked for; what a camera gives instead is taken and said
SIZE_PX, RATE = (1280, 720), 30
OPEN_S = 8.0


@runtime_checkable
class Device(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102 - OpenCV's names and meanings

    def set(self, propId: int, value: float) -> bool: ...  # noqa: D102

    def get(self, propId: int) -> float: ...  # noqa: D102

    def read(self) -> tuple[bool, cv2.typing.MatLike]: ...  # noqa: D102

    def grab(self) -> bool: ...  # noqa: D102

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]: ...  # noqa: D102

    def release(self) -> None: ...  # noqa: D102


class CameraSource:
    """A camera by its index. The picture's size and rate are what the camera grants, see `mode`."""

    live = True
    frame_count: int | None = None

    def __init__(self, index: int, *, rotate_deg: int | None = None) -> None:
        self.name = f"camera {index}"
        self._rotate_deg = rotate_deg or 0
        _check_present(index)
        self._capture, first = _within(OPEN_S, index)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(rate).limit_denominator(1001) if rate > 0 else None
        self.size_px = turned_size((first.shape[1], first.shape[0]), self._rotate_deg)
        self.mode = f"{first.shape[1]}x{first.shape[0]} at {rate:g} fps"
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Frames with the monotonic time at which they arrived."""
        index = 0
        while not self._closed.is_set():
            if not self._capture.grab():
                raise SourceError(f"{self.name} stopped giving pictures; was it unplugged?")
            time_s = time.monotonic()
            ok, image = self._capture.retrieve()
            if ok:  # a damaged picture is a dropped one: its index stays out
                yield Frame(index, time_s, turned(image, self._rotate_deg))
            index += 1

    def close(self) -> None:
        """Releases the camera."""
        self._closed.set()
        self._capture.release()


def camera_indices() -> list[int]:
    """Cameras that the system lists (Linux); empty elsewhere, where only trying tells."""
    return sorted(int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit())


def _check_present(index: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    present = camera_indices()
    if not present:
        raise SourceError("no camera is connected; plug one in, or use --video FILE, or try `python run.py demo`")
    if index not in present:
        known = ", ".join(map(str, present))
        raise SourceError(f"there is no camera {index}; connected: {known}; `python run.py doctor` says more")


def _within(timeout_s: float, index: int) -> tuple[Device, cv2.typing.MatLike]:
    """Opens a camera and reads a picture, in a thread: a driver can block for ever."""
    opened: list[tuple[Device, cv2.typing.MatLike | None]] = []
    thread = threading.Thread(target=lambda: opened.append(_opened(index)), name="open camera", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not opened:
        raise SourceError(f"camera {index} gave no picture in {timeout_s:g} s; unplug it and plug it in again")
    capture, first = opened[0]
    if not capture.isOpened():
        raise SourceError(
            f"camera {index} cannot be opened; is another program using it? `python run.py doctor` says more"
        )
    if first is None:
        capture.release()
        raise SourceError(f"camera {index} opens but gives no picture; try another --camera, some are not for video")
    return capture, first


def _opened(index: int) -> tuple[Device, cv2.typing.MatLike | None]:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # our own one line says it
    capture: Device = cv2.VideoCapture(index)
    # MJPG first: raw pictures of this size do not fit through USB 2 at full rate
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE_PX[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE_PX[1])
    capture.set(cv2.CAP_PROP_FPS, RATE)
    ok, first = capture.read() if capture.isOpened() else (False, None)
    return capture, first if ok else None
