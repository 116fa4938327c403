import hashlib

import numpy as np
import pytest

from engine.skeleton import LSP14_TO_MPII16
from train.datasets.found import find_datasets
from train.datasets.labelled2d import DatasetError, frozen_list, read_labelled2d, torso_labelled
from train.datasets.openpose import read_labelled_videos


def test_lsp_joints_land_where_mpii16_has_them(tiny_lsp):
    folder, joints = tiny_lsp
    sample = read_labelled2d(folder)[0]
    assert np.allclose(sample.joints_px[list(LSP14_TO_MPII16)], joints[0, :, :2])
    assert np.allclose(sample.joints_px[6], joints[0, 2:4, :2].mean(axis=0))


def test_unlabelled_joints_weigh_nothing_and_poor_people_are_left_out(tiny_lsp):
    samples = read_labelled2d(tiny_lsp[0])
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
    test, validation = frozen_list("lspet_test_500"), frozen_list("lspet_validation_300")
    assert (len(test), len(validation)) == (500, 300)
    assert not test & validation


def test_the_frozen_lists_are_the_smallest_hashes_of_the_real_names(shared_data):
    samples = read_labelled2d(shared_data / "labelled2d" / "lspet")
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
