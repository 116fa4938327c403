"""Rendered people: labels that fit the picture, seeds that give it again, files that survive."""

from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import torch

from engine.crop import camera_matrix, crop_px_from_units
from engine.skeleton import BODY25, LIMB_JOINTS
from train.datasets.found import find_datasets
from train.datasets.synthetic import read_synthetic
from train.plots import people_sheet
from train.synthetic.clip import RATE, SIZE_PX, acted, render_clip
from train.synthetic.compose import cameras, composed, drawn, floor_shadows
from train.synthetic.figure import Someone, dressed
from train.synthetic.light import Light, lights, random_light, shadow_maps
from train.synthetic.motion import standing
from train.synthetic.outfit import random_outfit
from train.synthetic.plan import random_plan
from train.synthetic.retarget import read_motions
from train.synthetic.sample import Synthetic, random_sample, rendered
from train.synthetic.shards import ShardError, read_shard, samples_in, write_shard, write_shards
from train.synthetic.sources import SourceFolders, Sources
from train.synthetic.split import belongs, bodies_of

SIZE = 96


@pytest.fixture(scope="module")
def samples(tiny_body):
    return [random_sample(np.random.default_rng(i), size_px=SIZE, body=tiny_body) for i in range(12)]


def test_a_sample_has_all_its_labels(samples):
    for sample in samples:
        assert sample.image_bgr.shape == (SIZE, SIZE, 3)
        assert np.isfinite(sample.units).all()
        assert sample.depth[6] == 0
        assert np.abs(sample.depth).max() < 1.5
        assert 0.3 < sample.f_over_side < 20
        assert 0.5 < sample.root_z_m < 30
        inside = (np.abs(sample.units) < 0.5).all(axis=1)
        assert not (sample.visible & ~inside).any()
    assert 0.4 < np.mean([s.visible.mean() for s in samples]) < 0.98


def test_the_same_seed_gives_the_same_picture_and_another_one_another(samples, tiny_body):
    again = random_sample(np.random.default_rng(0), size_px=SIZE, body=tiny_body)
    np.testing.assert_array_equal(again.image_bgr, samples[0].image_bgr)
    np.testing.assert_array_equal(again.units, samples[0].units)
    assert np.abs(samples[1].image_bgr.astype(int) - samples[0].image_bgr).mean() > 3


def alone(body, *, seed=5, size=(160, 200)):
    """A standing person over black, no noise: the picture and the joints in its pixels."""
    rng = np.random.default_rng(seed)
    posed = body.someone(rng).posed(standing().pose())
    figures = dressed([Someone(posed, random_outfit(rng))])
    K = camera_matrix(*size, fov_deg=40)
    R, t = np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0])
    drawing = drawn(figures, lights([random_light(rng)]), cameras(K[None], R[None], t[None], size))
    image = composed(drawing, torch.zeros((1, size[1], size[0], 3)), exposure=torch.ones(1))[0].numpy()
    cam = posed.joints @ R.T + t
    return image, (cam @ K.T / cam[:, 2:])[:, :2], drawing


def test_joints_lie_on_the_drawn_person(tiny_body):
    """Alone and standing: every projected joint falls on the silhouette."""
    image, px, _ = alone(tiny_body)
    silhouette = cv2.dilate((image.max(axis=2) > 8).astype(np.uint8), np.ones((3, 3), np.uint8))
    column, row = np.round(px).astype(int).T
    assert silhouette[row, column].all()
    assert 0.03 < silhouette.mean() < 0.5


def test_edges_are_smoothed_by_half_covered_pixels(tiny_body):
    _, _, drawing = alone(tiny_body)
    covered = torch.bincount(drawing.pixel)
    assert covered.max() == 2
    assert 0.02 < (covered == 1).sum() / (covered == 2).sum() < 0.2


def test_plans_rendered_together_are_those_rendered_one_by_one(tiny_body):
    plans = [random_plan(np.random.default_rng(i), size_px=SIZE, sources=Sources(), body=tiny_body) for i in range(6)]
    together = rendered(plans)
    for plan, sample in zip(plans, together, strict=True):
        one = rendered([plan])[0]
        np.testing.assert_array_equal(sample.units, one.units)
        np.testing.assert_array_equal(sample.visible, one.visible)
        away = np.abs(sample.image_bgr.astype(int) - one.image_bgr)
        assert np.mean(away > 1) < 0.002


@pytest.mark.gpu
def test_a_card_draws_what_the_processor_draws(tiny_body):
    plans = [random_plan(np.random.default_rng(i), size_px=SIZE, sources=Sources(), body=tiny_body) for i in range(16)]
    for here, there in zip(rendered(plans), rendered(plans, device="cuda"), strict=True):
        np.testing.assert_array_equal(here.units, there.units)
        assert (here.visible == there.visible).mean() > 0.9
        assert np.mean(np.abs(here.image_bgr.astype(int) - there.image_bgr) > 4) < 0.01


def test_a_joint_behind_another_person_or_a_thing_is_hidden(tiny_body):
    plan = random_plan(np.random.default_rng(1), size_px=SIZE, sources=Sources(), body=tiny_body)
    subject = plan.people[plan.subject]
    free = replace(plan, people=(subject,), subject=0, laid_over=None, uncovered=np.ones(len(BODY25), bool))
    shown = rendered([free])[0].visible
    assert shown.any()
    lens = -plan.view.R.T @ plan.view.t
    before = lens / np.linalg.norm(lens) * 0.5
    twin = Someone(subject.posed, subject.outfit, (before[0], before[1], before[2]))
    assert rendered([replace(free, people=(subject, twin))])[0].visible.sum() < shown.sum()
    assert not rendered([replace(free, uncovered=np.zeros(len(BODY25), bool))])[0].visible.any()


def test_shadows_are_cast_on_the_floor_and_by_limbs(tiny_body):
    """The same person under a lamp high behind the camera: part of the floor and of the body is out of the light."""
    rng = np.random.default_rng(2)
    figures = dressed([Someone(tiny_body.someone(rng).posed(standing().pose()), random_outfit(rng))])
    toward = np.array([0.3, 0.8, 0.5], np.float32)
    white = np.ones(3, np.float32)
    light = lights([Light(toward / np.linalg.norm(toward), white, white, white)])
    K, R, t = camera_matrix(96, 96, fov_deg=50), np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0])
    seen_by = cameras(K[None], R[None], t[None], (96, 96))
    maps = shadow_maps(figures, figures.mesh(), light)
    floor = floor_shadows(maps, seen_by, figures.lowest_m())[0]
    assert 0.3 < floor.max() <= 1
    assert 0.002 < (floor > 0.15).float().mean() < 0.1
    assert floor[:40].max() == 0  # above the horizon
    image = torch.zeros(len(maps.vertices), dtype=torch.int64)
    nearer, behind = (maps.lit(maps.vertices + torch.tensor([0.0, 0.0, m]), image) for m in (5.0, -5.0))
    assert (nearer == 1).all()
    assert behind.mean() < 0.2
    assert 0.2 < maps.lit(maps.vertices, image).mean() < 0.95
    beside = torch.tensor([[-50.0, 80.0, -5.0], [1.0, 1.0, -5.0], [900.0, 3.0, -5.0]])
    assert (maps.lit(beside, torch.zeros(3, dtype=torch.int64)) == 1).all()


def test_labels_are_finite_and_depth_counts_from_the_root(tiny_body):
    """Some plans; `-m slow` renders ten thousand people."""
    for i in range(40):
        plan = random_plan(np.random.default_rng((7, i)), size_px=SIZE, sources=Sources(), body=tiny_body)
        assert np.isfinite(plan.units).all()
        assert np.isfinite(plan.depth).all()
        assert plan.depth[6] == 0


def test_a_joint_behind_the_lens_is_neither_seen_nor_taught(tiny_body, tmp_path):
    plan = random_plan(np.random.default_rng(1), size_px=SIZE, sources=Sources(), body=tiny_body)
    subject = plan.people[plan.subject]
    free = replace(plan, people=(subject,), subject=0, laid_over=None, uncovered=np.ones(len(BODY25), bool))
    assert rendered([free])[0].visible.sum() > 5
    way = plan.view.R.T @ np.array([0, 0, 1.0]) * 1e3
    far = replace(plan.view, t=plan.view.t - plan.view.R @ way)  # everybody is behind it
    assert not rendered([replace(free, view=far)])[0].visible.any()
    sample = rendered([free])[0]
    depth = sample.depth.copy()
    depth[3] = -1.2 * sample.f_over_side
    write_shard(tmp_path / "shard_0000_00000.npz", [replace(sample, depth=depth)])
    weight = read_synthetic(tmp_path)[0].weight
    assert (weight[3] == 0).all()
    assert (np.delete(weight, 3, axis=0) > 0).all()


@pytest.mark.slow
def test_of_ten_thousand_people_no_number_is_missing_and_no_seen_joint_lies_outside(tiny_body):
    for start in range(0, 10_000, 8):
        seeds = range(start, start + 8)
        plans = [
            random_plan(np.random.default_rng((8, i)), size_px=64, sources=Sources(), body=tiny_body) for i in seeds
        ]
        for sample in rendered(plans):
            assert np.isfinite(sample.units).all()
            assert np.isfinite(sample.depth).all()
            assert not (sample.visible & ~(np.abs(sample.units) < 0.5).all(axis=1)).any()
            assert sample.image_bgr.std() > 0


def test_no_body_picture_texture_or_clip_is_in_both_parts(tmp_path, tiny_body):
    train, test = (set(bodies_of(3000, split)) for split in ("train", "test"))
    assert not train & test
    assert len(train | test) == 3000
    names = [f"clip {i}" for i in range(400)]
    parts = [{n for n in names if belongs(n, split)} for split in ("train", "test")]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(names)
    assert 0.1 < len(parts[1]) / 400 < 0.2
    for i in range(40):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((80, 80, 3), 5 * i + 10, np.uint8))
    held = [SourceFolders(photos=(tmp_path,), split=split).read().photos for split in ("all", "train", "test")]
    tones = [{int(photo[0, 0, 0]) for photo in photos} for photos in held]
    assert tones[1] | tones[2] == tones[0]
    assert not tones[1] & tones[2]
    np.savez(tmp_path / "clips.npz", **{name: np.zeros((2, 17, 3), np.float32) for name in [*names, "bandai__1"]})
    clips = [len(read_motions(tmp_path / "clips.npz", split=split).clips) for split in ("all", "train", "test")]
    assert clips[1] + clips[2] == clips[0] == 400


def test_a_stopped_run_goes_on_and_any_number_of_processes_writes_the_same_shards(tmp_path, tiny_body):
    options = {"seed": 4, "size_px": SIZE, "faces": 1500, "per_shard": 5}
    stopped = write_shards(tmp_path / "a", 8, **options)
    assert [next(stopped) for _ in range(3)] == [4, 5, 8]
    stopped.close()
    assert len(list((tmp_path / "a").glob("*.npz"))) == 1
    assert list(write_shards(tmp_path / "a", 8, **options)) == [5, 8]
    assert list(write_shards(tmp_path / "b", 8, workers=2, **options))[-1] == 8
    assert [samples_in(path) for path in sorted((tmp_path / "b").glob("*.npz"))] == [5, 3]
    for name in ("shard_0004_00000.npz", "shard_0004_00001.npz"):
        a, b = read_shard(tmp_path / "a" / name), read_shard(tmp_path / "b" / name)
        assert a.jpegs == b.jpegs
        np.testing.assert_array_equal(a.units, b.units)
    read = read_synthetic(tmp_path / "a")
    assert 0 < len(read) <= 8
    shard = read_shard(tmp_path / "a" / "shard_0004_00000.npz")
    rng = np.random.default_rng((4, 0, 1, 0))
    assert shard.root_z_m[1] == pytest.approx(random_sample(rng, size_px=SIZE, body=tiny_body).root_z_m)
    first = next(s for s in read if s.name == "shard_0004_00000/1")
    np.testing.assert_allclose(first.joints_px, crop_px_from_units(shard.units[1].astype(float), SIZE), atol=1e-4)
    sheet = cv2.imread(str(people_sheet(tmp_path / "a")))
    assert sheet.shape[1] == 10 * 192


@pytest.mark.parametrize("damage", [b"", b"not a shard", None])
def test_a_damaged_or_newer_shard_is_refused_in_one_line(tmp_path, samples, damage):
    path = tmp_path / "shard_0000_00000.npz"
    write_shard(path, samples[:1])
    if damage is None:
        with np.load(path) as raw:
            np.savez(path, **{**dict(raw), "schema": 7})
    else:
        path.write_bytes(damage)
    with pytest.raises(ShardError) as caught:
        read_shard(path)
    assert "\n" not in str(caught.value)


def test_pictures_from_folders_are_used(tmp_path, tiny_body):
    green = np.zeros((120, 160, 3), np.uint8)
    green[..., 1] = 200
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), green)
    sources = SourceFolders(photos=(tmp_path / "photos",)).read()
    assert isinstance(sources, Sources)
    made = [random_sample(np.random.default_rng(i), size_px=64, sources=sources, body=tiny_body) for i in range(12)]
    greens = [np.median(s.image_bgr[..., 1].astype(int) - s.image_bgr[..., 2]) for s in made]
    assert np.sum(np.array(greens) > 60) >= 3


def test_the_clip_is_the_film_that_its_truth_describes(tmp_path, tiny_body):
    path = tmp_path / "clip.mp4"
    truth = render_clip(path, seconds=0.4, body=tiny_body)
    truth.save(tmp_path / "truth.npz")
    with av.open(str(path)) as container:
        frames = [f.to_ndarray(format="bgr24") for f in container.decode(video=0)]
        assert container.streams.video[0].average_rate == RATE
    assert len(frames) == len(truth.time_s) == 10
    assert frames[0].shape[1::-1] == SIZE_PX
    with np.load(tmp_path / "truth.npz", allow_pickle=False) as raw:
        np.testing.assert_array_equal(raw["joints_cam_m"], truth.joints_cam_m)
    lowest_m = truth.joints_cam_m[:, list(LIMB_JOINTS)]
    assert (lowest_m[..., 2] > 2).all()


def test_the_script_of_the_clip_walks_waves_and_squats(tiny_body):
    person = tiny_body.person(np.zeros(16))
    start, middle, end = (np.array(acted(t)[1]) for t in (0.2, 6.0, 13.8))
    assert start[0] < -1.5 < middle[0] < 0.1 < 1.5 < end[0]
    heights = {t: float(np.ptp(person.posed(acted(t)[0].pose()).joints[:, 1])) for t in (4.0, 8.2)}
    assert heights[8.2] < 0.8 * heights[4.0]
    wave = person.posed(acted(5.5)[0].pose()).joints
    assert wave[10, 1] > wave[12, 1]
    assert abs(acted(6.0)[2]) < 1e-9  # looks at the camera
    assert acted(1.0)[2] > 0.5


def test_labels_of_a_sample_are_consistent_types(samples):
    assert all(isinstance(s, Synthetic) for s in samples)
    assert {s.units.dtype for s in samples} == {np.dtype(np.float32)}


def test_empty_scenes_show_clothes_and_teach_that_nobody_is_there(tmp_path):
    list(write_shards(tmp_path, 6, seed=4, size_px=96, faces=1500, empty=True))
    (found,) = find_datasets([tmp_path])
    assert (found.kind, len(found.samples)) == ("background", 6)
    assert all(sample.box is None and not sample.weight.any() for sample in found.samples)
    shard = read_shard(tmp_path / "shard_0004_00000.npz")
    assert shard.empty
    assert not shard.visible.any()
    list(write_shards(tmp_path / "people", 6, seed=4, size_px=96, faces=1500))
    people = read_shard(tmp_path / "people" / "shard_0004_00000.npz")
    assert [a != b for a, b in zip(shard.jpegs, people.jpegs, strict=True)] == [True] * 6
