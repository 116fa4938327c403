from dataclasses import replace

import numpy as np
import pytest

from calib.errors import UserError
from calib.floor import FloorBoard
from calib.scale import Height, Reading, Squares, Tape, combined
from calib.stereo import calibrate_rig
from calib.triangulate import triangulated
from tests.calib.made_rig import A3, SUBJECT_M, Room, make_room

FLOOR = FloorBoard(-1)


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room(12)


def reading(says_m, rig_m=1.0, sigma=0.01):
    return Reading("a cue", says_m, rig_m, sigma, "look again")


def test_one_cue_gives_its_scale_and_nothing_to_compare():
    scale = combined([reading(1.02)])
    assert scale.factor == pytest.approx(1.02)
    assert scale.sigma == pytest.approx(0.01)
    assert scale.probability is None
    assert scale.reasons == []


def test_cues_are_averaged_over_logarithms_by_their_weights():
    scale = combined([reading(1.00, sigma=0.004), reading(1.005, sigma=0.008)])
    assert np.log(scale.factor) == pytest.approx(np.log(1.005) * 0.2)
    assert scale.sigma == pytest.approx((0.004**-2 + 0.008**-2) ** -0.5)
    assert [reason.light for reason in scale.reasons] == ["green"]


def test_cues_that_disagree_widen_the_sigma_and_are_named():
    scale = combined([reading(1.0, sigma=0.004), replace(reading(1.06, sigma=0.005), name="the tape")])
    assert scale.sigma > 0.02
    assert scale.reasons[0].light == "red"
    assert "the tape says 1.06 m" in scale.reasons[0].text


def test_chi_square_calls_honest_cues_doubtful_one_time_in_twenty():
    rng = np.random.default_rng(0)
    sigmas = np.array([0.004, 0.005, 0.015])
    doubted = [
        combined([reading(float(np.exp(e)), sigma=s) for e, s in zip(rng.normal(0, sigmas), sigmas, strict=True)])
        for _ in range(400)
    ]
    share = np.mean([scale.reasons[0].light != "green" for scale in doubted])
    assert 0.02 < share < 0.09


def test_a_tape_that_agrees_keeps_the_light_green_and_moves_the_scale_a_little(room):
    truth_m = float(np.linalg.norm(room.b_from_a("left", "right")[:3, 3]))
    detections = room.detections(noise_px=0.1)
    result = calibrate_rig(detections, A3, room.lenses, floor=FLOOR, cues=[Tape(truth_m + 0.005)])
    assert result.verdict.light == "green", result.verdict.texts()
    assert truth_m < result.rig.baseline_m("left", "right") < truth_m + 0.005
    assert result.figures.scale_sigma < 0.004


@pytest.mark.parametrize("given_mm", [36.0, 40.0])
def test_a_wrong_square_size_is_not_green_beside_a_tape(room, given_mm):
    truth_m = float(np.linalg.norm(room.b_from_a("left", "right")[:3, 3]))
    wrong = replace(A3, square_m=(given_mm / 1000, given_mm / 1000))
    result = calibrate_rig(room.detections(noise_px=0.1), wrong, room.lenses, floor=FLOOR, cues=[Tape(truth_m)])
    assert result.verdict.light == "red"
    text = next(text for text in result.verdict.texts() if f"the tape says {truth_m:.2f} m" in text)
    assert f"the board says {truth_m * given_mm / 38:.2f} m: measure the squares again" in text
    assert "\n" not in text


def person_height_m(rig, room):
    """The height of a person of 1.80 m as the rig sees them, from their head and feet."""
    ends = np.array([SUBJECT_M * (1, 1, 0) + (0, 0.8, 0.1), SUBJECT_M * (1, 1, 0) + (0, 0.8, 1.7)])
    rays, poses = [], []
    for name, camera in room.cameras.items():
        px = camera.project(ends @ camera.R.T + camera.t)
        rays.append(rig.cameras[name].rays(px))
        poses.append(rig.cameras[name].cam_from_world)
    low, high = triangulated(np.array(rays), np.array(poses))
    return float(np.linalg.norm(high - low)) * 1.8 / 1.6


@pytest.mark.parametrize("part", [0.05, -0.05])
def test_a_focal_length_that_is_off_sets_height_and_tape_against_each_other(room, part):
    truth_m = float(np.linalg.norm(room.b_from_a("left", "right")[:3, 3]))
    stretch = np.diag([1 + part, 1 + part, 1])
    lenses = {}
    for name, lens in room.lenses.items():
        K = stretch @ lens.K
        K[:2, 2] = lens.K[:2, 2]
        lenses[name] = replace(lens, K=K)
    detections = room.detections(noise_px=0.1)
    result = calibrate_rig(detections, A3, lenses, floor=FLOOR, cues=[Tape(truth_m)])
    assert result.verdict.light != "green"
    assert any("focal" in text for text in result.verdict.texts())
    # without a board: the tape's metre makes the person too tall or too small
    height = Height(1.80, person_height_m(result.rig, room))
    cues = combined([Tape(truth_m).reading(result.rig), height.reading(result.rig)])
    assert cues.reasons[0].light != "green"
    assert "the height says" in cues.reasons[0].text


def test_cues_that_cannot_be_are_refused(room):
    result = calibrate_rig(room.detections(), A3, room.lenses)
    with pytest.raises(UserError, match="--tape"):
        Tape(0.0)
    with pytest.raises(UserError, match="--height"):
        Height(17.5, 1.7)
    with pytest.raises(UserError, match="two cameras of left, right"):
        Tape(2.0, between=("left", "middle")).reading(result.rig)
    with pytest.raises(ValueError, match="no cue"):
        combined([])
    assert Squares(0.038).reading(result.rig).log_scale == 0
