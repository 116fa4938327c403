"""Rigs of recordings that others published with their calibration; detections and geometry are ours."""

import tomllib
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from calib import charuco
from calib.board import Board
from calib.camera import Camera, rigid, rotation_angle_deg
from calib.detect import detect
from calib.detection import Detection
from calib.rig import Rig
from calib.stereo import calibrate_rig

BARRY = Board("chessboard", 9, 6, (0.0238, 0.0238))
TEMUGEB = Board("chessboard", 7, 4, (0.0319, 0.0319))
CALISCOPE = Board("charuco", 3, 4, (0.054, 0.054), 0.0405, "4X4_1000")


def look(image, board) -> Detection | None:
    found = detect(image, board)
    return found if isinstance(found, Detection) else None


@pytest.mark.slow
def test_barry_stereo_fits_to_a_fifth_of_a_pixel_and_turns_as_published(shared_data):
    folder = shared_data / "calibration" / "barry_stereo"
    lenses = cv2.FileStorage(str(folder / "intrinsics.yml"), cv2.FILE_STORAGE_READ)
    cameras, views = {}, {}
    for number, side in ((1, "left"), (2, "right")):
        K, dist = lenses.getNode(f"M{number}").mat(), lenses.getNode(f"D{number}").mat().ravel()[:8]
        cameras[side] = Camera(640, 512, K, np.ascontiguousarray(dist))
        views[side] = [look(cv2.imread(str(folder / f"{side}{i:02d}.jpg")), BARRY) for i in range(1, 26)]
    result = calibrate_rig(views, BARRY, cameras)
    published = cv2.FileStorage(str(folder / "extrinsics.yml"), cv2.FILE_STORAGE_READ)
    R, T = published.getNode("R").mat(), published.getNode("T").mat().ravel()
    found = result.rig.b_from_a("left", "right")
    assert result.figures.rms_px <= 0.20
    assert rotation_angle_deg(found[:3, :3] @ R.T) <= 0.1
    # the published one is in a unit of its own
    np.testing.assert_allclose(found[:3, 3] / np.linalg.norm(found[:3, 3]), T / np.linalg.norm(T), atol=0.003)


def test_temugeb_with_four_views_gives_its_translation_and_a_warning(shared_data):
    folder = shared_data / "calibration" / "temugeb_stereo"
    cameras, views = {}, {}
    for name in ("camera0", "camera1"):
        rows = (folder / f"{name}_intrinsics.dat").read_text().split("\n")
        K = np.array([[float(x) for x in row.split()] for row in rows[1:4]])
        cameras[name] = Camera(1280, 720, K, np.array([float(x) for x in rows[5].split()]))
        views[name] = [look(cv2.imread(str(folder / "pairs" / f"{name}_{i}.jpg")), TEMUGEB) for i in range(4)]
    result = calibrate_rig(views, TEMUGEB, cameras)
    published_m = np.array([-30.11817812152031, 8.814552136551228, -1.0275385147439609]) / 100
    assert np.abs(result.rig.b_from_a("camera0", "camera1")[:3, 3] - published_m).max() < 0.004
    assert result.verdict.light != "green"


def caliscope(folder):
    """Cameras as published and every frame's detections."""
    published = tomllib.loads((folder / "camera_array.toml").read_text())["cameras"]
    cameras, views = {}, {}
    for video in sorted((folder / "videos").glob("*.mp4")):
        name = video.stem.split("_")[-1]
        each = published[name]
        u, _, vt = np.linalg.svd(np.array(each["rotation"]))  # written with few digits
        T = rigid(u @ vt, np.array(each["translation"]))
        K, dist = np.array(each["matrix"]), np.array(each["distortions"])
        cameras[name] = Camera(*each["size"], K, dist, cam_from_world=T)
        capture, row = cv2.VideoCapture(str(video)), []
        while (got := capture.read())[0]:
            row.append(charuco.find(cv2.cvtColor(got[1], cv2.COLOR_BGR2GRAY), CALISCOPE))
        views[name] = row
    return cameras, views


# Two recordings do not come within half a degree and a hundredth. post_optimization: frames that belong together by
# the recording's own index seem not to be of one moment: stamps differ by up to 20 ms; with up to 80 ms of offset
# fitted per camera 0.94 px remain instead of 1.33; halves of it, three views in turn, differ by 0.9 degrees and 2.1
# %. standing: not explained; its halves differ by 0.4 degrees and 0.7 %, and of the third of the views with the
# slowest board the lengths come within 0.8 % while the worst turn stays 0.8 degrees. In both, the published
# geometry fits these corners worse than ours, with the boards placed anew (medians 1.10 px against 1.02, and 0.80
# against 0.58).
@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "turn_deg", "length"),
    [
        ("caliscope_4_cam_recording", 0.5, 0.01),
        ("caliscope_post_optimization", 0.8, 0.025),
        ("caliscope_standing", 1.1, 0.03),
    ],
)
def test_caliscope_rigs_come_back_from_an_inverted_two_sided_board(shared_data, folder, turn_deg, length):
    cameras, views = caliscope(shared_data / "multiview" / folder)
    bare = {name: replace(camera, cam_from_world=None) for name, camera in cameras.items()}
    result = calibrate_rig(views, CALISCOPE, bare)
    for a, b in combinations(cameras, 2):
        truth = Rig(cameras).b_from_a(a, b)
        found = result.rig.b_from_a(a, b)
        assert rotation_angle_deg(found[:3, :3] @ truth[:3, :3].T) < turn_deg
        assert abs(np.linalg.norm(found[:3, 3]) / np.linalg.norm(truth[:3, 3]) - 1) < length
    mirrored = {name for name, row in views.items() if np.mean([one.mirrored for one in row if one]) > 0.9}
    assert mirrored == {"caliscope_4_cam_recording": {"1"}, "caliscope_standing": {"0", "1", "2"}}.get(folder, set())
