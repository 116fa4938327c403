import inspect
import string
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calib.camera import Camera, rigid
from calib.errors import UserError
from calib.formats import WRITABLE, read_rig, write_rig
from calib.rig import Clock, Quality, Rig

PLAIN = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
SUFFIX = {"rig": ".toml", "anipose": ".toml", "opencv": ".yml", "kalibr": ".yaml", "colmap": ""}


def numbers(low: float, high: float):
    return st.floats(low, high, allow_nan=False).map(lambda number: 0.0 if abs(number) < 1e-12 else number)


@st.composite
def rotations(draw):
    vector = np.array([draw(numbers(-1, 1)) for _ in range(3)])
    length = np.linalg.norm(vector)
    angle = draw(st.sampled_from([0.0, 1e-9, np.pi / 2, np.pi - 1e-9, np.pi]) | numbers(0, np.pi))
    return Rotation.from_rotvec(vector * angle / length if length > 1e-6 else [angle, 0, 0]).as_matrix()


@st.composite
def cameras(draw, lengths=(4, 5, 8)):
    length = draw(st.sampled_from(lengths))
    model = "fisheye" if length == 4 else "pinhole"
    dist = np.array([draw(numbers(-0.5, 0.5)) for _ in range(length)])
    width, height = draw(st.integers(16, 8000)), draw(st.integers(16, 8000))
    fx, fy = draw(numbers(10, 1e4)), draw(numbers(10, 1e4))
    K = np.array([[fx, 0, draw(numbers(-100, 8000))], [0, fy, draw(numbers(-100, 8000))], [0, 0, 1.0]])
    t_m = np.array([draw(numbers(-8, 8)) for _ in range(3)])
    return Camera(width, height, K, dist, model, rigid(draw(rotations()), t_m))


def rigs(lengths=(4, 5, 8), names=PLAIN):
    return st.dictionaries(names, cameras(lengths), min_size=1, max_size=4).map(Rig)


def round_trip(rig: Rig, format, suffix: str | None = None):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cameras{SUFFIX[format] if suffix is None else suffix}"
        assert write_rig(path, rig, format=format) == path
        read = read_rig(path)
        assert read.format == format
        assert len(list(Path(folder).iterdir())) == 1, "a temporary file was left"
        return read


def assert_same_lens(a: Camera, b: Camera):
    assert (a.width, a.height, a.model) == (b.width, b.height, b.model)
    np.testing.assert_allclose(a.K, b.K, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.pad(a.dist, (0, 8))[:8], np.pad(b.dist, (0, 8))[:8], rtol=0, atol=1e-9)


def assert_same(a: Rig, b: Rig):
    assert list(a.cameras) == list(b.cameras)
    for one, other in zip(a.cameras.values(), b.cameras.values(), strict=True):
        assert_same_lens(one, other)
        np.testing.assert_allclose(one.cam_from_world, other.cam_from_world, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(rigs(names=st.text(min_size=1, max_size=12)), st.data())
def test_a_rig_file_keeps_everything_to_the_last_bit(rig, data):
    name = data.draw(st.sampled_from(sorted(rig.cameras)))
    figure = st.none() | numbers(0, 10)
    quality = Quality(
        data.draw(st.sampled_from(["green", "yellow", "red"])),
        tuple(data.draw(st.lists(st.text(max_size=20), max_size=3))),
        "board",
        data.draw(st.booleans()),
        *(data.draw(figure) for _ in range(4)),
    )
    clocks = {name: Clock(data.draw(numbers(0.001, 1)), data.draw(numbers(-200, 200)))}
    assumed = {label: replace(camera, assumed=label == name) for label, camera in rig.cameras.items()}
    rig = Rig(assumed, clocks, quality)
    read = round_trip(rig, "rig").rig
    assert (read.clocks, read.quality) == (clocks, quality)
    for label, camera in rig.cameras.items():
        other = read.cameras[label]
        assert (other.width, other.height, other.model, other.assumed) == (
            camera.width,
            camera.height,
            camera.model,
            camera.assumed,
        )
        for one, two in ((camera.K, other.K), (camera.dist, other.dist), (camera.t, other.t)):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_allclose(camera.R, other.R, rtol=0, atol=0)


@settings(max_examples=25, deadline=None)
@given(rigs())
def test_anipose_toml_comes_back(rig):
    assert_same(rig, round_trip(rig, "anipose").rig)


@pytest.mark.parametrize("suffix", [".yml", ".xml", ".json"])
@settings(max_examples=15, deadline=None)
@given(rig=rigs())
def test_opencv_file_storage_comes_back(suffix, rig):
    assert_same(rig, round_trip(rig, "opencv", suffix).rig)


@settings(max_examples=25, deadline=None)
@given(rigs())
def test_colmap_text_comes_back(rig):
    read = round_trip(rig, "colmap")
    assert_same(rig, read.rig)
    assert not read.rig.quality.metric


@settings(max_examples=25, deadline=None)
@given(rigs(lengths=(4, 5)))
def test_a_kalibr_chain_comes_back_with_the_first_camera_as_the_world(rig):
    short = {
        name: camera if camera.model == "fisheye" else replace(camera, dist=np.append(camera.dist[:4], 0.0))
        for name, camera in rig.cameras.items()
    }
    rig = Rig(short)
    read = round_trip(rig, "kalibr").rig
    first = next(iter(rig.cameras))
    for name, camera in rig.cameras.items():
        assert_same_lens(camera, read.cameras[name])
        if len(rig.cameras) > 1:
            np.testing.assert_allclose(read.b_from_a(first, name), rig.b_from_a(first, name), rtol=0, atol=1e-9)
            np.testing.assert_allclose(read.cameras[name].cam_from_world, rig.b_from_a(first, name), atol=1e-9)


@pytest.mark.parametrize("format", ["rig", "opencv", "kalibr"])
def test_a_single_camera_without_a_place_comes_back_without_one(format):
    rig = Rig({"webcam": replace(Camera.from_fov(1280, 720, 60), assumed=False)})
    read = round_trip(rig, format).rig
    assert_same_lens(rig.cameras["webcam"], read.cameras["webcam"])
    assert read.cameras["webcam"].cam_from_world is None


@pytest.mark.parametrize("format", ["anipose", "colmap"])
def test_formats_that_need_a_place_refuse_a_camera_without_one(format, tmp_path):
    rig = Rig({"webcam": Camera.from_fov(1280, 720, 60)})
    with pytest.raises(UserError, match="webcam has no place"):
        write_rig(tmp_path / "cameras", rig, format=format)
    assert not list(tmp_path.iterdir())


def test_kalibr_refuses_a_lens_that_radtan_cannot_hold(tmp_path):
    camera = replace(Camera.from_fov(640, 480, 60), dist=np.array([0.1, 0, 0, 0, 0.01]))
    with pytest.raises(UserError, match="uses k3"):
        write_rig(tmp_path / "chain.yaml", Rig({"a": camera}), format="kalibr")


def test_an_unknown_format_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="known: rig, anipose, opencv, kalibr, colmap"):
        inspect.unwrap(write_rig)(tmp_path / "x", Rig({"a": Camera.from_fov(640, 480, 60)}), format="csv")
    assert WRITABLE == ("rig", "anipose", "opencv", "kalibr", "colmap")


@pytest.mark.parametrize(
    ("format", "name"), [("opencv", "a'b"), ("opencv", "é"), ("kalibr", "a:b"), ("colmap", "a b"), ("colmap", "a.png")]
)
def test_a_name_that_a_format_cannot_hold_is_refused_not_changed(format, name, tmp_path):
    rig = Rig({name: replace(Camera.from_fov(640, 480, 60), cam_from_world=np.eye(4))})
    with pytest.raises(UserError, match="name"):
        write_rig(tmp_path / "cameras.yml", rig, format=format)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        write_rig(tmp_path / "none" / "rig.toml", Rig({"a": Camera.from_fov(640, 480, 60)}))


@pytest.mark.parametrize("format", ["rig", "colmap"])
def test_a_folder_that_is_a_file_is_one_line(tmp_path, format):
    (tmp_path / "file").touch()
    rig = Rig({"a": replace(Camera.from_fov(640, 480, 60), cam_from_world=np.eye(4))})
    with pytest.raises(UserError, match=r"cannot be (written|made): Not a directory"):
        write_rig(tmp_path / "file" / "rig", rig, format=format)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_rig(tmp_path / "rig.toml", Rig({"a": Camera.from_fov(640, 480, 60)}))
    before = path.read_text()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("calib.formats.source.os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_rig(path, Rig({"b": Camera.from_fov(640, 480, 60)}))
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["rig.toml"]


def test_a_pair_is_also_written_as_opencv_stereo(tmp_path):
    poses = [
        rigid(Rotation.from_rotvec(v).as_matrix(), np.array(t))
        for v, t in (([0, 0.3, 0], [1, 0, 2.0]), ([1, 0, 0], [0, 1, 3.0]))
    ]
    names = ("left", "right")
    rig = Rig({n: replace(Camera.from_fov(640, 480, 60), cam_from_world=p) for n, p in zip(names, poses, strict=True)})
    text = write_rig(tmp_path / "pair.yml", rig, format="opencv").read_text()
    (tmp_path / "stereo.yml").write_text("\n".join(["%YAML:1.0", "---", text[text.index("M1:") :]]))
    read = read_rig(tmp_path / "stereo.yml", unit="m", size_px=(640, 480)).rig
    np.testing.assert_allclose(read.b_from_a("camera1", "camera2"), rig.b_from_a(*names), atol=1e-12)
