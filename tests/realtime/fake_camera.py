"""Cameras without hardware: a driver that plays a script, and a server of pictures that can be switched off."""

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from realtime.frame import Absence, Frame, Undecoded
from realtime.sources import Source
from realtime.sources.camera import CameraSource
from realtime.sources.comeback import Patience

QUICK = Patience(retry_s=0.01, give_up_s=0.1)
SIZE_PX = (64, 48)


def grey(level: int) -> np.ndarray:
    return np.full((SIZE_PX[1], SIZE_PX[0], 3), level, np.uint8)


def jpeg(level: int) -> np.ndarray:
    """The bytes of a picture, one row, as OpenCV gives them from V4L2."""
    return cv2.imencode(".jpg", grey(level))[1].reshape(1, -1)


def jpegs(count: int, start: int = 0) -> list[np.ndarray]:
    return [jpeg((start + i) % 250) for i in range(count)]


class FakeDevice:
    """A driver. Each grab takes the next of `script`: a picture, None for a failed grab, an exception, or a callable.

    After the script every grab fails, as when the camera is unplugged. `stamps` are the driver's seconds per grab,
    its last value stays; None for the moment of the grab.
    """

    def __init__(
        self,
        script: Iterable[object],
        *,
        stamps: Iterable[float] | None = None,
        pixels: str = "MJPG",
        opens: bool = True,
        fps: float = 30.0,
        period_s: float = 0.001,
    ) -> None:
        self._script, self._opens, self._period_s = iter(script), opens, period_s
        self._stamps = None if stamps is None else iter(stamps)
        self._stamp_s = 0.0
        self._picture: object = None
        self.values: dict[int, float] = {
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*pixels)) if pixels else 0.0,
        }
        self.asked: list[int] = []
        self.released = 0
        self.inside = False

    def isOpened(self) -> bool:  # noqa: N802
        return self._opens

    def set(self, propId: int, value: float) -> bool:
        self.asked.append(propId)
        return True

    def get(self, propId: int) -> float:
        return self._stamp_s * 1e3 if propId == cv2.CAP_PROP_POS_MSEC else self.values.get(propId, 0.0)

    def grab(self) -> bool:
        assert not self.inside
        if self.released:
            return False
        self.inside = True
        try:
            time.sleep(self._period_s)
            self._picture = next(self._script, None)
            if callable(self._picture):
                self._picture = self._picture()
        finally:
            self.inside = False
        if isinstance(self._picture, Exception):
            raise self._picture
        self._stamp_s = time.monotonic() if self._stamps is None else next(self._stamps, self._stamp_s)
        return self._picture is not None

    def retrieve(self) -> tuple[bool, np.ndarray]:
        assert isinstance(self._picture, np.ndarray)
        return True, self._picture

    def release(self) -> None:
        assert not self.inside, "taken away from under a read"
        self.released += 1


class Plug:
    """Gives the devices one after the other, as a camera that is unplugged and plugged in; None is one that is away."""

    def __init__(self, *devices: FakeDevice | None) -> None:
        self._devices = iter(devices)
        self.opened: list[FakeDevice] = []

    def __call__(self, index: int) -> FakeDevice:
        device = next(self._devices, None) or FakeDevice([], opens=False)
        self.opened.append(device)
        return device


def one_camera(monkeypatch) -> None:
    """The system lists camera 0."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("realtime.sources.device.camera_indices", lambda: [0])
    # on a busy machine any grab may take long; the devices here have given what they have at once
    monkeypatch.setattr("realtime.sources.camera.WAITED_S", 5.0)


def camera(*devices: FakeDevice | None, **options) -> CameraSource:
    return CameraSource(0, make=Plug(*devices), **{"patience": QUICK, **options})


def frames_of(source: Source, count: int) -> list[Frame | Undecoded]:
    """The first frames that a source gives, absences left out."""
    given = (item for item in source.frames() if not isinstance(item, Absence))
    return list(itertools.islice(given, count))


def level(frame: Frame) -> int:
    return int(np.median(frame.image_bgr))


class PictureServer:
    """MJPEG over HTTP on 127.0.0.1. `pictures` per connection, then it closes; `silent` keeps it open without any."""

    def __init__(self, pictures: int = 10_000, *, silent: bool = False, period_s: float = 0.005) -> None:
        self.pictures, self.silent, self.period_s = pictures, silent, period_s
        self.connections = 0
        self._over = threading.Event()
        self._http: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}/live"

    def start(self) -> None:
        """Serves, on the same port as before."""
        self._over.clear()
        self._http = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._http.daemon_threads = True
        self._port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Closes every connection and refuses new ones."""
        self._over.set()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> "PictureServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
                self.end_headers()
                try:
                    server._serve(self.wfile.write)
                except OSError:
                    return  # the reader has left

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _serve(self, write: Callable[[bytes], object]) -> None:
        for k in range(self.pictures):
            data = jpeg(k % 250).tobytes()
            write(b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n")
            if self._over.wait(self.period_s):
                return
        if self.silent:
            self._over.wait(10.0)


def threads_of_capture() -> list[threading.Thread]:
    """Threads that a source or its capture may leave behind; those that are ending get a moment."""
    names = ("capture", "open camera")
    for _ in range(200):
        left = [t for t in threading.enumerate() if t.name in names]
        if not left:
            break
        time.sleep(0.005)
    return left
