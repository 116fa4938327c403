"""Boards in real pictures: how many are found, and how well their corners fit a camera."""

import cv2
import numpy as np
import pytest

from calib.board import parse_board
from calib.detect import Detection, detect, recognise

CALISCOPE = parse_board("charuco:4x5", square_mm=54, marker_mm=40.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "board", "pictures", "found", "rms_px"),
    [
        ("opencv_left/*.jpg", "9x6", 12, 12, 0.20),
        ("barry_stereo/left*.jpg", "9x6", 25, 25, 0.17),
        ("barry_stereo/right*.jpg", "9x6", 25, 25, 0.17),
        ("temugeb_stereo/*/camera0*.jpg", "7x4", 8, 8, 0.15),
        ("temugeb_stereo/*/camera1*.jpg", "7x4", 8, 8, 0.18),
        ("pose2sim_intrinsics/cam01/*.jpg", "4x7", 7, 7, 0.25),
        ("pose2sim_intrinsics/cam02/*.jpg", "4x7", 7, 6, 0.25),
    ],
)
def test_boards_of_published_calibrations_are_found_and_fit(shared_data, pattern, board, pictures, found, rms_px):
    paths = sorted((shared_data / "calibration").glob(pattern))
    chosen = parse_board(board, square_mm=25)
    images = [cv2.imread(str(path)) for path in paths]
    seen = [detection for image in images if isinstance(detection := detect(image, chosen), Detection)]
    assert len(images) == pictures
    assert len(seen) >= found
    points = [chosen.points_m().astype(np.float32)] * len(seen)
    px = [detection.px[:, None].astype(np.float32) for detection in seen]
    rms = cv2.calibrateCamera(points, px, seen[0].size_px, np.eye(3), np.zeros(5))[0]
    assert rms < rms_px


@pytest.mark.slow
@pytest.mark.parametrize(
    ("video", "found", "mirrored"),
    [
        ("4_cam_recording/videos/cam_0.mp4", 45, 0),
        ("4_cam_recording/videos/cam_1.mp4", 45, 45),  # sees the back of the board
        ("4_cam_recording/videos/cam_2.mp4", 45, 0),
        ("4_cam_recording/videos/cam_3.mp4", 23, 0),
        ("post_optimization/videos/cam_0.mp4", 56, 0),
        ("post_optimization/videos/cam_1.mp4", 47, 0),
        ("post_optimization/videos/cam_2.mp4", 49, 0),
        ("post_optimization/videos/cam_3.mp4", 41, 0),
        ("standing/videos/cam_0.mp4", 98, 98),
        ("standing/videos/cam_1.mp4", 88, 88),
        ("standing/videos/cam_2.mp4", 90, 90),
    ],
)
def test_inverted_and_mirrored_boards_of_videos_are_found(shared_data, video, found, mirrored):
    capture = cv2.VideoCapture(str(shared_data / "multiview" / f"caliscope_{video}"))
    seen = []
    while (read := capture.read())[0]:
        detection = detect(read[1], CALISCOPE, effort="preview")
        if isinstance(detection, Detection):
            seen.append(detection)
    assert len(seen) >= found
    assert all(detection.inverted for detection in seen)
    sides = [detection.mirrored for detection in seen]
    assert sum(sides) >= mirrored
    assert mirrored > 0 or not any(sides)


@pytest.mark.slow
def test_a_misread_marker_in_a_real_frame_does_not_spoil_the_board(shared_data):
    """Frames 2 and 26 hold the markers 17 and 163 beside those of the board."""
    capture = cv2.VideoCapture(str(shared_data / "multiview" / "caliscope_post_optimization" / "videos" / "cam_3.mp4"))
    for frame in range(27):
        read, image = capture.read()
        assert read
        if frame in (2, 26):
            seen = recognise(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
            assert seen is not None
            assert seen.size_text == "charuco:4x5"
