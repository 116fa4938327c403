"""The commands as their user meets them: what is missing is said in one line, before anything is computed."""

import json

import numpy as np
import pytest

import run
from calib.formats import write_rig
from calib.rig import Quality, Rig
from engine.skeleton import BODY25, MPII16
from realtime.takes import open_take
from tests.realtime.takes.walked_take import Scene
from train.own_rig.teachers import FileTeacher


@pytest.fixture
def scene():
    return Scene(seconds=1.0)


def said_by(arguments, capsys):
    status = run.main([str(a) for a in arguments])
    out, error = capsys.readouterr()
    return status, out, error


def joints_files(scene, folder):
    paths = []
    for i, lens in enumerate(scene.cameras.values()):
        px = np.stack([lens.project(people[0]) for people in scene.people_m(i)])
        px = px + np.random.default_rng(i).normal(0, 0.8, px.shape)
        paths.append(folder / f"joints_{i}.npz")
        score = np.full((*px.shape[:2], 1), 0.9)
        np.savez(paths[-1], keypoints=np.concatenate([px, score], axis=-1), names=MPII16.names)
    return paths


@pytest.mark.parametrize("command", ["finetune", "evaluate"])
def test_a_take_without_labels_is_told_how_to_get_them(command, scene, tmp_path, capsys):
    folder = scene.write(tmp_path / "t")
    more = ["--out", tmp_path / "run"] if command == "finetune" else []
    status, _, error = said_by([command, folder, *more], capsys)
    assert status == 1
    assert f"error: {folder} has no labels yet; make them: python run.py label" in error


def test_what_is_no_take_is_said(tmp_path, capsys):
    status, _, error = said_by(["label", tmp_path, "--teacher", "x.npz"], capsys)
    assert status == 1
    assert "is no take" in error


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"keypoints": np.zeros((30, 16, 2)), "names": MPII16.names}, "should be"),
        ({"keypoints": np.zeros((30, 2, 3)), "names": ("nose", "toe")}, "neither"),
        ({"keypoints": np.zeros((3, 16, 3)), "names": MPII16.names}, "joints of 3 frames"),
        ({"names": MPII16.names}, "is no npz with"),
    ],
)
def test_a_file_of_joints_that_does_not_fit_is_said(content, says, scene, tmp_path, capsys):
    folder = scene.write(tmp_path / "t")
    np.savez(tmp_path / "j.npz", **content)
    teacher = ["--teacher", tmp_path / "j.npz", "--teacher", tmp_path / "j.npz"]
    status, _, error = said_by(["label", folder, *teacher], capsys)
    assert status == 1
    assert says in error


@pytest.mark.parametrize("arguments", [["use"], ["undo", "x"], ["describe"], ["remove", "x"]])
def test_weights_needs_a_name_where_it_means_one(arguments, capsys):
    status, _, error = said_by(["weights", *arguments], capsys)
    assert status == 2
    assert error.startswith("usage: ")


def test_bundled_weights_describe_themselves(capsys):
    status, out, _ = said_by(["weights", "describe", "lite"], capsys)
    assert status == 0
    assert "ResNet-18, input 192 px" in out


@pytest.mark.slow
def test_label_writes_labels_report_and_summary(tmp_path, capsys):
    scene = Scene(seconds=12.0, rate_hz=20.0)
    folder = scene.write(tmp_path / "t")
    write_rig(folder / "rig.toml", Rig(scene.cameras, quality=Quality("green", made_from="board", metric=True)))
    teacher = [word for path in joints_files(scene, tmp_path) for word in ("--teacher", path)]
    status, out, _ = said_by(["label", folder, *teacher, "--json", tmp_path / "s.json"], capsys)
    assert status == 0, out
    assert {"labels.npz", "labels.html", "labels.txt", "labels.json", "sync.toml"} <= {p.name for p in folder.iterdir()}
    assert json.loads((tmp_path / "s.json").read_text())["verdict"] in ("green", "yellow")


OPENPOSE = "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye"
FEET = "LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"


@pytest.mark.parametrize(
    ("names", "joints", "told"),
    [
        (MPII16.names, 16, range(16)),
        ((*BODY25.names, "something"), 25, range(25)),
        (f"{OPENPOSE} {FEET}".split(), 25, [*range(8), *range(10, 23)]),
        (OPENPOSE.split(), 25, [*range(8), *range(10, 16), 20]),
    ],
)
def test_files_of_joints_give_those_that_their_names_know(names, joints, told, scene, tmp_path):
    take, places = open_take(scene.write(tmp_path / "t")), np.random.default_rng(0).uniform(1, 200, (30, len(names), 3))
    places[..., 2] = 0.5
    np.savez(tmp_path / "j.npz", keypoints=places, names=names)
    (found, _) = FileTeacher([tmp_path / "j.npz"] * 2)(take, lambda *_: None).values()
    assert found.px.shape == (30, joints, 2)
    assert np.flatnonzero(np.isfinite(found.px).all(axis=(0, 2))).tolist() == list(told)
    assert (found.score[:, list(told)] > 0).all()
    assert found.score.sum() == pytest.approx(0.5 * 30 * len(told))
    if "RHeel" in names:
        for joint, name in ((16, "RHeel"), (17, "RBigToe"), (18, "LHeel"), (19, "LBigToe"), (21, "REar"), (22, "LEar")):
            np.testing.assert_array_equal(found.px[:, joint], places[:, list(names).index(name), :2])
