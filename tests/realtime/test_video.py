"""Video files and streams: every frame with its own time, tags obeyed, faults in one line."""

import struct
import threading
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest

from realtime.sources import Source, SourceError, open_source


def all_frames(path, **options):
    source = open_source(video=str(path), **options)
    try:
        return source, list(source.frames())
    finally:
        source.close()


def test_every_frame_comes_once_in_order(make_video):
    source, frames = all_frames(make_video(frames=30))
    assert isinstance(source, Source)
    assert (source.size_px, source.rate, source.frame_count, source.live) == ((160, 96), Fraction(30), 30, False)
    assert source.description == "160x96 at 30 fps, h264, 30 frames"
    assert [f.index for f in frames] == list(range(30))
    levels = [int(np.median(f.image_bgr)) for f in frames]
    np.testing.assert_allclose(levels, 4 * np.arange(30), atol=4)


def test_times_are_the_files_own_not_a_multiple_of_the_rate(make_video):
    pts = [0, 20, 60, 61, 100, 400, 401, 460]
    _, frames = all_frames(make_video(frames=8, pts=pts))
    np.testing.assert_allclose([f.time_s for f in frames], np.array(pts) / 600, atol=1e-9)


def test_a_video_that_starts_late_starts_at_zero(make_video):
    _, frames = all_frames(make_video(frames=5, pts=[6000 + 20 * i for i in range(5)]))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(5) / 30, atol=1e-9)


def copied(path, name, *, times=1):
    """The same pictures in another container, one copy after the other."""
    target = path.with_name(name)
    for _ in range(times):
        with av.open(str(path)) as source, av.open(str(path.with_name(f"part-{name}")), "w") as part:
            stream = part.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    part.mux(packet)
        with target.open("ab") as whole:
            whole.write(path.with_name(f"part-{name}").read_bytes())
    return target


def test_a_file_without_times_is_played_at_its_rate(make_video):
    source, frames = all_frames(copied(make_video(frames=20), "bare.h264"))
    steps_s = np.diff([f.time_s for f in frames])
    assert len(frames) == 20
    np.testing.assert_allclose(steps_s, float(1 / source.rate), atol=1e-6)


def test_a_recording_that_was_joined_and_starts_over_goes_on_in_time(make_video):
    _, frames = all_frames(copied(make_video(frames=60), "joined.ts", times=2))
    times_s = np.array([f.time_s for f in frames])
    assert len(frames) == 120
    assert (np.diff(times_s) > 0).all()
    assert times_s[-1] < 5.0


def test_a_file_may_be_closed_by_another_thread_while_it_is_read(make_video):
    source = open_source(video=str(make_video(frames=60)))
    frames = source.frames()
    next(frames)
    closing = threading.Thread(target=source.close)
    closing.start()
    closing.join()
    assert list(frames) == []


def tagged(path, degrees_clockwise):
    """Writes a display matrix into the track header, as phones do."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    one = 1 << 16
    a, b = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees_clockwise]
    data[at + 40 : at + 76] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def red_corner(image):
    """Which corner is red: (row half, column half)."""
    red = (image[..., 2] > 150) & (image[..., 0] < 90)
    row, column = np.argwhere(red).mean(axis=0)
    return int(row > image.shape[0] / 2), int(column > image.shape[1] / 2)


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_a_rotation_tag_is_obeyed_as_other_players_do(make_video, degrees, corner):
    path = tagged(make_video(frames=3), degrees)
    source, frames = all_frames(path)
    assert source.size_px == ((96, 160) if degrees in (90, 270) else (160, 96))
    assert red_corner(frames[0].image_bgr) == corner
    oracle = cv2.VideoCapture(str(path))
    assert red_corner(oracle.read()[1]) == corner


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_a_given_rotation_replaces_the_tag(make_video, degrees, corner):
    source, frames = all_frames(tagged(make_video(frames=2), 90), rotate_deg=degrees)
    assert red_corner(frames[0].image_bgr) == corner
    assert frames[0].image_bgr.shape[1::-1] == source.size_px


def test_a_file_that_breaks_off_gives_what_is_there_and_says_so(make_video):
    path = make_video(frames=60, options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    source = open_source(video=str(path))
    seen = []
    with pytest.raises(SourceError, match=r"breaks off after \d+ of 60 frames"):
        seen.extend(source.frames())
        for frame in source.frames():
            seen.append(frame)
    source.close()


def test_a_file_without_its_table_is_refused(make_video):
    path = make_video(frames=60)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(SourceError, match="cut short and its table is missing"):
        open_source(video=str(path))


def text(path):
    path.write_text("this is no video\n" * 20)


def empty(path):
    path.write_bytes(b"")


def sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def no_frames(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("write", "says"),
    [(text, "is no video"), (empty, "is empty"), (sound, "holds no video"), (no_frames, "holds no (video|frame)")],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path, write, says):
    path = tmp_path / "x.mp4"
    write(path)
    with pytest.raises(SourceError, match=says) as caught:
        open_source(video=str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(SourceError, match=r"no such file: nowhere\.mp4"):
        open_source(video="nowhere.mp4")


def test_a_server_that_does_not_answer_is_said():
    with pytest.raises(SourceError, match=r"no video from http://127\.0\.0\.1:9/x\.mp4"):
        open_source(video="http://127.0.0.1:9/x.mp4")


def test_a_file_on_a_web_server_is_read_like_a_file(make_video):
    path = make_video(frames=12)
    handler = partial(SimpleHTTPRequestHandler, directory=str(path.parent))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        source, frames = all_frames(f"http://127.0.0.1:{server.server_port}/clip.mp4")
        server.shutdown()
    assert not source.live
    assert len(frames) == 12


def test_a_rotation_that_is_none_of_four_is_refused(make_video):
    with pytest.raises(SourceError, match="0, 90, 180 or 270"):
        open_source(video=str(make_video(frames=1)), rotate_deg=45)
