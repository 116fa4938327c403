"""Published calibrations, read and held against each other."""

import cv2
import numpy as np
import pytest

from calib.camera import rotation_angle_deg
from calib.errors import UserError
from calib.formats import read_rig
from calib.formats.storage import Storage


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


@pytest.mark.parametrize("name", ["intrinsics.yml", "extrinsics.yml"])
def test_our_reader_of_file_storage_agrees_with_opencvs(shared_data, name):
    path = shared_data / "calibration/barry_stereo" / name
    storage = Storage(path.read_text(), name)
    reference = cv2.FileStorage(str(path), cv2.FileStorage_READ)
    assert list(storage.root) == list(reference.root().keys())
    for key, value in storage.root.items():
        np.testing.assert_array_equal(storage.numbers(value, key), reference.getNode(key).mat())


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
