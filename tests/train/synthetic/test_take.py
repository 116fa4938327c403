"""Synthetic takes: what is true in them can be measured in them."""

import cv2
import numpy as np
import pytest

from calib.triangulate import triangulated
from realtime.takes import TakeError, open_take
from train.synthetic.figure import dressed
from train.synthetic.interior import Seen, random_interior
from train.synthetic.light import Light
from train.synthetic.motion import standing
from train.synthetic.performance import random_performance
from train.synthetic.retarget import Motions
from train.synthetic.sources import Sources
from train.synthetic.stage import TakeOptions, random_cameras, random_timings, rig_from_stage
from train.synthetic.take import Film, random_actor, render_take
from train.synthetic.truth import TruthError, read_truth

SIZE = (192, 108)
OPTIONS = TakeOptions(size_px=SIZE, drops=0.2, offset_ms=25.0, drift_ppm=40.0)
SECONDS = 0.6


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("take") / "kick"
    return folder, render_take(folder, seed=3, seconds=SECONDS, options=OPTIONS, faces=1500)


def test_a_take_opens_with_a_row_and_a_picture_for_every_true_moment(filmed):
    folder, truth = filmed
    take = open_take(folder)
    assert take.repairs == ()
    assert take.about.made_by == "synth"
    assert take.about.subject_height_m == pytest.approx(truth.height_m, abs=1e-3)
    for name, camera in take.cameras.items():
        frames = list(camera.frames())
        assert [f.index for f in frames] == list(range(len(truth.shots[name].time_s)))
        assert frames[0].image_bgr.shape[1::-1] == SIZE
        assert np.diff(camera.table.sequence).max() > 1  # frames were dropped
        # with the true clock the stamps are the true moments, up to their jitter
        clock = truth.clocks[name]
        take_time_s = camera.time_s * (1 + clock.drift_ppm * 1e-6) + clock.offset_s
        away_s = take_time_s - truth.shots[name].time_s
        assert np.abs(np.mean(away_s)) < 0.0012
        assert 0.0002 < np.std(away_s) < 0.003
    assert truth.clocks["cam0"].offset_s == 0
    assert truth.clocks["cam1"].offset_s == 0.025
    assert truth.clocks["cam1"].drift_ppm == 40.0


def test_triangulating_the_rendered_joints_returns_the_truth(filmed):
    """At the moments of one camera, seen by both: within 0.01 mm, distortion and all."""
    _, truth = filmed
    joints = truth.shots["cam0"].joints_world_m.reshape(-1, 3)
    cameras = truth.cameras.values()
    rays = np.stack([c.rays(c.project(joints @ c.R.T + c.t)) for c in cameras])
    again = triangulated(rays, np.stack([c.cam_from_world for c in cameras]))
    assert np.linalg.norm(again - joints, axis=1).max() < 1e-5


def test_the_truth_comes_back_from_its_file(filmed):
    folder, truth = filmed
    read = read_truth(folder)
    for name in truth.cameras:
        np.testing.assert_array_equal(read.cameras[name].K, truth.cameras[name].K)
        np.testing.assert_array_equal(read.cameras[name].cam_from_world, truth.cameras[name].cam_from_world)
        np.testing.assert_array_equal(read.shots[name].joints_world_m, truth.shots[name].joints_world_m)
    np.testing.assert_array_equal(read.joints_world_m, truth.joints_world_m)
    assert read.clocks == truth.clocks
    # the dense joints and those of the frames are one motion
    at = np.searchsorted(read.time_s, read.shots["cam1"].time_s)
    near = at < len(read.time_s)
    gap = np.abs(read.joints_world_m[at[near]] - read.shots["cam1"].joints_world_m[near]).max()
    assert gap < 0.06  # no joint moves faster than 7 m/s here, and moments are at most 1/120 s apart


def test_the_world_of_the_truth_is_that_of_a_calibrated_rig(filmed):
    _, truth = filmed
    first = truth.cameras["cam0"]
    np.testing.assert_allclose(first.center_world_m[:2], 0, atol=1e-9)
    assert 0.9 < first.center_world_m[2] < 1.8
    z = truth.joints_world_m[..., 2]
    assert 0 < z.min() < 0.15  # somebody stands on the floor
    assert z.max() < 2.5
    assert (truth.joints_world_m[:, 6, 1] > 1.5).all()  # ahead of the first camera


def test_the_person_is_where_the_truth_says_in_both_videos(filmed):
    """Pixels that differ between the first and the last picture lie around the joints of either."""
    folder, truth = filmed
    take = open_take(folder)
    for name, recorded in take.cameras.items():
        first, *_, last = (f.image_bgr.astype(np.int16) for f in recorded.frames())
        rows, columns = np.nonzero(np.abs(last - first).max(axis=2) > 40)
        assert len(rows) > 20
        camera, joints = truth.cameras[name], truth.shots[name].joints_world_m
        px = np.concatenate([camera.project(joints[i] @ camera.R.T + camera.t) for i in (0, -1)])
        near = np.min(np.hypot(columns[:, None] - px[:, 0], rows[:, None] - px[:, 1]), axis=1)
        assert np.percentile(near, 80) < 20


def test_the_same_seed_films_the_same_take(filmed, tmp_path):
    folder, _ = filmed
    render_take(tmp_path / "again", seed=3, seconds=SECONDS, options=OPTIONS, faces=1500)
    for name in ("cam0.mp4", "cam1.mp4", "cam0.frames.csv", "cam1.frames.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name
    with pytest.raises(TakeError, match="--force"):
        render_take(tmp_path / "again", seed=4, seconds=SECONDS, options=OPTIONS, faces=1500)


def test_a_damaged_truth_is_refused_in_one_line(tmp_path):
    with pytest.raises(TruthError, match="has no truth"):
        read_truth(tmp_path)
    (tmp_path / "truth.npz").write_bytes(b"nothing")
    with pytest.raises(TruthError) as caught:
        read_truth(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_motion_has_no_seams_and_stays_in_the_room(tiny_body):
    standing_still = np.tile(_recorded(tiny_body), (120, 1, 1)).astype(np.float32)
    for seed, motions in ((1, None), (2, Motions((standing_still,)))):
        performance = random_performance(np.random.default_rng(seed), 5.0, motions=motions)
        times = np.arange(0, 5.0, 0.01)
        R, place = performance.at(times)
        np.testing.assert_allclose(R @ R.transpose(0, 1, 3, 2), np.tile(np.eye(3), (500, 15, 1, 1)), atol=1e-9)
        turned = np.arccos(np.clip((np.einsum("tkij,tkij->tk", R[1:], R[:-1]) - 1) / 2, -1, 1)) / 0.01
        assert turned.max() < 25  # rad/s
        assert np.linalg.norm(np.diff(place, axis=0), axis=1).max() / 0.01 < 3.0
        assert np.hypot(*place.T).max() < 2.0
        assert turned.mean() > 0.05  # something happens


def _recorded(body):
    """A standing person's joints in the order of a recording."""
    at = body.person(np.zeros(16)).posed(standing().pose()).joints
    joints = at[[6, 2, 1, 0, 3, 4, 5, 7, 7, 8, 9, 13, 14, 15, 12, 11, 10]]
    joints[7] = (at[6] + at[7]) / 2
    return joints


def test_feet_stand_on_the_floor_also_between_steps(tiny_body):
    actor = random_actor(np.random.default_rng(4), 3.0, sources=Sources(), body=tiny_body)
    lowest = dressed(actor.at(np.linspace(0.01, 2.9, 40))).lowest_m()
    assert lowest.abs().max() < 0.02


def test_cameras_look_at_the_middle_from_the_angle_asked_for():
    for seed in range(5):
        options = TakeOptions(cameras=3, angle_deg=70.0)
        placed = list(random_cameras(np.random.default_rng(seed), options).values())
        for camera in placed:
            assert np.linalg.det(camera.R) == pytest.approx(1)
            middle = camera.project((np.array([[0.0, 0.92, 0.0]])) @ camera.R.T + camera.t)[0]
            assert np.hypot(*(middle - (640, 360))) < 150
        seen = [c.center_world_m * (1, 0, 1) for c in placed]
        cos = seen[0] @ seen[1] / np.linalg.norm(seen[0]) / np.linalg.norm(seen[1])
        assert np.rad2deg(np.arccos(cos)) == pytest.approx(70.0)
        to_rig = rig_from_stage(placed[0])
        np.testing.assert_allclose(to_rig[:3, :3] @ [0, 1, 0], [0, 0, 1], atol=1e-12)
        assert np.linalg.det(to_rig[:3, :3]) == pytest.approx(1)


def test_stamps_increase_however_much_they_jitter():
    options = TakeOptions(jitter_ms=20.0)
    timing = random_timings(np.random.default_rng(0), ["cam0", "cam1"], 20.0, options)["cam1"]
    assert (np.diff(timing.stamp_us) > 0).all()
    assert (timing.stamp_us > 0).all()


def test_a_room_looks_the_same_from_everywhere():
    """A point on a wall has the same colour in both cameras, up to interpolation."""
    rng = np.random.default_rng(5)
    stage = random_cameras(rng, TakeOptions(size_px=SIZE, angle_deg=40.0))
    room = random_interior(rng, clear_m=3.9)
    a, b = stage.values()
    seen_a, seen_b = room.seen_by(a), room.seen_by(b)
    column, row = (m.ravel() for m in np.meshgrid(np.arange(8, 184, 3), np.arange(8, 100, 3)))
    rays = np.column_stack([a.rays(np.column_stack([column, row]).astype(float)), np.ones(len(row))])
    places = (rays * seen_a.depth_m[row, column][:, None] - a.t) @ a.R
    cam_b = places @ b.R.T + b.t
    px = np.full((len(places), 2), -1.0)
    front = cam_b[:, 2] > 0.5
    px[front] = b.project(cam_b[front])
    x, y = np.round(px).astype(int).T
    inside = (x >= 2) & (x < SIZE[0] - 2) & (y >= 2) & (y < SIZE[1] - 2)
    x, y, row, column, depth = x[inside], y[inside], row[inside], column[inside], cam_b[inside, 2]
    same = np.abs(seen_b.depth_m[y, x] - depth) < 0.05  # not hidden there
    assert same.sum() > 100
    blurred = [cv2.blur(s.image_bgr, (5, 5)).astype(int) for s in (seen_a, seen_b)]
    away = np.abs(blurred[0][row[same], column[same]] - blurred[1][y[same], x[same]])
    assert np.median(away) < 8


def test_furniture_hides_who_is_behind_it(tiny_body):
    rng = np.random.default_rng(6)
    actor = random_actor(rng, 0.5, sources=Sources(), body=tiny_body)
    camera = next(iter(random_cameras(rng, TakeOptions(size_px=SIZE)).values()))
    white = np.ones(3, np.float32)
    light = Light(np.array([0, 1, 0], np.float32), white, white, white)

    def changed(depth_m):
        shape = SIZE[::-1]
        depth = np.full(shape, 50.0, np.float32)
        depth[:54] = depth_m
        behind = Seen(np.full((*shape, 3), 90, np.uint8), depth, np.zeros(shape, bool))
        film = Film(camera, behind, light, 1e-6, np.ones(3), rng)
        return np.abs(next(film.images(actor, np.array([0.2]))).astype(int) - 90).max(axis=2) > 2

    free, hidden = changed(50.0), changed(0.5)
    assert free[:54].any()
    assert not hidden[:54].any()
    np.testing.assert_array_equal(hidden[55:], free[55:])


def test_another_visit_shows_the_same_person_and_rig_in_other_clothes_and_motion(filmed, tmp_path):
    folder, truth = filmed
    later = render_take(tmp_path / "later", seed=3, seconds=0.3, visit=1, options=OPTIONS, faces=1500)
    assert later.height_m == truth.height_m
    for name, camera in truth.cameras.items():
        np.testing.assert_array_equal(later.cameras[name].K, camera.K)
        np.testing.assert_array_equal(later.cameras[name].cam_from_world, camera.cam_from_world)
    frame = int(min(len(truth.time_s), len(later.time_s))) - 1
    assert np.abs(later.joints_world_m[frame] - truth.joints_world_m[frame]).max() > 0.05
    ours, theirs = (next(open_take(f).cameras["cam0"].frames()).image_bgr for f in (folder, tmp_path / "later"))
    away = np.abs(ours.astype(int) - theirs.astype(int)).max(axis=2)
    assert (away < 25).mean() > 0.6  # the same room around another figure
    assert (away > 40).mean() > 0.01
