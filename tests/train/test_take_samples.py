"""A labelled take as training samples: the right joints in the right crops, and nothing of the held-out part."""

import numpy as np
import pytest

from engine.crop import crop_camera, crop_labels
from engine.skeleton import ROOT
from realtime.takes import open_take
from tests.realtime.takes.walked_take import Scene
from tests.train.true_labels import labelled_take
from train.augment import Augmentation, labels_in, plain
from train.datasets import takes
from train.datasets.takes import backgrounds, read_take
from train.own_rig.labels import read_labels, write_labels
from train.stream import CropStream, Pool


def quiet(done, total=None, text=""):
    pass


@pytest.fixture(scope="module")
def scene():
    return Scene(seconds=4.0)


@pytest.fixture(scope="module")
def folder(scene, tmp_path_factory):
    return labelled_take(scene, tmp_path_factory.mktemp("takes") / "t")


@pytest.fixture(scope="module")
def samples(folder):
    return read_take(folder, step=quiet)


def test_a_samples_labels_are_the_joints_in_its_crop(scene, samples):
    for sample in samples[::7]:
        _, name, frame = sample.name.split("/")
        number = list(scene.cameras).index(name)
        true_m = scene.people_m(number)[int(frame), 0]
        camera = crop_camera(sample.box, sample.K, 128)
        target, weight = labels_in(camera, sample)
        # the cut picture is a camera with the same axes, so the truth needs no other transform
        units, depth = crop_labels(camera, true_m, root=ROOT)
        assert np.abs(target[:, :2] - units).max() < 2e-3
        assert np.abs(target[:, 2] - depth).max() < 2e-3
        assert (weight == 1).all()


def test_the_picture_shows_the_joints_where_the_labels_say(samples):
    for sample in samples[::9]:
        image = sample.image_bgr().astype(int)
        x, y = np.round(sample.joints_px[7]).astype(int)
        around = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].reshape(-1, 3)
        assert np.abs(around - (70, 70, 70)).sum(axis=1).max() > 100  # a bone, not the wall


def test_nothing_of_the_held_out_part_or_of_the_gap_comes_out(folder, samples):
    take = open_take(folder)
    end_s = take.parts().train_s[1]
    assert {sample.name.split("/")[1] for sample in samples} == {"cam0", "cam1"}
    for sample in samples:
        _, name, frame = sample.name.split("/")
        assert take.cameras[name].take_time_s[int(frame)] < end_s
    assert end_s <= take.parts().held_out_s[0] - 0.99


def test_pictures_are_cut_once_and_again_when_the_labels_change(scene, tmp_path, monkeypatch):
    folder = labelled_take(Scene(seconds=2.0), tmp_path / "t")
    cut = []
    whole = takes._cut_all
    monkeypatch.setattr(takes, "_cut_all", lambda *a: cut.append(1) or whole(*a))
    first = read_take(folder, step=quiet)
    again = read_take(folder, step=quiet)
    assert len(cut) == 2
    assert [s.jpeg for s in first] == [s.jpeg for s in again]
    assert np.array_equal(first[0].K, again[0].K)
    labels = read_labels(folder)
    labels.flags[0, 0] = 2
    write_labels(folder, labels)
    read_take(folder, step=quiet)
    assert len(cut) == 4


def test_the_stream_takes_them_with_the_papers_occlusion(samples):
    options = Augmentation(occlusion=1.0)
    stream = CropStream([Pool("take", samples, 1.0)], size_px=64, batch=8, seed=1, options=options)
    batch = next(iter(stream))
    assert batch["image"].shape == (8, 3, 64, 64)
    assert (batch["weight"].sum(dim=(1, 2)) > 0).all()
    assert plain(samples[0], 64).presence == 1.0


def test_the_room_without_the_person_is_the_room(folder):
    take = open_take(folder)
    for room in backgrounds(take, ("cam0", "cam1")):
        below = room[20:].astype(int)
        wall = np.abs(below - 70).max(axis=2) < 12
        floor = np.abs(below - 95).max(axis=2) < 12
        assert (wall | floor).mean() > 0.9


def test_the_held_out_part_comes_out_for_what_judges_and_nothing_else(folder, samples):
    take = open_take(folder)
    judged = read_take(folder, step=quiet, part="held out")
    assert judged
    for sample in judged:
        _, name, frame = sample.name.split("/")
        assert take.parts().held_out(take.cameras[name].take_time_s[[int(frame)]]).all()
    assert not {sample.name for sample in judged} & {sample.name for sample in samples}
