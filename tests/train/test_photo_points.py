"""What a teacher network adds to photos: depth, feet, face and hands, and whose label has its sides exchanged."""

import numpy as np
import pytest

from engine.crop import crop_camera
from engine.skeleton import (
    BODY25,
    EXTREMITIES,
    L_EAR,
    L_TOE,
    LIMB_JOINTS,
    LSP14_TO_MPII16,
    MPII16,
    NOSE,
    R_ANKLE,
    R_HEEL,
    R_TOE,
)
from tests.train.conftest import lsp_joints, write_lsp
from train.augment import Augmentation, augmented, labels_in, plain
from train.datasets.labelled2d import DatasetError, exchanged_by, read_labelled2d
from train.datasets.photo_points import LIMBS, POINTS, TEACHER_WEIGHT
from train.datasets.sample import assumed_camera

SIZE = 200  # of the photos that write_lsp makes


@pytest.fixture
def photos(tmp_path):
    """Two photos, the first with everything that a teacher says, agreeing with the labels."""
    joints = lsp_joints(2)
    write_lsp(tmp_path, joints)
    with np.load(tmp_path / "a_joints.npz") as raw:
        table = dict(raw)
    rng = np.random.default_rng(3)
    world = rng.normal(0, 0.3, (2, 33, 3))
    px = rng.uniform(20, 180, (2, 33, 2))
    mpii = np.zeros((2, 16, 2))
    mpii[:, list(LSP14_TO_MPII16)] = joints[:, :, :2]
    px[:, list(LIMBS)] = mpii[:, list(LIMB_JOINTS)]
    depth = np.zeros((2, 16))
    depth[:, list(LIMB_JOINTS)] = 150.0 * world[:, list(LIMBS), 2]  # px per metre
    teacher = {
        "image": table["image"], "px33": px, "world33_m": world,
        "mirror_px_over_torso": np.full((2, 33), 0.03), "mirror_depth_m": np.full((2, 33), 0.05),
    }  # fmt: skip
    depths = {"image": table["image"], "rel_depth_px": depth, "depth_weight": np.ones((2, 16))}
    return tmp_path, table, depths, teacher


def written(folder, depths=None, teacher=None):
    if depths is not None:
        np.savez(folder / "a_depth.npz", **depths)
    if teacher is not None:
        np.savez(folder / "a_teacher.npz", **teacher)
    return read_labelled2d(folder).human


def test_without_tables_a_photo_teaches_what_is_labelled(photos):
    sample = written(photos[0])[0]
    assert len(sample.joints_px) == len(BODY25)
    assert not sample.weight[list(EXTREMITIES)].any()
    assert not sample.weight[:, 2].any()


def test_feet_face_and_hands_are_the_teachers_where_it_agrees(photos):
    folder, _, depths, teacher = photos
    teacher["mirror_px_over_torso"][0, 32] = 0.5  # the right toe, elsewhere in the mirror image
    depths["depth_weight"][0, 5] = 0  # the left ankle, placed beside its label
    sample = written(folder, depths, teacher)[0]
    taught = [joint for joint in EXTREMITIES if sample.weight[joint, 0] > 0]
    assert taught == [joint for joint in EXTREMITIES if joint not in (R_TOE, L_TOE, BODY25.names.index("l_heel"))]
    for joint in taught:
        rows = POINTS[joint - len(MPII16)]
        np.testing.assert_allclose(sample.joints_px[joint], teacher["px33"][0, list(rows)].mean(0), atol=0.01)
        assert sample.weight[joint, 0] == TEACHER_WEIGHT


def test_depth_is_that_of_the_definition(photos):
    folder, _, depths, teacher = photos
    sample = written(folder, depths, teacher)[0]
    f_px = float(assumed_camera(SIZE, SIZE)[0, 0])
    rows = list(LIMB_JOINTS)
    np.testing.assert_allclose(sample.relative_depth[rows] * f_px, depths["rel_depth_px"][0, rows], atol=1e-3)
    heel_px = 150.0 * teacher["world33_m"][0, 30, 2]
    np.testing.assert_allclose(sample.relative_depth[R_HEEL] * f_px, heel_px, atol=0.1)
    assert (sample.weight[rows, 2] == TEACHER_WEIGHT).all()
    target, _ = labels_in(crop_camera(sample.box, sample.K, 96), sample)
    # (Z_j - Z_root) / Z_root * f_crop / side, nearly pixels over the box's side where the crop is hardly turned
    assert target[R_ANKLE, 2] == pytest.approx(depths["rel_depth_px"][0, 0] / sample.box.side_px, rel=0.25, abs=0.03)


def test_depth_of_a_joint_without_a_label_is_not_taught(photos):
    folder, table, depths, teacher = photos
    table["joints"][0, 0] = (np.nan, np.nan, 0)
    np.savez(folder / "a_joints.npz", **table)
    sample = written(folder, depths, teacher)[0]
    assert not sample.weight[R_ANKLE].any()
    assert sample.weight[1, 2] == TEACHER_WEIGHT


def test_points_outside_the_picture_are_not_taught(photos):
    folder, _, depths, teacher = photos
    teacher["px33"][0, 0] = (250, 50)
    assert not written(folder, depths, teacher)[0].weight[NOSE].any()


def test_coco_has_nose_and_ears_by_hand(photos):
    folder, table, depths, teacher = photos
    coco = np.zeros((2, 17, 3))
    coco[0, 0], coco[0, 3] = (50, 60, 2), (40, 62, 1)
    np.savez(folder / "a_joints.npz", **table, coco17=coco)
    sample = written(folder, depths, teacher)[0]
    assert sample.joints_px[NOSE].tolist() == [50, 60]
    assert sample.weight[[NOSE, L_EAR], 0].tolist() == [1.0, 1.0]


def test_a_table_of_other_photos_is_refused(photos):
    folder, _, depths, _ = photos
    with pytest.raises(DatasetError, match=r"rows are not those of a_joints\.npz"):
        written(folder, {**depths, "image": depths["image"][::-1]})


def test_each_row_says_who_labelled_it(photos):
    folder, table, *_ = photos
    np.savez(folder / "a_joints.npz", **table, label_kind=np.array(["pseudo", "human"]))
    read = read_labelled2d(folder)
    assert ([s.name for s in read.human], [s.name for s in read.pseudo]) == (["a/1.jpg"], ["a/0.jpg"])
    assert read.pseudo[0].weight[9, 0] < read.human[0].weight[9, 0]  # its head was computed
    np.savez(folder / "a_joints.npz", **table, label_kind=np.array(["robot", "human"]))
    with pytest.raises(DatasetError, match="label_kind is human or pseudo, not robot"):
        read_labelled2d(folder)


def test_a_teacher_says_whether_sides_are_exchanged():
    joints = np.zeros((16, 2), np.float32)
    joints[list(MPII16.left)] = (300, 0)
    labelled = np.ones(16, bool)
    limbs = list(LIMB_JOINTS)
    assert exchanged_by(joints[limbs], joints, labelled) == -1.0
    assert exchanged_by(joints[MPII16.mirror][limbs], joints, labelled) == 1.0
    labelled[2] = False  # the right hip: there is no torso to measure with
    assert np.isnan(exchanged_by(joints[limbs], joints, labelled))


def test_a_person_of_unsure_width_is_stretched_with_the_labels(stick_figure):
    from dataclasses import replace

    sample, options = stick_figure(1), Augmentation(0.0, shift=0, log_scale=0, roll_deg=0, flip=False)
    widths = []
    for seed in range(8):
        crop = augmented(replace(sample, stretch=0.125), 192, np.random.default_rng(seed), options)
        known = np.flatnonzero(crop.weight[:, 0] > 0)
        px = np.round((crop.target[known, :2] + 0.5) * 192 - 0.5).astype(int)
        assert np.mean(crop.image_bgr[px[:, 1].clip(0, 191), px[:, 0].clip(0, 191)].mean(axis=1) > 120) > 0.8
        widths.append(np.ptp(crop.target[known, 0]) / np.ptp(crop.target[known, 1]))
    assert max(widths) / min(widths) > 1.08


def test_samples_fit_networks_of_either_skeleton(stick_figure, photos):
    few, many = stick_figure(1), written(*[photos[0], *photos[2:]])[0]
    assert plain(few, 64).with_joints(25).weight[16:].any() == False  # noqa: E712
    np.testing.assert_array_equal(plain(few, 64).with_joints(25).target[:16], plain(few, 64).target)
    np.testing.assert_array_equal(plain(many, 64).with_joints(16).target, plain(many, 64).target[:16])
    assert few.with_joints(BODY25).skeleton is BODY25


def test_a_flip_exchanges_the_sides_of_all_joints(photos):
    sample = written(*[photos[0], *photos[2:]])[0]
    options = Augmentation(0.0, shift=0, log_scale=0, roll_deg=0)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        if rng.random() < 0.5:  # the flip's own draw
            crop, whole = augmented(sample, 96, np.random.default_rng(seed), options), plain(sample, 96)
            both = (crop.weight[:, 0] > 0) & (whole.weight[BODY25.mirror, 0] > 0)
            if np.abs(crop.target[both, 0] + whole.target[BODY25.mirror][both, 0]).max() < 0.02:
                return
    raise AssertionError("no crop was the mirror image")
