"""Packs: data sets and sources in one file, with labels that still fit the pictures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.crop import Box
from train.augment import plain
from train.datasets.found import find_datasets
from train.datasets.labelled2d import DatasetError
from train.datasets.pack import PackedSet, PackError, read_pack, shrunk, write_pack
from train.datasets.sample import background
from train.synthetic.retarget import Motions
from train.synthetic.sample import random_sample
from train.synthetic.shards import write_shard
from train.synthetic.sources import SourceError, SourceFolders, Sources
from train.synthetic.split import belongs


def test_a_packed_sample_gives_the_crop_that_the_original_gives(stick_figure):
    sample = stick_figure(3)
    small = shrunk(sample, 96)
    assert small.box is not None
    assert small.box.side_px < 97 < 190 < sample.box.side_px
    assert len(small.jpeg) < len(sample.jpeg)
    a, b = plain(sample, 64), plain(small, 64)
    np.testing.assert_allclose(b.target, a.target, atol=1e-3)
    np.testing.assert_array_equal(b.weight, a.weight)
    assert np.abs(a.image_bgr.astype(int) - b.image_bgr).mean() < 6


def test_a_person_in_a_large_photo_is_cut_out_with_some_surroundings(stick_figure):
    sample = stick_figure(1)
    far = Box(sample.joints_px[:3].mean(axis=0).astype(float), 30.0)
    small = shrunk(replace(sample, box=far), 192)
    height, width = small.image_bgr().shape[:2]
    assert 60 <= max(height, width) <= 76  # 2.4 times the box, and never enlarged
    a, b = plain(replace(sample, box=far), 48), plain(small, 48)
    np.testing.assert_allclose(b.target, a.target, atol=1e-3)


def test_packs_come_back_and_are_data_sets(tmp_path, stick_figure):
    people = [stick_figure(i) for i in range(5)]
    empty = background("room", cv2.imencode(".jpg", np.full((80, 120, 3), 90, np.uint8))[1].tobytes())
    sets = [PackedSet("0 lspet", "labelled", people), PackedSet("1 photos", "background", [empty])]
    packed = write_pack(tmp_path / "p.zip", sets, size_px=64)
    assert packed.taken == {"0 lspet": (5, 5), "1 photos": (1, 1)}
    found = find_datasets([tmp_path / "p.zip"])
    assert [(f.folder.name, f.kind, len(f.samples)) for f in found] == [
        ("lspet", "labelled", 5),
        ("photos", "background", 1),
    ]
    assert [s.name for s in found[0].samples] == [s.name for s in people]
    assert found[1].samples[0].box is None
    again = read_pack(tmp_path / "p.zip")[0].samples[2]
    one = shrunk(people[2], 64)
    np.testing.assert_array_equal(again.joints_px, one.joints_px)
    np.testing.assert_array_equal(again.K, one.K)
    np.testing.assert_array_equal(again.weight, one.weight)
    assert again.jpeg == one.jpeg


def test_rendered_people_fill_what_is_left_and_photos_are_never_left_out(tmp_path, stick_figure):
    people = [stick_figure(i) for i in range(30)]
    sets = [PackedSet("s", "synthetic", people), PackedSet("l", "labelled", people[:4])]
    packed = write_pack(tmp_path / "p.zip", sets, size_px=64, limit_mb=0.02)
    assert packed.taken["l"] == (4, 4)
    assert 0 < packed.taken["s"][0] < 30
    assert packed.size_mb <= 0.02
    with pytest.raises(PackError, match="the photos alone make"):
        write_pack(tmp_path / "q.zip", [PackedSet("l", "labelled", people)], size_px=64, limit_mb=0.01)
    assert [p.name for p in tmp_path.iterdir()] == ["p.zip"]


def test_sources_travel_with_their_split_and_the_body(tmp_path):
    rng = np.random.default_rng(0)
    photo = np.full((90, 70, 3), (10, 120, 200), np.uint8)
    cutout = np.dstack([photo[:40, :40], np.full((40, 40), 255, np.uint8)])
    cutout[:10, :, 3] = 0
    clips = tuple(rng.normal(size=(n, 17, 3)).astype(np.float32) for n in (4, 7))
    sources = Sources((photo,), (photo,), (cutout, cutout[12:]), Motions(clips), "train")
    write_pack(tmp_path / "p.zip", [], size_px=0, sources=sources)
    read = SourceFolders(split="train", pack=tmp_path / "p.zip").read()
    assert np.abs(read.photos[0].astype(int) - photo).max() < 12
    assert read.cutouts[0].shape == (40, 40, 4)
    assert (read.cutouts[0][:8, :, 3] < 30).all()
    assert (read.cutouts[1][:, :, 3] == 255).all()
    assert read.motions is not None
    np.testing.assert_allclose(read.motions.clips[1], clips[1], atol=2e-3)
    with pytest.raises(SourceError, match="--split train"):
        SourceFolders(split="test", pack=tmp_path / "p.zip").read()
    assert find_datasets([tmp_path / "p.zip"]) == []


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_pack_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "p.zip"
    if content is None:
        np.savez(path, a=1)
        path = tmp_path / "p.zip.npz" if not path.exists() else path
    else:
        path.write_bytes(content)
    with pytest.raises(PackError) as caught:
        read_pack(path)
    assert "\n" not in str(caught.value)


def test_pictures_of_the_test_part_teach_nothing(tmp_path):
    for i in range(40):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), np.full((80, 80, 3), 90, np.uint8))
    names = {s.name for s in find_datasets([tmp_path])[0].samples}
    assert names == {f"{i}.jpg" for i in range(40) if belongs(f"{i}.jpg", "train")}
    assert 25 < len(names) < 40


def test_people_to_be_judged_by_are_refused_as_training_data(tmp_path):
    from train.synthetic.body import load_body

    sample = random_sample(np.random.default_rng(0), size_px=48, body=load_body(faces=1500))
    write_shard(tmp_path / "shard_0000_00000.npz", [sample], split="test")
    with pytest.raises(DatasetError, match="to judge by"):
        find_datasets([tmp_path])
