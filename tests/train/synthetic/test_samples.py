"""Rendered people: labels that fit the picture, seeds that give it again, files that survive."""

import av
import cv2
import numpy as np
import pytest

from engine.crop import camera_matrix, crop_px_from_units
from engine.skeleton import LIMB_JOINTS
from train.datasets.synthetic import read_synthetic
from train.plots import people_sheet
from train.synthetic.clip import RATE, SIZE_PX, acted, render_clip
from train.synthetic.compose import composed, drawn
from train.synthetic.figure import dressed, paint_of, random_light
from train.synthetic.motion import standing
from train.synthetic.outfit import random_outfit
from train.synthetic.sample import Synthetic, random_sample
from train.synthetic.shards import ShardError, read_shard, write_shard, write_shards
from train.synthetic.sources import Sources, read_sources

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
        assert 0.8 < sample.root_z_m < 60
        inside = (np.abs(sample.units) < 0.5).all(axis=1)
        assert not (sample.visible & ~inside).any()
    assert 0.4 < np.mean([s.visible.mean() for s in samples]) < 0.98


def test_the_same_seed_gives_the_same_picture_and_another_one_another(samples, tiny_body):
    again = random_sample(np.random.default_rng(0), size_px=SIZE, body=tiny_body)
    np.testing.assert_array_equal(again.image_bgr, samples[0].image_bgr)
    np.testing.assert_array_equal(again.units, samples[0].units)
    assert np.abs(samples[1].image_bgr.astype(int) - samples[0].image_bgr).mean() > 3


def test_joints_lie_on_the_drawn_person(tiny_body):
    """A standing person alone, no background: every projected joint falls on the silhouette."""
    rng = np.random.default_rng(5)
    posed = tiny_body.someone(rng).posed(standing().pose())
    figure = dressed(posed, random_outfit(rng, paint_of(tiny_body).marks))
    K, size = camera_matrix(160, 200, fov_deg=40), (160, 200)
    R, t = np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 4.0])
    picture, _ = drawn([figure], random_light(rng), K, R, t, size)
    black, bright = np.zeros((200, 160, 3), np.uint8), np.ones((200, 160), np.float32)
    seen = composed(picture, black, bright, exposure=1.0)
    silhouette = cv2.dilate((seen.max(axis=2) > 8).astype(np.uint8), np.ones((3, 3), np.uint8))
    cam = posed.joints @ R.T + t
    px = np.round(cam @ K.T / cam[:, 2:])[:, :2].astype(int)
    assert silhouette[px[:, 1], px[:, 0]].all()
    assert 0.03 < silhouette.mean() < 0.5


def test_shards_come_back_and_a_stopped_run_goes_on(tmp_path, tiny_body):
    options = {"seed": 4, "size_px": SIZE, "body": tiny_body, "per_shard": 3}
    stopped = write_shards(tmp_path / "a", 6, **options)
    assert [next(stopped) for _ in range(4)] == [1, 2, 3, 4]
    stopped.close()
    assert len(list((tmp_path / "a").glob("*.npz"))) == 1
    assert list(write_shards(tmp_path / "a", 6, **options)) == [3, 4, 5, 6]
    assert list(write_shards(tmp_path / "b", 6, **options)) == [1, 2, 3, 4, 5, 6]
    for name in ("shard_0004_00000.npz", "shard_0004_00001.npz"):
        a, b = read_shard(tmp_path / "a" / name), read_shard(tmp_path / "b" / name)
        assert a.jpegs == b.jpegs
        np.testing.assert_array_equal(a.units, b.units)
    read = read_synthetic(tmp_path / "a")
    assert 0 < len(read) <= 6
    shard = read_shard(tmp_path / "a" / "shard_0004_00000.npz")
    rng = np.random.default_rng((4, 0, 1))
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
    sources = read_sources(photos=[tmp_path / "photos"])
    assert isinstance(sources, Sources)
    made = [random_sample(np.random.default_rng(i), size_px=64, sources=sources, body=tiny_body) for i in range(12)]
    greens = [np.median(s.image_bgr[..., 1].astype(int) - s.image_bgr[..., 2]) for s in made]
    assert np.sum(np.array(greens) > 100) >= 3


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
