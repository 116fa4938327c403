"""Real files, and small ones as other programs write them."""

import json

import numpy as np
import pytest

from calib.camera import rotation_angle_deg
from calib.errors import UserError
from calib.formats import read_rig

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


def test_the_qualisys_export_agrees_with_its_toml(shared_data):
    folder = shared_data / "multiview/pose2sim_static_4cam/calibration"
    qca = read_rig(folder / "Calib.qca.txt")
    toml = read_rig(folder / "Calib_qualisys.toml")
    assert (qca.format, toml.format) == ("qualisys", "anipose")
    assert qca.rig.quality.metric
    assert not toml.rig.quality.metric
    assert "lengths taken as metres" in toml.notes[-1]
    for one, other in zip(qca.rig.cameras.values(), toml.rig.cameras.values(), strict=True):
        assert (one.width, one.height) == (other.width, other.height) == (1088, 1920)
        np.testing.assert_allclose(one.K, other.K, atol=2e-5)
        # the TOML was written by a program that divides the distortion by 64 as well
        np.testing.assert_allclose(one.dist, 64 * other.dist, atol=1e-6)
        assert rotation_angle_deg(one.R @ other.R.T) < 0.01
        np.testing.assert_allclose(one.t, other.t, atol=1e-4)
        assert 1.5 < one.center_world_m[2] < 2.5


def test_the_scene_and_the_qualisys_calibration_see_one_room(shared_data):
    folder = shared_data / "multiview/pose2sim_balance_cam12/calibration"
    scene, qca = (
        read_rig(folder / name, unit=unit).rig for name, unit in (("Calib_scene.toml", "m"), ("Calib.qca.txt", None))
    )
    assert scene.quality.metric
    for one, other in zip(scene.cameras.values(), qca.cameras.values(), strict=True):
        assert abs(one.K[0, 0] / other.K[0, 0] - 1) < 0.01
        assert rotation_angle_deg(one.R @ other.R.T) < 3
        assert np.linalg.norm(one.center_world_m - other.center_world_m) < 0.35


@pytest.mark.parametrize("name", ["caliscope_standing", "caliscope_4_cam_recording", "caliscope_post_optimization"])
def test_camera_arrays_of_caliscope_are_read(shared_data, name):
    read = read_rig(shared_data / "multiview" / name / "camera_array.toml")
    assert read.format == "caliscope"
    assert list(read.rig.cameras) == ["0", "1", "2", "3"]
    assert all((camera.width, camera.height) == (1280, 720) for camera in read.rig.cameras.values())
    assert 0.3 < read.rig.baseline_m("0", "1") < 3


def test_corners_of_a_caliscope_recording_land_where_its_cameras_saw_them(shared_data):
    folder = shared_data / "multiview/caliscope_standing"
    rig = read_rig(folder / "camera_array.toml").rig
    rows = np.genfromtxt(folder / "point_data.csv", delimiter=",", names=True)
    seen = {}
    for row in rows:
        views = seen.setdefault((row["sync_index"], row["point_id"]), {})
        views[str(int(row["port"]))] = (row["img_loc_x"], row["img_loc_y"])
    errors = []
    for views in list(seen.values())[::7]:
        if len(views) < 2:
            continue
        rays = {name: rig.cameras[name].rays(np.array([px]))[0] for name, px in views.items()}
        A = np.concatenate(
            [np.outer(rays[n], rig.cameras[n].cam_from_world[2]) - rig.cameras[n].cam_from_world[:2] for n in rays]
        )
        X = np.linalg.svd(A)[2][-1]
        for name, px in views.items():
            point_cam = (rig.cameras[name].cam_from_world @ (X / X[3]))[:3]
            errors.append(np.linalg.norm(rig.cameras[name].project(point_cam[None])[0] - px))
    assert len(errors) > 50
    assert np.median(errors) < 1.0


def test_a_published_stereo_pair_of_opencv_is_read(shared_data):
    folder = shared_data / "calibration/barry_stereo"
    read = read_rig(folder, unit="mm", size_px=(640, 512))
    assert read.format == "opencv"
    assert read.rig.baseline_m("camera1", "camera2") == pytest.approx(0.09205, abs=1e-5)
    left = read.rig.cameras["camera1"]
    assert len(left.dist) == 8
    assert left.dist[7] == pytest.approx(-0.1413, abs=1e-4)
    guessed = read_rig(folder / "extrinsics.yml")
    assert guessed.rig.baseline_m("camera1", "camera2") == pytest.approx(0.09205, abs=1e-5)
    assert any("no picture size" in note for note in guessed.notes)
    assert any("taken as millimetres" in note for note in guessed.notes)


def test_a_pair_in_centimetres_asks_for_the_unit(shared_data):
    folder = shared_data / "calibration/temugeb_stereo"
    with pytest.raises(UserError, match="give the unit"):
        read_rig(folder)
    read = read_rig(folder, unit="cm", size_px=(1280, 720))
    np.testing.assert_allclose(read.rig.cameras["camera1"].t, (-0.301, 0.088, -0.010), atol=5e-4)


@pytest.mark.parametrize("name", ["campus", "shelf"])
def test_cameras_of_campus_and_shelf_stand_above_the_floor(shared_data, name):
    read = read_rig(shared_data / f"mmpose_tests/{name}/calibration_{name}.json")
    assert all(0.5 < camera.center_world_m[2] < 5 for camera in read.rig.cameras.values())
    assert "no picture size" in read.notes[0]


def test_the_panoptic_dome_is_five_metres_wide(shared_data):
    read = read_rig(shared_data / "mmpose_tests/panoptic_body3d/160906_band1/calibration_160906_band1.json")
    centers = np.array([camera.center_world_m for camera in read.rig.cameras.values()])
    assert len(centers) > 400
    assert 4 < np.ptp(centers[:, 0]) < 7
    assert read.notes == ("lengths are centimetres in this file",)


def test_lenses_without_places_are_no_rig(shared_data):
    with pytest.raises(UserError, match="holds no cameras"):
        read_rig(shared_data / "calibration/multiview_simple_box/intrinsics.json")


@pytest.mark.parametrize(
    "path", ["h36m/cameras.pkl", "mpi_inf_3dhp/cameras_train.pkl", "campus/panoptic_training_pose.pkl"]
)
def test_real_pickles_are_refused(shared_data, path):
    with pytest.raises(UserError, match="is a pickle"):
        read_rig(shared_data / "mmpose_tests" / path)


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
