import itertools

import cv2
import numpy as np
import pytest

from realtime.sources import SourceError, open_source
from realtime.sources.camera import CameraSource


def test_pictures_come_in_natural_order_and_may_differ_in_size(tmp_path):
    for number, size in ((2, (40, 60)), (10, (50, 50)), (1, (40, 60))):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((*size, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = open_source(video=str(tmp_path))
    frames = list(source.frames())
    assert [int(f.image_bgr[0, 0, 0]) for f in frames] == [1, 2, 10]
    assert [f.image_bgr.shape[:2] for f in frames] == [(40, 60), (40, 60), (50, 50)]
    assert (source.size_px, source.frame_count, source.live) == ((60, 40), 3, False)


def test_a_damaged_picture_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"not a picture")
    source = open_source(video=str(tmp_path))
    with pytest.raises(SourceError, match=r"b\.png is not a readable picture"):
        list(source.frames())


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no pictures in"):
        open_source(video=str(tmp_path))


def test_no_camera_is_said_with_what_to_do_instead(monkeypatch):
    monkeypatch.setattr("realtime.sources.camera.camera_indices", list)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(SourceError, match="no camera is connected; plug one in, or use --video"):
        open_source(camera=0)


def test_another_camera_than_those_connected_is_refused(monkeypatch):
    monkeypatch.setattr("realtime.sources.camera.camera_indices", lambda: [0, 2])
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(SourceError, match="no camera 7; connected: 0, 2"):
        open_source(camera=7)


class FakeDevice:
    """What OpenCV gives for a camera that works and is then unplugged."""

    def __init__(self, frames: int) -> None:
        self.left = frames
        self.released = False

    def isOpened(self):  # noqa: N802
        return True

    def set(self, *_):
        return True

    def get(self, _):
        return 30.0

    def read(self):
        return self.grab(), np.zeros((48, 64, 3), np.uint8)

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, np.full((48, 64, 3), self.left, np.uint8)

    def release(self):
        self.released = True


@pytest.fixture
def device(monkeypatch):
    made = FakeDevice(4)
    monkeypatch.setattr("realtime.sources.camera.camera_indices", lambda: [0])
    monkeypatch.setattr("cv2.VideoCapture", lambda index: made)
    return made


def test_an_unplugged_camera_ends_with_an_error_after_its_last_picture(device):
    source = CameraSource(0, rotate_deg=90)
    assert source.size_px == (48, 64)
    assert source.mode == "64x48 at 30 fps"
    seen = []
    with pytest.raises(SourceError, match="camera 0 stopped giving pictures"):
        for frame in source.frames():
            seen.append(frame)
    assert [f.index for f in seen] == [0, 1, 2]
    assert all(b.time_s >= a.time_s for a, b in itertools.pairwise(seen))
    source.close()
    assert device.released


def test_a_camera_that_gives_no_picture_is_said(device):
    device.left = 0
    with pytest.raises(SourceError, match="opens but gives no picture"):
        CameraSource(0)
