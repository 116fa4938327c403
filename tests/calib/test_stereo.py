from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from calib.board import Board
from calib.bundle import Poses
from calib.camera import inverted, rotation_angle_deg
from calib.floor import FloorBoard
from calib.planar import look_at
from calib.rig_figures import sigmas
from calib.rig_solution import solve
from calib.stereo import calibrate_rig
from tests.calib.made_rig import A3, TWO, Room, make_room

FLOOR = FloorBoard(-1)
FOUR = {**TWO, "back": (0.3, 5.8, 1.6), "side": (2.6, 2.4, 1.3)}


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room()


def calibrated(room: Room, *, floor=FLOOR, **how):
    return calibrate_rig(room.detections(**how), room.board, room.lenses, floor=floor)


def apart(T, truth):
    return rotation_angle_deg(T[:3, :3] @ truth[:3, :3].T), float(np.linalg.norm(T[:3, 3] - truth[:3, 3]))


def said(result, word):
    return any(word in text for text in result.verdict.texts())


# --- truth comes back


def test_without_noise_the_truth_comes_back(room):
    result = calibrated(room)
    turn_deg, shift_m = apart(result.rig.b_from_a("left", "right"), room.b_from_a("left", "right"))
    assert turn_deg < 1e-6
    assert shift_m < 1e-6
    assert result.figures.rms_px < 1e-6
    assert result.verdict.light == "green"


def test_a_good_rig_with_noise_is_green_and_says_how_good_it_is(room):
    result = calibrated(room, noise_px=0.15)
    assert result.verdict.light == "green", result.verdict.texts()
    assert result.rig.quality is not None
    assert result.rig.quality.metric
    assert result.figures.rms_px == pytest.approx(0.21, abs=0.02)
    turn_deg, shift_m = apart(result.rig.b_from_a("left", "right"), room.b_from_a("left", "right"))
    assert turn_deg < 0.1
    assert shift_m < 0.01
    assert 0.2 < result.figures.distance_rmse_mm < 2
    assert abs(result.figures.distance_bias_mm) < 0.2
    assert result.figures.mm_per_px == pytest.approx(3.1, abs=0.2)


def test_residuals_of_the_result_are_those_of_its_rig(room):
    result = calibrated(room, noise_px=0.15)
    px = np.array([one.px for one in room.detections(noise_px=0.15)["right"]])
    camera = result.rig.cameras["right"]
    T = camera.cam_from_world @ result.world_from_board
    at = np.einsum("vij,cj->vci", T[:, :3, :3], A3.points_m()) + T[:, None, :3, 3]
    np.testing.assert_allclose(result.residuals_px["right"], px - [camera.project(each) for each in at], atol=1e-6)


def test_four_cameras_of_which_some_never_share_the_boards_front_come_back():
    room = make_room(40, centers_m=FOUR, seed=3)
    detections = room.detections(noise_px=0.1, two_sided=True)
    result = calibrate_rig(detections, room.board, room.lenses, floor=FLOOR)
    for name in ("right", "back", "side"):
        turn_deg, shift_m = apart(result.rig.b_from_a("left", name), room.b_from_a("left", name))
        assert turn_deg < 0.1
        assert shift_m < 0.01
    assert result.verdict.light == "green", result.verdict.texts()


def test_asymmetric_squares_are_taken_as_measured():
    room = make_room(board=Board("chessboard", 9, 6, (0.038, 0.0392)))
    assert calibrated(room, noise_px=0.1).verdict.light == "green"
    square = replace(room.board, square_m=(0.038, 0.038))
    result = calibrate_rig(room.detections(noise_px=0.1), square, room.lenses, floor=FLOOR)
    assert said(result, "squares")
    assert result.figures.stretch.value == pytest.approx(0.0316, abs=0.003)


# --- properties


def test_swapping_the_cameras_inverts_the_transform(room):
    detections = room.detections(noise_px=0.2)
    there = calibrate_rig(detections, A3, room.lenses, floor=FLOOR).rig.b_from_a("left", "right")
    back = calibrate_rig(dict(reversed(detections.items())), A3, room.lenses, floor=FLOOR).rig.b_from_a("right", "left")
    np.testing.assert_allclose(there @ back, np.eye(4), atol=1e-7)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_scaling_focal_length_and_pixels_together_changes_nothing(room, factor):
    detections = room.detections(noise_px=0.1)
    size = int(1280 * factor), int(720 * factor)
    S = np.diag([factor, factor, 1.0])
    lenses = {n: replace(c, K=S @ c.K, width=size[0], height=size[1]) for n, c in room.lenses.items()}
    scaled = {n: [replace(one, px=one.px * factor, size_px=size) for one in row] for n, row in detections.items()}
    before = calibrate_rig(detections, A3, room.lenses, floor=FLOOR)
    after = calibrate_rig(scaled, A3, lenses, floor=FLOOR)
    np.testing.assert_allclose(
        after.rig.b_from_a("left", "right"), before.rig.b_from_a("left", "right"), rtol=0, atol=1e-7
    )


def test_the_bundle_adjustment_ends_where_scipy_ends(room):
    few = Room(room.cameras, room.board, room.world_from_board[:5])
    detections = few.detections(noise_px=0.3)
    looks = {n: [look_at(one, A3, room.lenses[n]) for one in row] for n, row in detections.items()}
    solved = solve(looks, A3, room.lenses)
    start = solved.fit.poses

    def moved(T, step):
        out = T.copy()
        out[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ T[:3, :3]
        out[:3, 3] += step[3:]
        return out

    def residuals(x):
        """Of which the squares are the pseudo-Huber loss of each corner's distance."""
        steps = x.reshape(-1, 6)
        cameras = np.stack([np.eye(4), moved(start.cam_from_root[1], steps[0])])
        boards = np.stack([moved(T, step) for T, step in zip(start.root_from_board, steps[1:], strict=True)])
        away = solved.scene.residuals_px(Poses(cameras, boards))
        squares = (away**2).sum(1, keepdims=True) / solved.fit.scale_px**2
        return (away * np.sqrt(2 * (np.sqrt(1 + squares) - 1) / squares)).ravel()

    nothing = np.zeros(6 * (1 + len(start.root_from_board)))
    nearby = nothing + np.random.default_rng(0).normal(0, 0.003, len(nothing))
    reference = least_squares(residuals, nearby, jac="3-point", x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12)
    np.testing.assert_allclose(2 * reference.cost, (residuals(nothing) ** 2).sum(), rtol=1e-6)
    np.testing.assert_allclose(reference.x[:6], 0, atol=1e-5)


def test_errors_lie_inside_two_standard_deviations_nine_times_in_ten():
    board = Board("chessboard", 5, 4, (0.07, 0.07))
    inside, lengths = [], []
    for seed in range(30):
        room = make_room(8, board=board, seed=seed, floor=False)
        detections = room.detections(noise_px=0.3, seed=seed)
        looks = {n: [look_at(one, board, room.lenses[n]) for one in row] for n, row in detections.items()}
        solved = solve(looks, board, room.lenses)
        truth, found = room.b_from_a("left", "right"), solved.fit.poses.cam_from_root[1]
        at_truth, at = inverted(truth)[:3, 3], inverted(found)[:3, 3]
        rotation_deg, direction_deg, length = sigmas(solved)
        direction = float(np.linalg.norm(np.cross(at, at_truth)) / np.linalg.norm(at) / np.linalg.norm(at_truth))
        longer = float(np.log(np.linalg.norm(at) / np.linalg.norm(at_truth)))
        turn_deg = apart(found, truth)[0]
        inside.append(
            [turn_deg < 2 * rotation_deg, np.rad2deg(direction) < 2 * direction_deg, abs(longer) < 2 * length]
        )
        lengths.append(longer / length)
    assert (np.mean(inside, axis=0) >= 0.9).all(), np.mean(inside, axis=0)
    assert 0.75 < np.std(lengths) < 1.3  # neither too small nor too large
