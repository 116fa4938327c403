"""Readers of published data sets, on miniatures in their official formats: every joint where it was drawn."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from engine.skeleton import H36M17_TO_MPII16
from run import main
from tests.train.miniature_sets import (
    write_coco,
    write_human36m,
    write_human36m_release,
    write_inf3dhp,
    write_lsp,
    write_mpii_json,
    write_mpii_release,
    write_videopose,
    write_voc,
)
from tests.train.miniature_studio import CAMERAS, is_coloured_as, studio
from train.augment import plain
from train.datasets import human36m_release
from train.datasets.catalogue import survey
from train.datasets.coco_people import read_coco_people
from train.datasets.human36m import annotated, read_human36m
from train.datasets.human36m_release import extract_frames
from train.datasets.inf3dhp import fitted_pinhole, read_inf3dhp
from train.datasets.labelled2d import DatasetError
from train.datasets.lsp import read_lsp
from train.datasets.mpii import read_mpii
from train.datasets.pickles import read_pickle
from train.datasets.reading import Reading, jpeg_size
from train.datasets.sample import SPINE
from train.datasets.voc import read_voc_objects
from train.plots import labels_sheet


def drawn_where_labelled(sample):
    """Every labelled joint lies on the disc of its own colour, not of its mirror image's."""
    image = sample.image_bgr()
    inside = (sample.weight[:, 0] > 0.6) & (sample.joints_px > 2).all(1) & (sample.joints_px < (245, 245)).all(1)
    right = [is_coloured_as(image, sample.joints_px[j], j) for j in np.flatnonzero(inside)]
    return np.mean(right) > 0.75  # a joint may hide another; were sides exchanged, few would be right


@pytest.mark.parametrize("layout", ["json", "release"])
def test_mpii_counts_from_one_and_knows_left_from_right(tmp_path, layout):
    if layout == "json":
        write_mpii_json(tmp_path)
        entry = json.loads((tmp_path / "annot" / "train.json").read_text())[0]
        first, reading = np.array(entry["joints"]) - 1, read_mpii(tmp_path)
    else:
        _, people = write_mpii_release(tmp_path)
        first, reading = people[1], read_mpii(tmp_path)  # every eighth, from the first on, is for validation
        assert len(reading.samples) == 7
        assert [s.name for s in read_mpii(tmp_path, "valid").samples] == ["000000000.jpg #0", "000000008.jpg #0"]
        assert "no joint is annotated: nobody.jpg #0" in reading.lines()[0]
        assert reading.samples[0].head_xyxy == pytest.approx([*(people[1][9] - 8), *(people[1][9] + 8)])
    assert reading.samples[0].joints_px == pytest.approx(first, abs=1e-3)
    assert all(drawn_where_labelled(s) for s in reading.samples)
    assert not any(s.weight[:, 2].any() for s in reading.samples)


def test_mpiis_head_boxes_come_with_its_validation_part(tmp_path):
    write_mpii_json(tmp_path)
    for sample in read_mpii(tmp_path, "valid").samples:
        assert sample.head_xyxy is not None
        diagonal = np.hypot(*(sample.head_xyxy[2:] - sample.head_xyxy[:2]))
        # the box was drawn around the head's two joints: half their distance to each side
        assert diagonal == pytest.approx(
            np.sqrt(2) * np.linalg.norm(sample.joints_px[9] - sample.joints_px[8]), rel=1e-4
        )


def test_a_joint_that_mpii_does_not_show_weighs_nothing(tmp_path):
    write_mpii_json(tmp_path)
    table = tmp_path / "annot" / "train.json"
    entries = json.loads(table.read_text())
    entries[0]["joints_vis"][3], entries[0]["joints"][3] = 0, [-1.0, -1.0]
    table.write_text(json.dumps(entries))
    sample = read_mpii(tmp_path).samples[0]
    assert not sample.weight[3].any()
    assert sample.weight[:, 0].sum() == 15


@pytest.mark.parametrize("extended", [False, True])
def test_lsps_third_number_means_hidden_and_in_the_extended_set_labelled(tmp_path, extended):
    _, people = write_lsp(tmp_path, extended=extended)
    samples = read_lsp(tmp_path).samples
    assert samples[1].joints_px[0] == pytest.approx(people[1, 0], abs=1e-3)
    assert bool(samples[0].weight[0, 0]) is not extended
    assert all(drawn_where_labelled(s) for s in samples)


def test_cocos_joints_are_mapped_and_what_it_lacks_is_masked(tmp_path):
    _, people = write_coco(tmp_path)
    samples = read_coco_people(tmp_path).samples
    assert len(samples) == 2  # the crowd is none
    for sample, px in zip(samples, people, strict=True):
        limbs = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
        assert sample.joints_px[limbs] == pytest.approx(px[limbs], abs=1e-3)
        assert not sample.weight[[7, 8, 9]].any()
        assert sample.joints_px[6] == pytest.approx(px[2:4].mean(0), abs=1e-3)


@pytest.mark.parametrize(("part", "subject", "second"), [("train", "S1", 6), ("test", "S9", 65)])
def test_human36m_projects_through_its_lens_onto_its_own_pixels(tmp_path, part, subject, second):
    samples = read_human36m(write_human36m(tmp_path, moments=2), part).samples
    assert len(samples) == 2 * 2 * 4
    assert {s.captured.action for s in samples} == {"Eating", "SittingDown"}
    assert {s.captured.camera for s in samples} == set(CAMERAS)
    assert {(s.captured.subject, s.captured.frame) for s in samples} == {(subject, 1), (subject, second)}
    for s in samples:
        assert s.captured.lens.project(s.captured.joints_m[:16]) == pytest.approx(s.joints_px, abs=1e-3)
        assert drawn_where_labelled(s)
    # one moment's cameras agree on where the joints are in the studio
    worlds = [s.captured.joints_m @ s.captured.lens.R - s.captured.lens.R.T @ s.captured.lens.t for s in samples[:4]]
    assert np.ptp(worlds, axis=0).max() < 1e-6
    assert worlds[0][SPINE] == pytest.approx((worlds[0][6] + worlds[0][7]) / 2)


def test_human36m_takes_every_fifth_frame_of_those_it_is_given(tmp_path):
    write_human36m(tmp_path, moments=4)  # frames 1, 6, 11, 16
    assert len(read_human36m(tmp_path, "train", every=10).samples) == 2 * 2 * 4
    assert {s.captured.frame for s in read_human36m(tmp_path, "train", every=10).samples} == {1, 11}


def test_videoposes_positions_give_the_same_as_the_studio(tmp_path):
    folder, world = write_videopose(tmp_path / "v")
    reading = read_human36m(folder, "train")
    assert [s.captured.frame for s in reading.samples] == [1, 6, 11]
    assert len(reading.left_out["its picture is missing"]) == 9  # three cameras have none
    for s, frame in zip(reading.samples, (0, 5, 10), strict=True):
        lens = s.captured.lens
        expected = world[frame][list(H36M17_TO_MPII16)] @ lens.R.T + lens.t
        assert s.captured.joints_m[:16] == pytest.approx(expected, abs=1e-5)
        assert drawn_where_labelled(s)


def test_real_human36m_annotation_projects_within_half_a_pixel(shared_data, tmp_path):
    source = shared_data / "mmpose_tests" / "h36m"
    inside = tmp_path / "annotation_body3d"
    inside.mkdir()
    (inside / "cameras.pkl").write_bytes((source / "cameras.pkl").read_bytes())
    (inside / "h36m_train.npz").write_bytes((source / "test_h36m_body3d.npz").read_bytes())
    poses = list(annotated(tmp_path, "train", Reading(tmp_path)))
    assert [(p.captured.subject, p.captured.action, p.captured.frame) for p in poses] == [
        ("S1", "Directions", 1), ("S5", "SittingDown", 2061), ("S7", "Greeting", 396), ("S8", "WalkDog", 26),
    ]  # fmt: skip
    listed = json.loads((source / "h36m_coco.json").read_text())
    for pose, label in zip(poses, listed["annotations"], strict=True):
        lens, cam_m = pose.captured.lens, pose.captured.joints_m
        assert np.abs(lens.project(cam_m[:16]) - pose.px[list(H36M17_TO_MPII16)]).max() < 0.5
        world = np.array(label["keypoints_3d"]).reshape(17, 4)[list(H36M17_TO_MPII16), :3]
        assert (world @ lens.R.T + lens.t) == pytest.approx(cam_m[:16], abs=1e-4)


def test_3dhp_finds_its_lens_and_judges_by_the_universal_joints(tmp_path):
    pytest.importorskip("h5py")
    _, px, joints_m = write_inf3dhp(tmp_path)
    samples = read_inf3dhp(tmp_path).samples
    assert len(samples) == 3  # the fourth frame is not valid
    assert samples[0].captured.action == "Sit on Chair"
    assert pytest.approx(np.array([[280, 0, 124], [0, 281, 126], [0, 0, 1]]), abs=0.05) == samples[0].K
    assert samples[0].joints_px[0] == pytest.approx(px[0, 10], abs=1e-3)  # right ankle
    assert samples[0].captured.joints_m[15] == pytest.approx(joints_m[0, 7] * 1.1)  # left wrist
    assert not samples[0].weight[8].any()  # it has no upper neck
    assert np.isnan(samples[0].captured.joints_m[8]).all()
    assert all(drawn_where_labelled(s) for s in samples)


def test_the_lens_of_real_3dhp_joints_is_the_published_one(shared_data):
    folder = shared_data / "mmpose_tests" / "mpi_inf_3dhp"
    held = np.load(folder / "test_3dhp_test.npz")
    camera = read_pickle(folder / "cameras_test.pkl")["TS1"]
    K = fitted_pinhole(held["part"][0, :, :2], held["S"][0, :, :3])
    assert np.diag(K)[:2] == pytest.approx(np.ravel(camera["f"]), rel=2e-3)
    assert K[:2, 2] == pytest.approx(np.ravel(camera["c"]), abs=2)


def test_real_mpii_and_coco_records_read(shared_data, tmp_path):
    source = shared_data / "mmpose_tests" / "mpii"
    (tmp_path / "m" / "annot").mkdir(parents=True)
    (tmp_path / "m" / "images").symlink_to(source)
    (tmp_path / "m" / "annot" / "train.json").write_bytes((source / "test_mpii.json").read_bytes())
    samples = read_mpii(tmp_path / "m").samples
    assert len(samples) == 5
    assert samples[0].joints_px[0] == pytest.approx([803.0, 710.0])
    people = read_coco_people(shared_data / "labelled2d" / "coco_mini").samples
    assert len(people) > 50
    (lsp := tmp_path / "lsp").mkdir()
    (lsp / "joints.mat").write_bytes((shared_data / "mpii_annotations" / "lsp_joints.mat").read_bytes())
    with pytest.raises(DatasetError, match=r"2000 left out, its picture is missing: im0001\.jpg"):
        read_lsp(lsp)


def test_voc_gives_what_is_whole_and_no_person(tmp_path):
    things, _ = read_voc_objects(write_voc(tmp_path))
    assert len(things) == 1  # the dog: one is a person, one truncated, one difficult
    assert things[0].shape == (40, 35, 4)
    assert np.median(things[0][10:30, 10:25, :3]) == pytest.approx(100, abs=6)
    assert things[0][20, 17, 3] == 255
    assert things[0][0, 0, 3] < 255  # its border is soft


def test_labels_of_every_set_are_drawn_for_looking(tmp_path):
    samples = read_human36m(write_human36m(tmp_path / "h", moments=2), "train").samples
    path = labels_sheet(samples, tmp_path / "sheet.jpg")
    assert cv2.imread(str(path)).shape[1] == 10 * 192
    crop = plain(samples[0], 128)
    assert (crop.weight > 0).all()


def test_the_catalogue_says_what_is_there_and_how_to_get_the_rest(tmp_path):
    write_mpii_json(tmp_path / "mpii")
    write_voc(tmp_path / "voc")
    write_lsp(tmp_path / "lsp", extended=True)
    (tmp_path / "lsp" / "joints.mat").write_bytes(b"nothing")
    entries = {e.known.name: e for e in survey([tmp_path])}
    assert entries["MPII Human Pose"].summary()["state"] == "found"
    assert entries["MPII Human Pose"].facts["samples"] == 6
    assert entries["Pascal VOC 2012 objects"].facts == {"objects": 1}
    assert entries["LSP, LSP extended"].summary()["state"] == "damaged"
    missing = entries["Human3.6M, test subjects"].summary()
    assert missing["state"] == "missing"
    assert "vision.imar.ro" in missing["get"]


def test_sizes_are_read_from_headers(tmp_path):
    path = tmp_path / "a.jpg"
    for progressive in (0, 1):
        cv2.imwrite(str(path), np.zeros((30, 70, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
        assert jpeg_size(path) == (70, 30)
    path.write_bytes(b"\xff\xd8\xff")
    assert jpeg_size(path) is None


def test_samples_whose_pictures_are_files_are_as_those_in_memory(tmp_path):
    sample = read_mpii(write_mpii_json(tmp_path)).samples[0]
    held = replace(sample, jpeg=sample.encoded())
    assert np.array_equal(sample.image_bgr(), held.image_bgr())
    assert isinstance(loadmat(tmp_path / "annot" / "gt_valid.mat")["headboxes_src"], np.ndarray)


def test_the_command_lists_draws_and_ends_in_one_line_where_there_is_no_folder(tmp_path, capsys):
    write_mpii_json(tmp_path / "mpii")
    assert main(["datasets", str(tmp_path), "--out", str(tmp_path / "o"), "--json", str(tmp_path / "a.json")]) == 0
    said = capsys.readouterr().out
    assert f"found    MPII Human Pose in {tmp_path / 'mpii'}" in said
    assert "missing  Human3.6M, test subjects" in said
    assert (tmp_path / "o" / "mpii_human_pose_mpii.jpg").is_file()
    assert json.loads((tmp_path / "a.json").read_text())["MPII Human Pose"]["samples"] == 6
    assert main(["datasets", str(tmp_path / "nowhere")]) == 1
    assert "no folder" in capsys.readouterr().err


def test_human36ms_own_release_needs_no_other_tool(tmp_path, capsys):
    pytest.importorskip("cdflib")
    folder, people = write_human36m_release(tmp_path / "r")
    human36m_release.main(folder)
    assert "train: 4 frames written" in capsys.readouterr().out
    reading = read_human36m(folder, "train")
    assert [s.captured.frame for s in reading.samples] == [1, 6, 1, 6]
    for sample, world in zip(reading.samples, people[[0, 5, 0, 5]], strict=True):
        truth = studio()[sample.captured.camera]
        assert sample.captured.joints_m[:16] == pytest.approx(world @ truth.R.T + truth.t, abs=1e-6)
        lens = sample.captured.lens
        assert lens.project(sample.captured.joints_m[:16]) == pytest.approx(sample.joints_px, abs=0.01)
        assert np.diag(lens.K)[:2] == pytest.approx(4 * np.diag(truth.K)[:2], rel=1e-3)
    assert extract_frames(folder, ["S1"], every=5) == (0, [])  # what is there stays
    (folder / "S1" / "MyPoseFeatures" / "D2_Positions" / "Directions 1.55011271.cdf").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"D2_Positions/Directions 1\.55011271\.cdf is no readable CDF"):
        read_human36m(folder, "train")
