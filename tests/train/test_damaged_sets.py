"""Damaged data sets: each fault is one line that names file and record, and nothing in a file is run."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from engine.errors import UserError
from tests.train.conftest import lsp_joints, write_lsp
from tests.train.distributed_run import BATCH, TINY, recipe
from tests.train.miniature_sets import (
    npz_with_a_hostile_pickle,
    write_coco,
    write_human36m,
    write_inf3dhp,
    write_mpii_json,
    write_mpii_release,
)
from tests.train.miniature_sets import write_lsp as write_published_lsp
from train.datasets.coco_people import read_coco_people
from train.datasets.found import find_datasets
from train.datasets.human36m import read_human36m
from train.datasets.inf3dhp import read_inf3dhp
from train.datasets.labelled2d import DatasetError, read_labelled2d
from train.datasets.lsp import read_lsp
from train.datasets.mpii import read_mpii
from train.datasets.pickles import read_object_array
from train.fit import fit
from train.stream import Pool


def test_damaged_records_are_counted_and_named(tmp_path):
    write_mpii_json(tmp_path, train=8)
    table = tmp_path / "annot" / "train.json"
    entries = json.loads(table.read_text())
    (tmp_path / "images" / entries[0]["image"]).unlink()
    (tmp_path / "images" / entries[1]["image"]).write_bytes(b"not a picture")
    entries[2]["joints"][4] = [float("nan"), 3.0]
    entries[3]["joints"] = entries[3]["joints"][:9]
    entries[4]["joints_vis"] = [1] * 5 + [0] * 11
    table.write_text(json.dumps(entries))
    reading = read_mpii(tmp_path)
    assert len(reading.samples) == 3
    said = "\n".join(reading.lines())
    for number, reason in (
        (0, "its picture is missing"),
        (1, "its picture is no readable JPEG"),
        (2, "a labelled joint is not a number"),
        (3, "its joints are not 16 pairs"),
        (4, "fewer than 6 joints are labelled"),
    ):
        assert f"1 left out, {reason}" in said
        assert f"{entries[number]['image']} #{number}" in said
    assert find_datasets([tmp_path])[0].left_out == tuple(reading.lines())


def test_damaged_files_end_in_one_line_that_names_them(tmp_path):
    pytest.importorskip("h5py")
    for name, damage, read in (
        ("annot/train.json", lambda p: p.write_text("[]"), read_mpii),
        ("annot/train.json", lambda p: p.write_text('{"a": 1}'), read_mpii),
        ("joints.mat", lambda p: p.write_bytes(b"nothing"), read_lsp),
        ("joints.mat", lambda p: savemat(p, {"joints": np.zeros((3, 5, 2))}), read_lsp),
        ("mpii_human_pose_v1_u12_1.mat", lambda p: savemat(p, {"OTHER": 1}), read_mpii),
        ("TS1/annot_data.mat", lambda p: p.write_bytes(b"nothing"), read_inf3dhp),
        ("annotations/person_keypoints_val2017.json", lambda p: p.write_text("{}"), read_coco_people),
    ):
        folder = tmp_path / name.replace("/", "_") / str(abs(hash(damage)))
        (folder / name).parent.mkdir(parents=True)
        damage(folder / name)
        with pytest.raises(DatasetError) as caught:
            read(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_human36ms_damage_is_named(tmp_path):
    folder = write_human36m(tmp_path, moments=2)
    table = folder / "annotation_body3d" / "fps50" / "h36m_train.npz"
    held = dict(np.load(table))
    held["S"][0, 3, 1] = np.nan
    held["S"][1, :, 2] = -1
    held["imgname"][2] = "picture.jpg"
    np.savez(table, **held)
    said = "\n".join(read_human36m(folder, "train").lines())
    assert "a joint is not a number: S1/S1_Eating_1.54138969" in said
    assert "a joint lies behind its camera" in said
    assert "its name says no subject, action, camera and frame: picture.jpg" in said
    held["S"] = held["S"][:, :16]
    np.savez(table, **held)
    with pytest.raises(DatasetError, match=r"S \(16, 16, 4\); wanted"):
        read_human36m(folder, "train")


class Hostile:
    def __reduce__(self):
        return (__import__("os").system, ("echo hacked > /tmp/never",))


def test_a_hostile_pickle_is_refused_before_it_runs(tmp_path):
    folder = write_human36m(tmp_path / "h", moments=1)
    (folder / "annotation_body3d" / "cameras.pkl").write_bytes(pickle.dumps({("S1", "1"): Hostile()}))
    with pytest.raises(
        DatasetError, match=r"cameras.pkl is no pickle of plain arrays \(UnpicklingError: it wants posix.system"
    ):
        read_human36m(folder, "train")
    npz_with_a_hostile_pickle(tmp_path / "p.npz", "positions_3d", pickle.dumps(Hostile()))
    with pytest.raises(DatasetError, match=r"it wants posix\.system"):
        read_object_array(tmp_path / "p.npz", "positions_3d")


def of_human36m(folder: Path):
    return read_human36m(folder, "train")


CUT_SHORT = (
    ("annot/train.json", write_mpii_json, read_mpii),
    ("annot/gt_valid.mat", write_mpii_json, lambda folder: read_mpii(folder, "valid")),
    ("mpii_human_pose_v1_u12_1.mat", write_mpii_release, read_mpii),
    ("joints.mat", lambda folder: write_published_lsp(folder, extended=True), read_lsp),
    ("annotations/person_keypoints_val2017.json", write_coco, read_coco_people),
    ("annotation_body3d/cameras.pkl", lambda folder: write_human36m(folder, moments=1), of_human36m),
    ("annotation_body3d/fps50/h36m_train.npz", lambda folder: write_human36m(folder, moments=1), of_human36m),
    ("a_joints.npz", lambda folder: write_lsp(folder, lsp_joints(2)), read_labelled2d),
    ("a_00.zip", lambda folder: write_lsp(folder, lsp_joints(2)), read_labelled2d),
)


@pytest.mark.parametrize(("name", "write", "read"), CUT_SHORT, ids=[name for name, *_ in CUT_SHORT])
def test_a_file_that_was_cut_short_or_has_other_bytes_is_named(tmp_path, name, write: Callable, read: Callable):
    write(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2 :: 7] = bytes(b ^ 0x55 for b in changed[len(whole) // 2 :: 7])
    damages = [b"", whole[:100], whole[: len(whole) // 2], whole[:-30]]
    for damage in damages if path.suffix == ".mat" else [*damages, bytes(changed)]:  # SciPy may crash on those
        path.write_bytes(damage)
        with pytest.raises(DatasetError) as caught:
            read(tmp_path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_annotation_without_records_is_none(tmp_path):
    folder = write_human36m(tmp_path, moments=1)
    table = folder / "annotation_body3d" / "fps50" / "h36m_train.npz"
    held = {name: array[:0] for name, array in np.load(table).items()}
    np.savez(table, **held)
    with pytest.raises(DatasetError, match=r"holds no usable record of Human3\.6M's train subjects: it is empty"):
        read_human36m(folder, "train")


def test_human36ms_names_are_not_unpickled_and_a_camera_of_another_shape_is_named(tmp_path):
    folder = write_human36m(tmp_path, moments=1)
    table = folder / "annotation_body3d" / "fps50" / "h36m_train.npz"
    whole = table.read_bytes()
    npz_with_a_hostile_pickle(table, "imgname", pickle.dumps(Hostile()))
    with pytest.raises(DatasetError, match=r"h36m_train.npz is no annotation of Human3.6M \(ValueError: Object arrays"):
        read_human36m(folder, "train")
    table.write_bytes(whole)
    cameras = folder / "annotation_body3d" / "cameras.pkl"
    held = pickle.loads(cameras.read_bytes())
    held["S1", "54138969"]["f"] = np.ones(1)
    cameras.write_bytes(pickle.dumps(held))
    with pytest.raises(DatasetError, match=r"cameras.pkl: camera \('S1', '54138969'\) is damaged \(IndexError"):
        read_human36m(folder, "train")


def test_a_frame_of_3dhp_whose_universal_joints_are_not_numbers_is_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    folder, *_ = write_inf3dhp(tmp_path)
    with h5py.File(folder / "TS1" / "annot_data.mat", "r+") as file:
        file["univ_annot3"][1, 0, 3, 2] = np.nan
    reading = read_inf3dhp(folder)
    assert reading.lines() == [
        f"{folder.name}: 1 left out, a joint is not a number or lies behind the camera: TS1 frame 2"
    ]
    assert [s.captured.frame for s in reading.samples] == [1, 3]


def test_mpiis_release_with_other_structs_is_named(tmp_path):
    folder, _ = write_mpii_release(tmp_path)
    path = folder / "mpii_human_pose_v1_u12_1.mat"
    held = loadmat(path, struct_as_record=True)["RELEASE"]
    rect = held["annolist"][0, 0]["annorect"][0, 1]
    rect["annopoints"][0, 0]["point"][0, 0]["x"][0, 2] = np.array(["left"])
    savemat(path, {"RELEASE": held})
    reading = read_mpii(folder)
    assert any("not numbers with id, x and y: 000000001.jpg #0" in line for line in reading.lines())
    held["img_train"][0, 0] = held["img_train"][0, 0][:, :-1]
    savemat(path, {"RELEASE": held})
    with pytest.raises(DatasetError, match=r"mat: annolist has 11 pictures, img_train 10$"):
        read_mpii(folder)


def test_a_picture_that_is_damaged_behind_its_header_is_named_when_it_is_needed(tmp_path):
    folder = write_mpii_json(tmp_path)
    path = folder / "images" / "train00002.jpg"
    path.write_bytes(path.read_bytes()[:200])  # the size stands before
    sample = read_mpii(folder).samples[2]
    for needed in (sample.image_bgr, lambda: sample.reduced(2)):
        with pytest.raises(UserError, match=r"train00002\.jpg of train00002\.jpg #2: not a readable JPEG \(200 bytes"):
            needed()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_that_meets_a_damaged_picture_says_so_in_one_line(tmp_path, workers):
    samples = read_mpii(write_mpii_json(tmp_path / "set")).samples
    for sample in samples:
        sample.jpeg.write_bytes(sample.encoded()[:200])
    few = replace(recipe(BATCH), workers=workers)
    with pytest.raises(UserError) as caught:
        fit(TINY, [Pool("labelled", samples, 1.0)], samples, few, tmp_path / "run")
    assert re.fullmatch(
        r"\S+/set/images/(\S+\.jpg) of \1 #\d: not a readable JPEG .* take the record out", str(caught.value)
    )
