"""Data sets as tars: in a folder, and in a store that is not a disk, they give what they were made of."""

import json
import tarfile

import fsspec
import numpy as np
import pytest
import torch

from run import main
from train.augment import Augmentation
from train.datasets.found import find_datasets
from train.datasets.labelled2d import DatasetError
from train.datasets.pack import PackedSet
from train.datasets.sample import background
from train.datasets.tars import read_tars, write_tars
from train.stream import CropStream, Pool, loader


@pytest.fixture
def sets(stick_figure):
    people = [stick_figure(seed) for seed in range(7)]
    return [
        PackedSet("0 people", "labelled", people),
        PackedSet("1 rooms", "background", [background("r", people[0].jpeg)]),
    ]


@pytest.fixture(params=["folder", "store"])
def url(request, tmp_path):
    yield str(tmp_path / "tars") if request.param == "folder" else "memory://bucket/tars"
    fsspec.filesystem("memory").store.clear()


def test_what_comes_out_is_what_went_in(sets, url):
    seen = []
    assert write_tars(url, sets, step=lambda *now: seen.append(now), tar_mb=0.03) > 2
    assert seen[-1][:2] == (8, 8)
    again = read_tars(url)
    assert [(s.name, s.kind, len(s.samples)) for s in again] == [
        ("0 people", "labelled", 7),
        ("1 rooms", "background", 1),
    ]
    for before, after in zip(sets[0].samples, again[0].samples, strict=True):
        assert after.encoded() == before.encoded()
        assert after.name == before.name
        assert np.array_equal(after.joints_px, before.joints_px)
        assert after.box.side_px == before.box.side_px
    assert again[1].samples[0].box is None


def test_a_training_sees_the_same_crops_from_tars_as_from_memory(sets, url):
    write_tars(url, sets[:1], step=lambda *_: None, tar_mb=0.03)

    def crops(samples, workers):
        pools = [Pool("labelled", samples, 1.0)]
        stream = CropStream(pools, size_px=64, batch=3, seed=1, options=Augmentation())
        made = iter(loader(stream, workers=workers))
        return [next(made)["image"] for _ in range(2)]

    workers = 0 if url.startswith("memory") else 1
    here, there = crops(sets[0].samples, 0), crops(read_tars(url)[0].samples, workers)
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))


def test_the_tars_are_plain(sets, tmp_path):
    write_tars(str(tmp_path), sets[:1], step=lambda *_: None)
    with tarfile.open(tmp_path / "0_people-00000.tar") as tar:
        assert tar.getnames() == [f"{k:09d}.jpg" for k in range(7)]
        assert tar.extractfile("000000003.jpg").read() == sets[0].samples[3].jpeg


def test_the_command_writes_them_and_a_training_finds_them(small_lsp, tmp_path, capsys):
    assert main(["pretrain", str(small_lsp), "--shards", str(tmp_path / "t")]) == 0
    assert "wrote 1 tars" in capsys.readouterr().out
    found = find_datasets([tmp_path / "t"])
    assert [(f.kind, len(f.samples)) for f in found] == [("labelled", 200)]


def test_what_is_not_there_or_newer_is_said_in_one_line(sets, tmp_path):
    with pytest.raises(DatasetError, match=r"memory://nowhere holds no tars of this program \(FileNotFoundError"):
        read_tars("memory://nowhere")
    write_tars(str(tmp_path), sets, step=lambda *_: None)
    index = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps({**index, "schema": 2}))
    with pytest.raises(DatasetError, match="has schema 2, this program reads 1"):
        read_tars(str(tmp_path))
    (tmp_path / "index.json").write_text(json.dumps(index))
    (tmp_path / "0_people-00000.tar").unlink()
    with pytest.raises(FileNotFoundError):
        read_tars(str(tmp_path))[0].samples[0].image_bgr()
