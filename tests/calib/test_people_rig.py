"""Rigs from a person: what a good recording gives, and what must never be green."""

from dataclasses import replace

import numpy as np
import pytest

from calib.epipolar import Relative
from calib.errors import UserError
from calib.joint_track import Track
from calib.people_rig import calibrate_people
from calib.people_scale import Cues
from tests.calib.walker import BODY, Clip, Noise, Planar, Walker, bare, make_pair, true_relative

HABITS = Noise(2.0, 0.06, 0.015, 0.03)
KNOWN = Cues(tape_m=2.0, height_m=1.72)
MIRROR = list(BODY.mirror)


def clip_of(walker=None, *, baseline_m=2.0, noise=HABITS, seed=0, frames=300, f_px=(940.0, 955.0)):
    cameras = make_pair(baseline_m, f_px=f_px)
    return Clip(walker or Walker(seed), cameras, np.arange(frames) / 15, noise, seed)


def calibrated(clip, tracks=None, *, cues=KNOWN):
    return calibrate_people(tracks or clip.tracks(), bare(clip.cameras), BODY, cues=cues)


def said(result, text):
    return any(text in reason for reason in result.verdict.texts())


@pytest.fixture(scope="module")
def clip():
    return clip_of(seed=0)


@pytest.fixture(scope="module")
def good(clip):
    return calibrated(clip, clip.tracks(offset_s=0.02))


def test_a_person_who_walks_gives_a_green_rig(clip, good):
    assert good.verdict.light == "green", good.verdict.texts()
    turn, way = good.pose.relative.apart_deg(Relative.of(true_relative(clip.cameras)))
    assert turn < 0.5
    assert way < 0.5
    assert good.clock.clock.offset_s == pytest.approx(0.02, abs=0.002)
    quality = good.rig.quality
    assert (quality.made_from, quality.metric, quality.verdict) == ("people", True, "green")
    assert turn < 4 * quality.rotation_sigma_deg
    assert way < 4 * quality.translation_sigma_deg


def test_the_world_stands_on_the_floor_in_metres(clip, good):
    assert good.rig.baseline_m("left", "right") == pytest.approx(2.0056, rel=0.01)
    for name, camera in good.rig.cameras.items():
        assert camera.center_world_m[2] == pytest.approx(clip.cameras[name].center_world_m[2], abs=0.04)
        assert camera.R[2] @ [0, 0, 1] == pytest.approx(clip.cameras[name].R[2] @ [0, 0, 1], abs=np.deg2rad(1.0))
    assert good.rig.cameras["left"].center_world_m[:2] == pytest.approx([0, 0], abs=1e-9)
    assert good.labels.height == pytest.approx(1.72, rel=0.02)


def test_its_labels_are_near_the_truth(clip, good):
    truth_m = clip.truth_m()
    kept = good.labels.kept
    found, true = good.labels.points - good.labels.points[:, [6]], truth_m - truth_m[:, [6]]
    U, _, Vt = np.linalg.svd(found[kept].T @ true[kept])
    turned = found @ (U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt)
    assert np.linalg.norm(turned - true, axis=-1)[kept].mean() < 0.03
    assert kept.mean() > 0.75


def test_without_any_measure_lengths_are_approximate_and_yellow(clip):
    result = calibrated(clip, cues=Cues())
    assert result.verdict.light == "yellow"
    assert not result.rig.quality.metric
    assert said(result, "lengths are approximate")
    assert result.rig.baseline_m("left", "right") == pytest.approx(2.0, rel=0.1)


def test_an_assumed_lens_is_not_metric(clip):
    lenses = {name: replace(camera, assumed=True) for name, camera in bare(clip.cameras).items()}
    result = calibrate_people(clip.tracks(), lenses, BODY, cues=KNOWN)
    assert result.verdict.light == "yellow"
    assert not result.rig.quality.metric
    assert said(result, "not metric, focal not verified")


def test_bones_known_from_before_give_the_metre(clip):
    lengths = {k: part * 1.72 for k, part in enumerate(BODY.bone_parts)}
    result = calibrated(clip, cues=Cues(bones_m=lengths))
    assert result.rig.quality.metric
    assert result.rig.baseline_m("left", "right") == pytest.approx(2.0056, rel=0.02)


def test_a_height_and_a_tape_that_disagree_are_not_green(clip):
    result = calibrated(clip, cues=Cues(tape_m=2.3, height_m=1.72))
    assert result.verdict.light == "red"
    assert said(result, "the height says")


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planar_pose_is_not_green(seed):
    planar = Planar(seed, radius_m=0.0, gestures=0.0, legs=0.0, facing_deg=-90.0)
    assert calibrated(clip_of(planar, noise=Noise(3.0), seed=seed)).verdict.light == "red"


@pytest.mark.parametrize("seed", [0, 1])
def test_standing_still_before_cameras_20_degrees_apart_is_not_green(seed):
    still = Walker(seed, radius_m=0.0, gestures=0.03, legs=0.0, facing_deg=-90.0)
    result = calibrated(clip_of(still, baseline_m=1.04, noise=Noise(3.0), seed=seed), cues=Cues(1.04, 1.72))
    assert result.verdict.light != "green"
    assert said(result, "hardly left one place")


def test_two_centimetres_of_baseline_are_not_green_and_not_the_wrong_way_round():
    clip = clip_of(baseline_m=0.02, noise=Noise(3.0))
    result = calibrated(clip, cues=Cues(0.02, 1.72))
    assert result.verdict.light != "green"
    assert said(result, "too close together")
    assert result.pose.relative.apart_deg(Relative.of(true_relative(clip.cameras)))[1] < 60


def test_recordings_under_each_others_name_are_not_green():
    clip = clip_of(noise=Noise(2.0, 0.06), f_px=(880.0, 1010.0), frames=450)
    tracks = clip.tracks()
    result = calibrated(clip, {"left": tracks["right"], "right": tracks["left"]})
    assert result.verdict.light == "red"
    assert said(result, "exchanged")


def test_one_recording_under_both_names_is_refused(clip):
    tracks = clip.tracks()
    with pytest.raises(UserError, match="the same pictures"):
        calibrate_people(dict.fromkeys(tracks, tracks["left"]), bare(clip.cameras), BODY, cues=KNOWN)


def exchanged_sides(track):
    return Track(track.time_s, track.px[:, MIRROR], track.score[:, MIRROR])


def test_a_mirrored_video_is_red(clip):
    tracks = clip.tracks()
    flipped = exchanged_sides(tracks["right"])
    flipped = replace(flipped, px=[1279, 0] + flipped.px * [-1, 1])
    result = calibrated(clip, {**tracks, "right": flipped})
    assert result.verdict.light == "red"
    assert said(result, "is mirrored")


def test_left_taken_for_right_in_one_camera_is_red(clip):
    tracks = clip.tracks()
    result = calibrated(clip, {**tracks, "right": exchanged_sides(tracks["right"])})
    assert result.verdict.light == "red"
    assert said(result, "left and right of the body are exchanged")


def test_two_different_people_are_red(clip):
    other = replace(clip, walker=Walker(50))
    result = calibrated(clip, {"left": clip.tracks()["left"], "right": other.tracks()["right"]})
    assert result.verdict.light == "red"
    assert said(result, "the same person")


def test_200_ms_out_of_sync_are_not_green(clip):
    result = calibrated(clip, clip.tracks(offset_s=0.2))
    assert result.verdict.light != "green"
    assert said(result, "clocks")


def test_what_cannot_be_calibrated_at_all_is_one_line(clip):
    tracks, lenses = clip.tracks(), bare(clip.cameras)
    with pytest.raises(UserError, match="two cameras at a time"):
        calibrate_people({"left": tracks["left"]}, lenses, BODY)
    with pytest.raises(UserError, match="lens of right is not known"):
        calibrate_people(tracks, {"left": lenses["left"]}, BODY)
    short = {name: track.picked(np.arange(5)) for name, track in tracks.items()}
    with pytest.raises(UserError, match="5 frames only"):
        calibrate_people(short, lenses, BODY)
    blind = replace(tracks["right"], px=np.full_like(tracks["right"].px, np.nan))
    with pytest.raises(UserError, match="0 frames only"):
        calibrate_people({**tracks, "right": blind}, lenses, BODY)
