"""Small files as other programs write them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from calib.errors import UserError
from calib.formats import FORMATS, read_lenses, read_rig, write_rig

KALIBR = """cam0:
  cam_overlaps: [1]
  camera_model: pinhole
  distortion_coeffs: [0.08, -0.18, 0.0, 1.0e-3]
  distortion_model: radtan
  intrinsics: [950.0, 951.0, 640.0, 360.0]
  resolution: [1280, 720]
  rostopic: /cam0/image_raw
cam1:
  T_cn_cnm1:
  - [0.0, 0.0, -1.0, 1.0]
  - [0.0, 1.0, 0.0, 0.0]
  - [1.0, 0.0, 0.0, 0.3]
  - [0.0, 0.0, 0.0, 1.0]
  cam_overlaps: [0]
  camera_model: pinhole
  distortion_coeffs: [0.01, 0.02, 0.03, 0.04]
  distortion_model: equidistant
  intrinsics: [400.0, 401.0, 320.0, 240.0]
  resolution: [640, 480]
  rostopic: /cam1/image_raw
"""
ROS = """image_width: 640
image_height: 480
camera_name: {name}
camera_matrix:
  rows: 3
  cols: 3
  data: [500.0, 0, 320, 0, 510, 240,
         0, 0, 1]
distortion_model: plumb_bob  # ROS's name
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.001, 0.002, 0.05]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [500.0, 0, 320, {shift}, 0, 500, 240, 0, 0, 0, 1, 0]
"""
MATRIX = "{key}: !!opencv-matrix\n   rows: {rows}\n   cols: {cols}\n   dt: d\n   data: {data}\n"


def storage(**matrices) -> str:
    parts = []
    for key, value in matrices.items():
        value = np.atleast_2d(value)
        data = [float(number) for number in value.ravel()]
        parts.append(MATRIX.format(key=key, rows=value.shape[0], cols=value.shape[1], data=data))
    return "%YAML:1.0\n---\n" + "".join(parts)


def test_a_chain_of_kalibr(tmp_path):
    (tmp_path / "chain.yaml").write_text(KALIBR)
    read = read_rig(tmp_path / "chain.yaml")
    assert (read.format, read.rig.quality.metric) == ("kalibr", True)
    cam0, cam1 = read.rig.cameras.values()
    np.testing.assert_array_equal(cam0.dist, [0.08, -0.18, 0.0, 1e-3, 0.0])
    assert cam1.model == "fisheye"
    np.testing.assert_allclose(cam1.t, (1.0, 0.0, 0.3))
    np.testing.assert_allclose(cam1.R @ [0, 0, 1.0], (-1, 0, 0), atol=1e-12)


@pytest.mark.parametrize("model", ["omni", "eucm", "ds"])
def test_other_models_of_kalibr_are_refused_by_name(tmp_path, model):
    (tmp_path / "chain.yaml").write_text(KALIBR.replace("pinhole", model))
    with pytest.raises(UserError, match=f"'{model}' is not supported"):
        read_rig(tmp_path / "chain.yaml")


def test_a_camera_info_of_ros(tmp_path):
    (tmp_path / "ost.yaml").write_text(ROS.format(name="head", shift=0))
    read = read_rig(tmp_path / "ost.yaml")
    assert read.format == "ros"
    camera = read.rig.cameras["head"]
    assert (camera.width, camera.height) == (640, 480)
    np.testing.assert_array_equal(camera.dist, (0.1, -0.2, 0.001, 0.002, 0.05))


def test_two_of_them_are_a_pair(tmp_path):
    (tmp_path / "left.yaml").write_text(ROS.format(name="l", shift=0))
    (tmp_path / "right.yaml").write_text(ROS.format(name="r", shift=-60.0))
    read = read_rig(tmp_path)
    np.testing.assert_allclose(read.rig.cameras["r"].center_world_m, (0.12, 0, 0))
    (tmp_path / "right.yaml").write_text(ROS.format(name="r", shift=0))
    with pytest.raises(UserError, match="no stereo pair"):
        read_rig(tmp_path)


def test_a_folder_of_easymocap(tmp_path):
    K = [[900.0, 0, 639.5], [0, 900, 359.5], [0, 0, 1]]
    names = 'names:\n   - "01"\n   - "02"\n'
    lens = storage(K_01=K, dist_01=np.zeros(5), K_02=K, dist_02=[0.1, 0, 0, 0, 0])
    places = storage(
        R_01=np.zeros((3, 1)), T_01=np.zeros((3, 1)), Rot_02=np.diag([-1.0, 1, -1]), T_02=np.array([[0, 0, 4.0]]).T
    )
    (tmp_path / "intri.yml").write_text(lens + names)
    (tmp_path / "extri.yml").write_text(places + names)
    read = read_rig(tmp_path)
    assert read.format == "easymocap"
    assert (read.rig.cameras["02"].width, read.rig.cameras["02"].height) == (1280, 720)
    np.testing.assert_allclose(read.rig.cameras["02"].center_world_m, (0, 0, 4))
    assert read_rig(tmp_path / "extri.yml", size_px=(1920, 1080)).rig.cameras["01"].width == 1920


def test_a_single_camera_as_the_sample_of_opencv_writes_it(tmp_path):
    text = storage(camera_matrix=[[500.0, 0, 320], [0, 500, 240], [0, 0, 1]], distortion_coefficients=np.zeros((5, 1)))
    (tmp_path / "out_camera_data.yml").write_text(text + "image_width: 640\nimage_height: 480\n")
    read = read_rig(tmp_path / "out_camera_data.yml")
    assert read.notes == ()
    assert read.rig.cameras["out_camera_data"].cam_from_world is None


def human36m(**change) -> dict:
    lens = {"calibration_matrix": [[1145.0, 0, 512.5], [0, 1143, 515.4], [0, 0, 1]], "distortion": [-0.2, 0.2, 0, 0, 0]}
    pose = {"R": np.eye(3).tolist(), "t": [[0.0], [1000.0], [5000.0]]}
    return {
        "intrinsics": {"54138969": lens | change, "55011271": lens},
        "extrinsics": {"S1": {"54138969": pose}, "S5": {"54138969": pose, "55011271": pose}},
    }


def test_human36m_is_read_by_subject(tmp_path):
    path = tmp_path / "camera-parameters.json"
    path.write_text(json.dumps(human36m()))
    read = read_rig(path)
    assert list(read.rig.cameras) == ["54138969"]
    assert (read.rig.cameras["54138969"].width, read.rig.cameras["54138969"].height) == (1000, 1002)
    np.testing.assert_allclose(read.rig.cameras["54138969"].t, (0, 1, 5))
    assert "the file also has S5" in read.notes[0]
    assert len(read_rig(path, part="S5").rig.cameras) == 2
    with pytest.raises(UserError, match="known: S1, S5"):
        read_rig(path, part="S2")


def test_colmap_counts_pixels_from_the_corner(tmp_path):
    (tmp_path / "cameras.txt").write_text(
        "# c\n1 OPENCV 1280 720 950 951 640.5 360.5 0.08 -0.18 0 0\n2 SIMPLE_RADIAL 640 480 500 320 240 0.1\n"
    )
    half = 0.5**0.5
    (tmp_path / "images.txt").write_text(
        f"# i\n1 1 0 0 0 0 0 0 1 cam0.jpg\n\n2 {half} 0 {half} 0 1 2 3 2 b/cam1.png\n12.5 3.5 -1\n"
    )
    read = read_rig(tmp_path / "images.txt")
    cam0, cam1 = read.rig.cameras["cam0"], read.rig.cameras["b/cam1"]
    np.testing.assert_array_equal(cam0.K[:2, 2], (640, 360))
    np.testing.assert_allclose(cam1.R @ [0, 0, 1.0], (1, 0, 0), atol=1e-12)
    np.testing.assert_array_equal(cam1.dist, (0.1, 0, 0, 0, 0))
    assert "no unit of length" in read.notes[0]


ANIPOSE = """[cam_0]
name = "a"
size = [1280, 720]
matrix = [[950.0, 0.0, 640.0], [0.0, 951.0, 360.0], [0.0, 0.0, 1.0]]
distortions = [0.08, -0.18, 0.0, 0.0]
rotation = [0.01, 0.42, 0.0]
translation = [-1020.0, 10.0, 400.0]
world_position = [0, 0, 0]
[metadata]
adjusted = false
"""


def test_millimetres_are_inferred_and_said(tmp_path):
    (tmp_path / "calibration.toml").write_text(ANIPOSE)
    read = read_rig(tmp_path / "calibration.toml")
    np.testing.assert_allclose(read.rig.cameras["a"].t, (-1.02, 0.01, 0.4))
    assert len(read.rig.cameras["a"].dist) == 5
    assert read.notes == (
        "not read: world_position",
        "lengths taken as millimetres: the longest is 1096; give the unit if not",
    )
    assert read.rig.quality.verdict == "yellow"
    assert not read.rig.quality.metric
    asked = read_rig(tmp_path / "calibration.toml", unit="cm")
    assert asked.rig.cameras["a"].t[0] == pytest.approx(-10.2)
    assert asked.rig.quality.metric


def test_the_content_decides_not_the_suffix(tmp_path):
    (tmp_path / "a.txt").write_text("\ufeff# comment\n" + ANIPOSE, encoding="utf-8")
    (tmp_path / "b.txt").write_text("# comment\n" + KALIBR)
    assert read_rig(tmp_path / "a.txt").format == "anipose"
    assert read_rig(tmp_path / "b.txt").format == "kalibr"


def test_lenses_are_read_where_places_are_missing_or_their_unit_is_not_known(tmp_path):
    K = [[900.0, 0, 639.5], [0, 900, 359.5], [0, 0, 1]]
    lenses = storage(M1=K, D1=np.zeros(5), M2=K, D2=np.zeros(5))
    (tmp_path / "lenses.yml").write_text(lenses)
    with pytest.raises(UserError, match="lenses of 2 cameras but no places"):
        read_rig(tmp_path / "lenses.yml")
    found = read_lenses(tmp_path / "lenses.yml", size_px=(1280, 720))
    assert list(found) == ["camera1", "camera2"]
    (tmp_path / "a.toml").write_text(ANIPOSE.replace("-1020.0", "-20.0").replace("400.0]", "4.0]"))
    with pytest.raises(UserError, match="give the unit"):
        read_rig(tmp_path / "a.toml")
    assert read_lenses(tmp_path / "a.toml")["a"].cam_from_world is None


CONVENTIONS = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"


def test_the_rig_file_in_the_conventions_is_one(tmp_path):
    example = re.search(r"```toml\n(schema = 1\n.*?)```", CONVENTIONS.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "rig.toml").write_text(example[1])
    rig = read_rig(tmp_path / "rig.toml").rig
    np.testing.assert_allclose(rig.cameras["left"].center_world_m, (0, 0, 1.4))
    again = write_rig(tmp_path / "again.toml", rig).read_text()
    body = [line for line in again.splitlines() if line and not line.startswith("#")]
    assert body == [line for line in example[1].splitlines() if line]


def test_the_conventions_list_every_format():
    listed = re.findall(r"^\| `(\w+)`[^|]*\| read(, write)? \|", CONVENTIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in listed] == list(FORMATS)
