"""A camera's driver through OpenCV: opening it, asking for a mode, saying what was granted."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2

from realtime.sources import SourceError
from realtime.sources.stamps import on_our_clock

OPEN_S = 8.0
# first pictures of webcams are often cut short
FIRST_TRIES = 5
# a driver on Linux that gives nothing for so long has lost its camera; OpenCV's own 10 s are longer than a reader waits
SILENT_S = 3


@runtime_checkable
class Device(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102 - OpenCV's names and meanings

    def set(self, propId: int, value: float) -> bool: ...  # noqa: D102

    def get(self, propId: int) -> float: ...  # noqa: D102

    def grab(self) -> bool: ...  # noqa: D102

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike]: ...  # noqa: D102

    def release(self) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Mode:
    """A size, a pixel format by its four letters and a rate; empty and zero where the driver does not say."""

    size_px: tuple[int, int]
    pixels: str
    fps: float

    def __str__(self) -> str:
        kind = f" {self.pixels}" if self.pixels else ""
        rate = f" at {self.fps:.4g} fps" if self.fps else ""
        return f"{self.size_px[0]}x{self.size_px[1]}{kind}{rate}"

    def granted(self, asked: Mode) -> bool:
        """Whether this is what was asked for, as far as it is known."""
        same_rate = not self.fps or abs(self.fps - asked.fps) < 0.01 * asked.fps
        return self.size_px == asked.size_px and self.pixels in ("", asked.pixels) and same_rate


class BandwidthError(SourceError):
    """The USB controller has no room for one more stream of this size and rate."""


# MJPG: raw pictures of this size do not fit through USB 2 at full rate. What is given instead is taken and said
ASKED = Mode((1280, 720), "MJPG", 30.0)
# what is tried in turn where cameras share a controller that has no room for all of them
LADDER = (ASKED, Mode((1280, 720), "MJPG", 15.0), Mode((640, 480), "MJPG", 30.0), Mode((640, 480), "MJPG", 15.0))


@dataclass(frozen=True, slots=True)
class Feed:
    """An opened camera that has given a picture."""

    device: Device
    mode: Mode
    packed: bool  # `retrieve` gives the bytes of a JPEG, not a picture
    stamped: bool  # CAP_PROP_POS_MSEC is on the monotonic clock


def make_device(index: int) -> Device:
    """The system's camera of that number."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # our own one line says it
    if not sys.platform.startswith("linux"):
        return cv2.VideoCapture(index)
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(SILENT_S))  # read at the first picture
    return cv2.VideoCapture(index, cv2.CAP_V4L2)


def open_feed(
    index: int,
    make: Callable[[int], Device],
    *,
    modes: Sequence[Mode] = (ASKED,),
    clock: Callable[[], float] = time.monotonic,
) -> Feed:
    """Opens a camera in the first of the modes in which it gives a picture; can block for ever.

    SourceError where it gives none, BandwidthError where that is for want of room on the bus.
    """
    crowded: BandwidthError | None = None
    for asked in modes:
        device = make(index)
        if not device.isOpened():
            device.release()
            raise SourceError(
                f"camera {index} cannot be opened; is another program using it? `python run.py doctor` says more"
            )
        feed = None
        try:
            linux = sys.platform.startswith("linux")
            feed = _asked(device, asked, clock, packed=linux) or _asked(device, asked, clock, packed=False)
        except BandwidthError as error:
            crowded = error
        finally:
            if feed is None:
                device.release()
        if feed is not None:
            return feed
    if crowded is not None:
        raise crowded
    raise SourceError(f"camera {index} opens but gives no picture; try another --camera, some are not for video")


def open_within(
    timeout_s: float, index: int, make: Callable[[int], Device], *, modes: Sequence[Mode] = (ASKED,)
) -> Feed:
    """`open_feed` in a thread, since a driver can block for ever."""
    answers: list[Feed | BaseException] = []
    lock, late = threading.Lock(), threading.Event()

    def work() -> None:
        try:
            answer = open_feed(index, make, modes=modes)
        except BaseException as error:  # noqa: BLE001 - handed over: the caller raises it
            answer = error
        with lock:
            answers.append(answer)
        if late.is_set() and isinstance(answer, Feed):
            answer.device.release()

    thread = threading.Thread(target=work, name="open camera", daemon=True)
    thread.start()
    thread.join(timeout_s)
    with lock:
        if not answers:
            late.set()
            raise SourceError(f"camera {index} gave no picture in {timeout_s:g} s; unplug it and plug it in again")
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def unpacked(data: cv2.typing.MatLike) -> cv2.typing.MatLike | None:
    """The picture in the bytes of a JPEG; None where they are damaged."""
    if data.size == 0:
        return None
    try:
        return cv2.imdecode(data.reshape(-1), cv2.IMREAD_COLOR)
    except cv2.error:
        return None


def camera_indices() -> list[int]:
    """Cameras that the system lists (Linux); empty elsewhere, where only trying tells."""
    return sorted(int(p.name[5:]) for p in Path("/dev").glob("video*") if p.name[5:].isdigit())


def camera_name(index: int, *, listed: Path = Path("/sys/class/video4linux")) -> str:
    """What the camera calls itself (Linux); empty where the system does not say."""
    try:
        return (listed / f"video{index}" / "name").read_text(errors="replace").strip()
    except OSError:
        return ""


def check_present(index: int) -> None:
    """SourceError where the system knows that there is no such camera."""
    if not sys.platform.startswith("linux"):
        return
    present = camera_indices()
    if not present:
        raise SourceError("no camera is connected; plug one in, or use --video FILE, or try `python run.py demo`")
    if index not in present:
        known = ", ".join(map(str, present))
        raise SourceError(f"there is no camera {index}; connected: {known}; `python run.py doctor` says more")


def _asked(device: Device, asked: Mode, clock: Callable[[], float], *, packed: bool) -> Feed | None:
    """Asks for a mode, reads it back from the first picture; None without a picture of the kind asked for."""
    # in this order: a driver forgets the size with a new format, and the rate with a new size
    device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*asked.pixels))
    device.set(cv2.CAP_PROP_FRAME_WIDTH, asked.size_px[0])
    device.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.size_px[1])
    device.set(cv2.CAP_PROP_FPS, asked.fps)
    if packed and _pixels(device) != asked.pixels:
        return None
    device.set(cv2.CAP_PROP_CONVERT_RGB, 0.0 if packed else 1.0)
    for _ in range(FIRST_TRIES):
        if not device.grab():
            return None
        arrived_s = clock()
        stamped = on_our_clock(device.get(cv2.CAP_PROP_POS_MSEC) / 1e3, arrived_s)
        ok, picture = device.retrieve()
        is_picture = ok and picture.ndim == 3 and picture.shape[2] == 3
        if packed and is_picture:
            return None  # the driver converts whatever was asked
        image = unpacked(picture) if packed and ok else picture if is_picture else None
        if image is not None:
            fps = max(device.get(cv2.CAP_PROP_FPS), 0.0)
            mode = Mode((image.shape[1], image.shape[0]), _pixels(device), fps)
            return Feed(device, mode, packed, stamped)
    return None


def _pixels(device: Device) -> str:
    code = int(device.get(cv2.CAP_PROP_FOURCC))
    letters = bytes((code >> shift) & 0xFF for shift in (0, 8, 16, 24)) if code > 0 else b""
    return letters.decode("ascii").strip() if all(32 <= b < 127 for b in letters) else ""
