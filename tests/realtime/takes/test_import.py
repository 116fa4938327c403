"""Takes from videos that exist: nothing lost, phones upright, every moment kept."""

from fractions import Fraction

import av
import numpy as np
import pytest

from realtime.sources import SourceError
from realtime.takes import TakeError, open_take
from realtime.takes.examination import examine
from realtime.takes.importing import import_videos
from tests.realtime.takes.made_takes import SIZE_PX, number_of, numbered

RATE = Fraction(30)


def video(path, times, *, base=Fraction(1, 600), codec="libx264", options=None):
    """A video whose pictures say their number, at these times in units of `base`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        stream.width, stream.height = SIZE_PX
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = base
        for number, pts in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
            frame.pts, frame.time_base = pts, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def variable(count, seed=3):
    """Moments of a phone's variable rate, 1/600 s."""
    return np.cumsum(np.random.default_rng(seed).integers(15, 45, count)).tolist()


@pytest.mark.parametrize("options", [{}, {"bf": "3", "preset": "medium"}], ids=["plain", "B-frames"])
def test_a_variable_rate_is_kept_frame_by_frame(tmp_path, options):
    times = variable(50)
    path = video(tmp_path / "phone.mp4", times, options=options)
    said = import_videos([path, path], tmp_path / "t")
    assert said[0] == "cam0: phone.mp4, 50 frames copied"
    take = open_take(tmp_path / "t")
    camera = take.cameras["cam1"]
    frames = list(camera.frames())
    assert [number_of(f.image_bgr) for f in frames] == list(range(50))
    expected_s = (np.array(times) - times[0]) / 600
    assert np.abs((camera.time_s - camera.time_s[0]) - expected_s).max() <= 0.5e-6
    assert not take.about.clock.shared
    assert examine(take).problems == ()


def test_pictures_in_the_middle_are_found_in_copied_videos(tmp_path):
    path = video(tmp_path / "phone.mp4", variable(60), options={"bf": "3", "g": "12"})
    import_videos([path], tmp_path / "t")
    frames = list(open_take(tmp_path / "t").cameras["cam0"].frames(31, 40))
    assert [(f.index, number_of(f.image_bgr)) for f in frames] == [(n, n) for n in range(31, 40)]


def turned_by_tag(source, path, degrees):
    """A copy with a rotation tag, as phones write it: the matrix of the track header of an MP4."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags; times, ids, duration; layer to volume
    turn = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    matrix = np.array([turn[0], turn[1], 0, turn[2], turn[3], 0, 0, 0, 0x4000], ">i4") * 0x10000
    data[at : at + 36] = matrix.astype(">i4").tobytes()[:32] + (0x40000000).to_bytes(4)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_phones_rotation_tag_is_obeyed(tmp_path, degrees):
    plain = video(tmp_path / "plain.mp4", range(0, 200, 20))
    path = turned_by_tag(plain, tmp_path / "phone.mp4", degrees)
    said = import_videos([path], tmp_path / "t")
    assert f"turned by {degrees} degrees" in said[0]
    camera = open_take(tmp_path / "t").cameras["cam0"]
    assert camera.size_px == (SIZE_PX if degrees == 180 else SIZE_PX[::-1])
    for frame in camera.frames():
        upright = np.rot90(frame.image_bgr, k=degrees // 90)  # back, counter-clockwise
        assert number_of(np.ascontiguousarray(upright)) == frame.index


def test_what_an_mp4_cannot_hold_is_encoded_anew(tmp_path):
    path = video(tmp_path / "lossless.avi", range(20), base=Fraction(1, 30), codec="ffv1")
    said = import_videos([path], tmp_path / "t")
    assert said == ["cam0: lossless.avi, 20 frames encoded anew"]
    camera = open_take(tmp_path / "t").cameras["cam0"]
    assert [number_of(f.image_bgr) for f in camera.frames()] == list(range(20))
    assert np.abs(camera.time_s - np.arange(20) / 30).max() < 1e-6


def test_a_missing_or_damaged_video_leaves_no_take(tmp_path):
    with pytest.raises(TakeError, match="no such file"):
        import_videos([tmp_path / "nowhere.mp4"], tmp_path / "t")
    (tmp_path / "x.mp4").write_text("hello")
    with pytest.raises(SourceError, match="cannot be opened"):
        import_videos([tmp_path / "x.mp4"], tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_an_import_that_was_broken_off_is_to_be_done_again(tmp_path):
    path = video(tmp_path / "phone.mp4", range(0, 200, 20))
    import_videos([path], tmp_path / "t")
    about = tmp_path / "t" / "take.toml"
    about.write_text(about.read_text().replace("complete = true", "complete = false"))
    with pytest.raises(TakeError, match="the import was broken off"):
        open_take(tmp_path / "t")
    with pytest.raises(TakeError, match="holds a take already"):
        import_videos([path], tmp_path / "t")
    import_videos([path], tmp_path / "t", force=True)
    assert len(open_take(tmp_path / "t").cameras["cam0"].table) == 10
