"""Damaged input is one line that says what to do, whatever the damage."""

from dataclasses import replace

import numpy as np
import pytest

from calib.camera import Camera, rigid
from calib.errors import UserError
from calib.formats import WRITABLE, read_rig, write_rig
from calib.formats.plain_yaml import parse_yaml
from calib.rig import Quality, Rig

PLACES = [rigid(np.eye(3), np.zeros(3)), rigid(np.diag([-1.0, 1, -1]), np.array([0, 0, 4.0]))]
RIG = Rig(
    {
        n: replace(Camera.from_fov(640, 480, 60), cam_from_world=p, assumed=False)
        for n, p in zip("ab", PLACES, strict=True)
    },
    quality=Quality("green", ("fine",), "board", True, 0.2),
)


def refused(path, match: str | None = None) -> str:
    with pytest.raises(UserError, match=match) as caught:
        read_rig(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text
    return text


@pytest.fixture
def rig_file(tmp_path):
    return write_rig(tmp_path / "rig.toml", RIG)


def changed(path, old: str, new: str):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("width", "widht", "unknown widht; known: model, width"),
        ("schema = 1", "schema = 2", "has schema 2, this program reads up to 1; update"),
        ("schema = 1", 'schema = "1"', "schema = '1' is none"),
        ("schema = 1", "schema = 1\nunits = 'm'", "unknown units; known: schema, cameras, quality"),
        ("metric", "metirc", "unknown metirc; known: verdict"),
        ("metric = true", "metric = 1", "metric is true or false, not 1"),
        ('verdict = "green"', 'verdict = "blue"', "'blue' is not known; known: green, yellow, red"),
        ('reasons = ["fine"]', 'reasons = "fine"', "reasons is a list"),
        ("rms_px = 0.2", "rms_px = nan", "not finite"),
        ('model = "pinhole"', 'model = "omni"', "'omni' is not known; known: pinhole, fisheye"),
        ('model = "pinhole"', 'model = ["pinhole"]', "['pinhole'] is not known"),
        ("width = 640", "width = -640", "no picture size"),
        ("width = 640", "width = 640.5", "no picture size"),
        ("width = 640", "width = true", "not made of numbers"),
        ("width = 640\n", "", "no `width`"),
        ("K = [[", "K = [[-", "focal length that is not positive"),
        ("K = [[", "K = [[nan, ", "is not made of numbers"),
        ("dist = [0.0, ", "dist = [", "needs 5 or 8 numbers, not 4"),
        ("dist = [0.0", "dist = [inf", "not finite"),
        ("dist = [0.0", 'dist = ["0.0"', "not made of numbers"),
        ("R = [[1.0", "R = [[1.1", "is no rotation"),
        ("R = [[1.0", "R = [[-1.0", "is no rotation (a mirror image)"),
        ("R = [[1.0, 0.0, 0.0], ", "R = [", "needs 3x3 numbers, not 2x3"),
        ("t_m = [0.0, ", "t_m = [", "needs 3 numbers, not 2"),
        ("t_m = [0.0, 0.0, 0.0]\n", "", "only one of `R` and `t_m`"),
        ("clock_offset_s = 0.0", 'clock_offset_s = "0"', "not made of numbers"),
        ("[cameras.a]", "[cameras.a", "no valid TOML"),
        ("[cameras.b]", "[cameras.a]", "no valid TOML"),
    ],
)
def test_a_damaged_rig_file_names_the_fault(rig_file, old, new, says):
    text = refused(changed(rig_file, old, new))
    assert says in text
    assert "rig.toml" in text


def test_a_rig_file_that_is_cut_anywhere_is_refused_or_is_whole(rig_file):
    text = rig_file.read_text()
    for end in range(0, text.index("[quality]"), 41):
        rig_file.write_text(text[:end])
        try:
            rig = read_rig(rig_file).rig
        except UserError:
            continue
        # what is left ends behind a whole camera: a last number may lose digits, a camera its optional lines
        assert text[:end].count("t_m = [") == len(rig.cameras)


@pytest.mark.parametrize("format", WRITABLE)
@pytest.mark.parametrize("share", [0.1, 0.35, 0.6])
def test_files_that_are_cut_short_are_one_line(tmp_path, format, share, capfd):
    written = write_rig(tmp_path / "cameras.yml", RIG, format=format)
    path = written / "cameras.txt" if written.is_dir() else written
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)
    assert capfd.readouterr().err == "", "OpenCV prints nothing beside the one line"


@pytest.mark.parametrize("suffix", [".xml", ".json"])
def test_cut_files_of_opencv_are_one_line(tmp_path, suffix, capfd):
    path = write_rig(tmp_path / f"cameras{suffix}", RIG, format="opencv")
    path.write_bytes(path.read_bytes()[:700])
    refused(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"  \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_one_line(tmp_path, content):
    (tmp_path / "rig.toml").write_bytes(content)
    refused(tmp_path / "rig.toml", "empty")


def test_an_empty_folder_is_one_line(tmp_path):
    refused(tmp_path, "holds no calibration that is known")


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    refused(tmp_path / "rig.toml", "cannot be read: No such file")


@pytest.mark.parametrize(
    "content", ["hello", "a,b,c\n1,2,3", "<html></html>", "{}", "[]", "a: 1", "x = 1", "%YAML:1.0\n---\nx: 1\n"]
)
def test_something_else_is_one_line(tmp_path, content):
    (tmp_path / "file.txt").write_text(content)
    refused(tmp_path / "file.txt")


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "rig.toml").write_bytes("schema = 1 # Zürich".encode("latin-1"))
    refused(tmp_path / "rig.toml", "byte 14 is not UTF-8")


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "rig.toml").open("wb") as file:
        file.truncate(1 << 30)
    refused(tmp_path / "rig.toml", "1024 MiB")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("matrix = [[", "matrix = [[-", "focal length that is not positive"),
        ("rotation = [", "rotation = [nan, ", "rotation"),
        ("rotation = [0.0", "rotation = [inf", "not finite"),
        ("translation = [0.0, ", "translation = [", "needs 3 numbers, not 2"),
        ("distortions = [0.0, 0.0, ", "distortions = [", "needs 4, 5 or 8 numbers, not 3"),
        ("fisheye = false", "fisheye = true", "needs 4 numbers for a fisheye, not 5"),
        ("fisheye = false", 'fisheye = "no"', "fisheye is true or false"),
        ('unit = "m"', 'unit = "inch"', "'inch' is not known; known: m, cm, mm"),
        ('unit = "m"', 'unit = ["m"]', "['m'] is not known"),
        ("[cam_0]", "[cam_0]\nmatirx = 1", ""),
        ("size =", "sise =", "no `size`"),
    ],
)
def test_damaged_anipose_files_name_the_fault(tmp_path, old, new, says):
    path = changed(write_rig(tmp_path / "calibration.toml", RIG, format="anipose"), old, new)
    if not says:
        assert read_rig(path).notes == ("not read: matirx",)
        return
    assert says in refused(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("OPENCV 640", "THIN_PRISM_FISHEYE 640", "no lens model that is known"),
        ("1 OPENCV 640 480 ", "1 OPENCV 640 480 nan ", "not finite"),
        ("1 OPENCV 640 480 ", "1 OPENCV 640 480 1 ", "needs 8 numbers, not 9"),
        ("OPENCV 640 480 ", "OPENCV 640 480 -", "focal length that is not positive"),
        ("1 OPENCV", "7 OPENCV", "names camera 1, which cameras.txt does not have"),
        ("640 480", "640 x", "not made of numbers"),
    ],
)
def test_damaged_colmap_lenses_name_the_line(tmp_path, old, new, says):
    write_rig(tmp_path / "model", RIG, format="colmap")
    changed(tmp_path / "model/cameras.txt", old, new)
    assert says in refused(tmp_path / "model")


def test_damaged_colmap_poses_name_the_line(tmp_path):
    write_rig(tmp_path / "model", RIG, format="colmap")
    changed(tmp_path / "model/images.txt", "1 1.0 0.0", "1 0.5 0.0")
    assert "line 3: the quaternion has length 0.5" in refused(tmp_path / "model")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("resolution: [640, 480]", "resolution: [640", "open bracket"),
        ("camera_model", "\tcamera_model", "line"),
        ("camera_model: pinhole", "camera_model: !!python/object:os.system", "line"),
        ("camera_model: pinhole", "camera_model: &a pinhole", "line"),
        ("camera_model: pinhole", "camera_model: {a: 1}", "line"),
        ("camera_model: pinhole", "camera_model: pinhole\n  camera_model: pinhole", "twice"),
        ("distortion_model: radtan", "distortion_model: [radtan]", "['radtan'] is not known"),
        ("distortion_model: radtan", "distortion_model: fov", "'fov' is not known; known: radtan, equidistant"),
        ("cam1", "left", "no camera of a chain"),
        ("intrinsics: [", "intrinsics: [-", "focal length that is not positive"),
        ("intrinsics: [", "intrinsics: [.nan, ", "needs 4 numbers, not 5"),
        ("- [0.0, 0.0, 0.0, 1.0]", "- [0.0, 0.0, 0.0, 2.0]", "last row other than"),
        ("- [-1.0,", "- [1.0,", "is no rotation"),
    ],
)
def test_damaged_chains_of_kalibr_name_the_fault(tmp_path, old, new, says):
    path = changed(write_rig(tmp_path / "chain.yaml", RIG, format="kalibr"), old, new)
    assert says in refused(path)


@pytest.mark.parametrize("old", ["rows: 3", "data: [", "dt: d", "name: a", "cols: 3"])
def test_damaged_file_storage_is_one_line(tmp_path, old, capfd):
    path = write_rig(tmp_path / "cameras.yml", RIG, format="opencv")
    text = path.read_text()
    for new in ("rows: 7", "data: [ x, ", "dt: q", "name: b", "cols: 2"):
        if new.split(":")[0] == old.split(":")[0]:
            path.write_text(text.replace(old, new, 1))
            refused(path)
    assert capfd.readouterr().err == ""


def test_a_qualisys_file_without_a_number_names_it(tmp_path, shared_data):
    text = (shared_data / "multiview/pose2sim_static_4cam/calibration/Calib.qca.txt").read_text()
    path = tmp_path / "Calib.qca.txt"
    for old, new, says in (
        ('focalLengthU="107599.671875"', 'focalLengthU="x"', "focalLengthU is no number"),
        ('focalLengthU="107599.671875"', 'focalLengthU="-1"', "focal length that is not positive"),
        ('r11="0.55', 'r11="9.55', "is no rotation"),
        ("</calibration>", "", "no valid XML"),
    ):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        assert says in refused(path)


def test_units_that_contradict_are_said(tmp_path):
    path = write_rig(tmp_path / "calibration.toml", RIG, format="anipose")
    assert read_rig(path, unit="mm").notes == ("lengths taken as millimetres, as asked, though the file says metres",)
    with pytest.raises(UserError, match="in metres by its format"):
        read_rig(write_rig(tmp_path / "rig.toml", RIG), unit="mm")


def test_the_yaml_that_other_programs_write_is_understood():
    text = (
        "# c\n---\na: [1, -2.5e-3,\n  [x, 'y z'], \"#no\"]\nb:\n- [1]\n- w\nc:\n  d: true\n  e:\nf: .inf\ng: http://x\n"
    )
    text = text.replace('"#no"', '"no"').replace("http://x", "/cam0/image")
    assert parse_yaml(text, "x") == {
        "a": [1, -0.0025, ["x", "y z"], "no"],
        "b": [[1], "w"],
        "c": {"d": "true", "e": None},
        "f": float("inf"),
        "g": "/cam0/image",
    }


@pytest.mark.parametrize(
    "text",
    ["- a\n- b", "a: |\n  x", "a: [1]]", "a: [1 [2]]", "a: 'x", "a\n", "a: 1\n  b: 2", "a: [1, *b]", "? a", "a: b: c"],
)
def test_other_yaml_is_refused_with_its_line(text):
    with pytest.raises(UserError):
        parse_yaml(text, "x.yaml")
