"""Labels of a take: right where the take is sound, refused with the reason where it is not."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import rigid
from calib.formats import write_rig
from calib.rig import Quality, Rig
from engine.skeleton import BODY25, CORE, MPII16
from realtime.takes import open_take, read_sync
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import Scene, SceneTeacher
from train.own_rig.label_report import lines, write_label_report
from train.own_rig.labelling import label_take, labelled_anew
from train.own_rig.labels import LabelError, read_labels
from train.own_rig.placing import place
from train.own_rig.teachers import FileTeacher

SECONDS = 12.0


def quiet(done, total=None, text=""):
    pass


@dataclass
class CutTeacher:
    """Another teacher's joints, of the first camera only those of `mpii16`."""

    whole: SceneTeacher
    name: str = "a test"

    def __call__(self, take, step):
        found = self.whole(take, step)
        first = next(iter(found))
        cut = {part: getattr(found[first], part)[:, CORE] for part in ("px", "sigma_px", "score")}
        return found | {first: replace(found[first], **cut)}


def written(scene, folder, *, rig=True):
    scene.write(folder)
    if rig:
        quality = Quality("green", made_from="board", metric=True)
        write_rig(folder / "rig.toml", Rig(scene.cameras, quality=quality))
    return folder


def error_mm(labels, scene, name):
    """Root-relative distance of kept labels from the truth."""
    number = list(scene.cameras).index(name)
    rows = labels.of(name)
    true = scene.people_m(number)[labels.frame[rows], 0]
    off = (labels.joints_cam_m[rows] - labels.joints_cam_m[rows][:, [6]]) - (true - true[:, [6]])
    return 1000 * np.linalg.norm(off, axis=-1)[labels.kept[rows] & labels.kept[rows][:, [6]]]


@pytest.fixture(scope="module")
def scene():
    return Scene(seconds=SECONDS, rate_hz=20.0)


@pytest.fixture(scope="module")
def labelled(scene, tmp_path_factory):
    folder = written(scene, tmp_path_factory.mktemp("takes") / "t")
    return label_take(folder, SceneTeacher(scene), step=quiet)


def test_labels_of_another_teacher_leave_the_take_as_it_is(labelled, scene):
    folder = labelled.take.folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = labelled_anew(folder, SceneTeacher(scene), step=quiet)
    assert again is not None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    own = read_labels(folder)
    assert len(again.frame) > 0.95 * len(own.frame)
    name = next(iter(scene.cameras))
    assert np.median(error_mm(again, scene, name)) < np.median(error_mm(own, scene, name)) + 3


def test_another_teacher_may_find_the_cameras_elsewhere_in_a_labelled_take(scene, tmp_path):
    folder = written(scene, tmp_path / "t")
    left, right = scene.cameras.values()
    turn = rigid(Rotation.from_rotvec([0, np.deg2rad(2.0), 0]).as_matrix(), np.zeros(3))
    turned = {"cam0": left, "cam1": replace(right, cam_from_world=turn @ right.cam_from_world)}
    write_rig(folder / "rig.toml", Rig(turned, quality=Quality("green", made_from="board", metric=True)))
    refused = label_take(folder, SceneTeacher(scene), step=quiet)
    assert refused.labels is None
    assert "moved" in " ".join(refused.placed.verdict.texts())
    again = labelled_anew(folder, SceneTeacher(scene), step=quiet)
    assert again is not None
    assert np.median(error_mm(again, scene, "cam0")) < 60


def test_labels_lie_where_the_person_was_in_both_cameras(labelled, scene):
    assert labelled.placed.verdict.light in ("green", "yellow"), labelled.placed.verdict.texts()
    labels = read_labels(labelled.take.folder)
    for name in scene.cameras:
        assert len(labels.of(name)) > 0.8 * SECONDS * 20
        assert np.median(error_mm(labels, scene, name)) < 25
    assert labelled.quality.kept_share > 0.8
    assert labels.metric
    assert labels.height_m == pytest.approx(1.72, rel=0.05)


def test_feet_face_and_hands_are_labelled_and_change_nothing_of_the_others(labelled, scene, tmp_path):
    more = replace(scene, walker=replace(scene.walker, skeleton=BODY25))
    done = label_take(written(more, tmp_path / "t"), SceneTeacher(more), step=quiet)
    assert done.labels.skeleton is BODY25
    assert len(done.labels.frame) == pytest.approx(len(labelled.labels.frame), rel=0.03)
    assert done.quality.kept_share == pytest.approx(labelled.quality.kept_share, abs=0.03)
    assert done.labels.kept[:, len(MPII16) :].mean() > 0.7
    for name in more.cameras:
        assert np.median(error_mm(done.labels, more, name)) < 30
    core = done.labels.weight[:, CORE][done.labels.kept[:, CORE]].mean()
    assert core == pytest.approx(labelled.labels.weight[labelled.labels.kept].mean(), abs=0.05)
    again = label_take(done.take.folder, CutTeacher(SceneTeacher(more)), step=quiet)
    assert again.labels.skeleton is MPII16  # what both cameras know


def test_the_clock_is_found_and_stays_with_the_take(labelled, scene):
    found = read_sync(labelled.take.folder).clocks["cam1"]
    middle_s = 1.0 + SECONDS / 2
    assert found.offset_s + found.drift_ppm * 1e-6 * middle_s == pytest.approx(scene.offset_s, abs=0.004)


def test_the_estimated_noise_is_about_the_true_one(labelled, scene):
    true_mm = np.concatenate([error_mm(labelled.labels, scene, name) for name in scene.cameras])
    assert 0.4 < labelled.quality.noise_mm / np.median(true_mm) < 3.0


def test_depth_counts_less_than_what_is_seen(labelled):
    weight = labelled.labels.weight[labelled.labels.kept]
    assert (weight >= 0).all()
    assert (weight <= 1).all()
    assert np.median(weight[:, 2]) <= np.median(weight[:, 0])
    assert (labelled.labels.weight[~labelled.labels.kept] == 0).all()


def test_the_report_has_figures_and_pictures(labelled):
    text, record, page = write_label_report(labelled, teacher="a test")
    assert "estimated label noise" in text.read_text()
    assert json.loads(record.read_text())["kept_share"] == labelled.quality.kept_share
    assert page.read_text().count("data:image/jpeg") >= 4


@pytest.mark.slow
def test_without_a_rig_the_person_gives_one(scene, tmp_path):
    folder = written(scene, tmp_path / "t", rig=False)
    done = label_take(folder, SceneTeacher(scene), step=quiet)
    assert done.placed.made_from == "people"
    assert open_take(folder).rig is not None
    assert np.median(error_mm(done.labels, scene, "cam1")) < 60


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"offset_s": 0.2}, "out of sync"),
        ({"mirrored": ("cam1",)}, "mirrored"),
        ({"second": Walker(seed=8, radius_m=0.3, center_m=(1.0, 0.5)), "other_in": ()}, "second person"),
    ],
)
def test_takes_that_must_not_teach_are_refused_with_the_reason(changes, says, tmp_path):
    scene = replace(Scene(seconds=SECONDS, rate_hz=20.0), **changes)
    folder = written(scene, tmp_path / "t")
    done = label_take(folder, SceneTeacher(scene), step=quiet)
    assert done.labels is None
    assert not (folder / "labels.npz").exists()
    said = "\n".join(lines(done, teacher="x"))
    assert "RED" in said
    assert says in said


@pytest.mark.parametrize(("others", "light"), [((0, 1), "yellow"), ((1, 1, 1), "red")])
def test_one_look_that_sees_somebody_else_is_told_and_does_not_refuse(labelled, others, light):
    looks = {"looked": np.arange(len(others)), "others": np.array(others)}
    verdict = place(labelled.take, {name: replace(j, **looks) for name, j in labelled.joints.items()}).verdict
    (told, _) = (reason for reason in verdict.reasons if "second person" in reason.text)
    assert told.light == verdict.light == light


def test_exchanged_recordings_are_refused(tmp_path):
    scene = Scene(seconds=SECONDS)
    folder = written(scene, tmp_path / "t", rig=False)
    a, b = scene.cameras.values()
    write_rig(
        folder / "rig.toml", Rig({"cam0": b, "cam1": a}, quality=Quality("green", made_from="board", metric=True))
    )
    done = label_take(folder, SceneTeacher(scene), step=quiet)
    assert done.labels is None, done.placed.verdict.texts()


@pytest.mark.slow
def test_joints_of_a_file_teach_as_well(scene, tmp_path):
    folder = written(scene, tmp_path / "t")
    paths = []
    for i, lens in enumerate(scene.cameras.values()):
        px = np.stack([lens.project(people[0]) for people in scene.people_m(i)])
        px = px + np.random.default_rng(i).normal(0, 1, px.shape)
        path = tmp_path / f"{i}.npz"
        score = np.full((*px.shape[:2], 1), 0.9)
        np.savez(path, keypoints=np.concatenate([px, score], axis=-1), names=MPII16.names)
        paths.append(path)
    done = label_take(folder, FileTeacher(paths), step=quiet)
    assert np.median(error_mm(done.labels, scene, "cam0")) < 25
    with pytest.raises(LabelError, match="once per camera"):
        label_take(folder, FileTeacher(paths[:1]), step=quiet)


def test_a_take_without_labels_says_what_makes_them(tmp_path):
    with pytest.raises(LabelError, match=r"python run\.py label"):
        read_labels(tmp_path)
