"""A camera through FFmpeg: packets as they are, the driver's stamps, and errors that say what is wrong."""

import errno
import itertools
from fractions import Fraction

import av
import av.error
import cv2
import pytest

from realtime.sources import SourceError
from realtime.sources.camera import CameraSource
from realtime.sources.device import BandwidthError
from realtime.sources.ffmpeg_device import FFmpegDevice
from realtime.takes.video import jpeg_of
from tests.realtime.fake_camera import one_camera
from tests.realtime.takes.made_takes import SIZE_PX, number_of, numbered

JPEGS = [jpeg_of(numbered(n)) for n in range(20)]


@pytest.fixture
def mjpeg_file(tmp_path):
    """What FFmpeg gives of a webcam: JPEG packets, stamps in microseconds."""
    path = tmp_path / "camera.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height = SIZE_PX
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1_000_000)
        for n, jpeg in enumerate(JPEGS):
            packet = av.Packet(jpeg)
            packet.pts = packet.dts = 1_000_000 + 33_333 * n
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 1_000_000), stream, True
            container.mux(packet)
    return path


class V4L2:
    """Opens what stands in for a driver; keeps what was asked."""

    def __init__(self, path, *errors):
        self.path, self.errors, self.asked = path, list(errors), []

    def __call__(self, name, *, format, options):
        assert (name, format) == ("/dev/video0", "v4l2")
        self.asked.append(options)
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        return av.open(str(self.path))


def failure(number):
    return av.error.FFmpegError(number, "as FFmpeg says it")


def test_packets_come_as_the_camera_sent_them_with_the_drivers_stamps(mjpeg_file):
    v4l2 = V4L2(mjpeg_file)
    device = FFmpegDevice(0, opener=v4l2)
    device.set(cv2.CAP_PROP_FRAME_WIDTH, 1280)
    device.set(cv2.CAP_PROP_FRAME_HEIGHT, 720)
    device.set(cv2.CAP_PROP_FPS, 30.0)
    device.set(cv2.CAP_PROP_CONVERT_RGB, 0.0)
    for n, jpeg in enumerate(JPEGS):
        assert device.grab()
        assert device.get(cv2.CAP_PROP_POS_MSEC) == pytest.approx(1000 + 33.333 * n)
        ok, data = device.retrieve()
        assert ok
        assert data.tobytes() == jpeg
    assert not device.grab()
    assert v4l2.asked == [
        {"timestamps": "default", "video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}
    ]
    device.release()
    device.release()


def test_a_camera_without_jpeg_is_not_insisted_on(mjpeg_file):
    v4l2 = V4L2(mjpeg_file, failure(errno.EINVAL))
    device = FFmpegDevice(0, opener=v4l2)
    assert device.grab()
    assert ["input_format" in asked for asked in v4l2.asked] == [True, False]
    assert device.retrieve()[1].shape == (96, 160, 3)  # a picture, unless the bytes are asked for
    device.release()


def test_no_room_on_the_bus_is_said_to_be_that(mjpeg_file):
    device = FFmpegDevice(0, opener=V4L2(mjpeg_file, failure(errno.ENOSPC)))
    with pytest.raises(BandwidthError, match=r"no USB bandwidth left .*the disk is not full.*another controller"):
        device.grab()


def test_a_camera_that_another_program_uses_is_said_to_be(mjpeg_file):
    device = FFmpegDevice(0, opener=V4L2(mjpeg_file, failure(errno.EBUSY)))
    with pytest.raises(SourceError, match="camera 0 is used by another program"):
        device.grab()


def test_a_camera_that_went_away_gives_nothing(mjpeg_file):
    device = FFmpegDevice(0, opener=V4L2(mjpeg_file, failure(errno.ENODEV), failure(errno.ENODEV)))
    assert not device.grab()


def test_the_camera_source_runs_on_it(mjpeg_file, monkeypatch):
    one_camera(monkeypatch)
    source = CameraSource(0, make=lambda index: FFmpegDevice(index, opener=V4L2(mjpeg_file)))
    assert source.packed
    assert source.granted.size_px == SIZE_PX
    frames = list(itertools.islice(source.frames(), 8))
    source.close()
    numbers = [number_of(f.decoded().image_bgr) for f in frames]
    assert numbers == list(range(5, 13))  # one was looked at on opening, four were old
    assert all(f.arrival.jpeg.tobytes() == JPEGS[n] for f, n in zip(frames, numbers, strict=True))
    assert not source.by_driver  # stamps of a file lie in the past
