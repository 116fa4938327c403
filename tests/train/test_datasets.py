import hashlib
import json
from importlib import resources

import numpy as np
import pytest

from engine.skeleton import LSP14_TO_MPII16
from train.datasets.coco import read_person_free, read_person_free_squares
from train.datasets.found import find_datasets
from train.datasets.labelled2d import (
    TEST_LISTS,
    VALIDATION_LISTS,
    DatasetError,
    frozen_list,
    judged_names,
    read_labelled2d,
    torso_labelled,
)
from train.datasets.openpose import read_labelled_videos


def test_lsp_joints_land_where_mpii16_has_them(tiny_lsp):
    folder, joints = tiny_lsp
    sample = read_labelled2d(folder).human[0]
    assert np.allclose(sample.joints_px[list(LSP14_TO_MPII16)], joints[0, :, :2])
    assert np.allclose(sample.joints_px[6], joints[0, 2:4, :2].mean(axis=0))


def test_unlabelled_joints_weigh_nothing_and_poor_people_are_left_out(tiny_lsp):
    samples = read_labelled2d(tiny_lsp[0]).human
    assert len(samples) == 2
    assert not samples[1].weight[2].any()
    assert not samples[1].weight[6].any()  # a pelvis needs both hips
    assert [torso_labelled(s) for s in samples] == [True, False]


def test_folders_are_told_by_their_content(tiny_lsp, tmp_path_factory):
    found = find_datasets([tiny_lsp[0]])
    assert [(f.kind, len(f.samples)) for f in found] == [("labelled", 2)]
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DatasetError, match="holds no data set"):
        find_datasets([empty])
    with pytest.raises(DatasetError, match="no folder"):
        find_datasets([empty / "missing"])
    with pytest.raises(DatasetError, match="openpose"):
        read_labelled_videos(empty)


def test_the_frozen_lists_are_disjoint_and_complete():
    names = [*TEST_LISTS, *VALIDATION_LISTS.values()]
    assert [len(frozen_list(name)) for name in names] == [500, 228, 300, 199]
    assert len(frozenset().union(*map(frozen_list, names))) == 1227
    assert judged_names() == frozen_list("lspet_test_500") | frozen_list("coco_test_228")


def test_the_lists_of_coco_are_those_of_its_picture_numbers(shared_data):
    with np.load(shared_data / "labelled2d" / "coco_new" / "coco_new_joints.npz") as table:
        names, number = table["image"], table["coco_id"]
    assert frozen_list("coco_test_228") == set(names[number % 10 == 0])
    assert frozen_list("coco_validation_199") == set(names[number % 10 == 5])


def test_the_frozen_lists_are_the_smallest_hashes_of_the_real_names(shared_data):
    samples = read_labelled2d(shared_data / "labelled2d" / "lspet").human
    names = sorted((s.name for s in samples if torso_labelled(s)), key=lambda n: hashlib.sha256(n.encode()).hexdigest())
    assert set(names[:500]) == frozen_list("lspet_test_500")
    assert set(names[500:800]) == frozen_list("lspet_validation_300")


def test_openpose_joints_are_taken_by_name(shared_data):
    videos = read_labelled_videos(shared_data / "multiview" / "pose2sim_balance_cam12")
    assert [v.path.stem for v in videos] == ["cam01", "cam02"]
    joints = videos[0].joints
    assert joints.shape == (100, 16, 3)
    assert np.isnan(joints[:, 9, :2]).all()  # no head top in OpenPose
    shoulder, hip, knee, ankle = np.nanmedian(joints[:, (13, 3, 4, 5), 1], axis=0)
    assert shoulder < hip < knee < ankle
    reference_m = videos[0].reference_m
    assert reference_m is not None
    thigh_m = np.linalg.norm(reference_m[:, 2] - reference_m[:, 1], axis=1)
    assert 0.38 < np.median(thigh_m) < 0.46
    assert np.isnan(reference_m[:, 9]).all()


def test_squares_without_people_touch_nobody_and_no_training_sees_their_pictures(shared_data):
    folder = shared_data / "labelled2d" / "coco_mini"
    squares = read_person_free_squares(folder)
    assert len(squares) == 317
    text = resources.files("train.datasets").joinpath("lists", "coco_mini_person_free.txt").read_text(encoding="utf-8")
    names = [line.split()[0] for line in text.splitlines() if not line.startswith("#")]
    assert not set(names) & {sample.name for sample in read_person_free(folder)}
    people = {}
    for table in folder.glob("annotations/instances_*.json"):
        content = json.loads(table.read_text())
        file_of = {image["id"]: image["file_name"] for image in content["images"]}
        for label in content["annotations"]:
            if label["category_id"] == 1:
                people.setdefault(file_of[label["image_id"]], []).append(label["bbox"])
    for name, (_, box, _) in zip(names, squares, strict=True):
        left, top = box.center_px - box.side_px / 2
        for x, y, w, h in people[name]:
            assert left + box.side_px <= x or left >= x + w or top + box.side_px <= y or top >= y + h
