"""A teacher network on a take: somebody is followed by its own points, found anew where they were lost."""

import numpy as np
import pytest

import run
from calib.formats import write_rig
from calib.rig import Quality, Rig
from engine.skeleton import BODY25, LIMB_JOINTS
from realtime.search import Search
from realtime.sight import Sight
from realtime.takes import open_take
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import Scene, number_in
from tests.train.teachers.fake_network import DotNetwork
from train.own_rig import network_teacher
from train.own_rig.labelling import label_take
from train.own_rig.labels import LabelError, read_labels
from train.own_rig.network_teacher import Follower, NetworkTeacher
from train.teachers.blazepose import Points
from train.teachers.joints import BLAZEPOSE_LIMBS, BLAZEPOSE_POINTS

KNOWN = [joint for joint in range(25) if joint not in (8, 9)]  # no upper neck, no head top


def quiet(done, total=None, text=""):
    pass


@pytest.fixture(scope="module")
def scene():
    return Scene(seconds=12.0, rate_hz=20.0, walker=Walker(seed=3, radius_m=0.6, skeleton=BODY25))


def blazepose_of(px):
    """33 points of 25 joints."""
    points = np.tile(px[20], (33, 1))
    points[list(BLAZEPOSE_LIMBS)] = px[list(LIMB_JOINTS)]
    for joint, rows in zip(range(16, 25), BLAZEPOSE_POINTS, strict=True):
        points[list(rows)] = px[joint]
    return points


@pytest.fixture
def looks(scene, monkeypatch):
    """What the network says is the truth, if the region is around the person; else nobody is there."""
    asked = []

    def look(network, image_bgr, region):
        number, camera = number_in(image_bgr)
        lens = list(scene.cameras.values())[camera]
        px = lens.project(scene.people_m(camera)[number, 0])
        there = np.linalg.norm(region.center_px - px[6]) < 0.15 * region.side_px
        whole = np.linalg.norm(px - region.center_px, axis=1).max() < region.side_px / 2
        asked.append((number, camera, bool(there and whole)))
        presence = np.full(2, float(there and whole and number not in network.lost))
        return Points(blazepose_of(px), np.zeros((33, 3)), np.full(33, 0.9), presence, np.zeros(33), np.zeros(33))

    monkeypatch.setattr(network_teacher, "look", look)
    return asked


class Losing(DotNetwork):
    """Sees nobody in some frames."""

    lost = ()


def test_a_person_is_followed_by_the_networks_own_points(scene, looks, tmp_path):
    take = open_take(scene.write(tmp_path / "t"))
    engine = scene.engine()
    found = NetworkTeacher(Losing(), engine)(take, quiet)
    for camera, joints in enumerate(found.values()):
        lens = list(scene.cameras.values())[camera]
        true_px = np.stack([lens.project(person) for person in scene.people_m(camera)[:, 0]])
        seen = np.isfinite(joints.px).all(axis=2)
        assert seen[:, KNOWN].mean() > 0.9
        assert not seen[:, [8, 9]].any()
        assert (joints.score[:, [8, 9]] == 0).all()
        middles = [6, 7]  # between hips and between shoulders, in the picture
        exact = [joint for joint in KNOWN if joint not in middles]
        assert np.abs(joints.px - true_px)[:, exact][seen[:, exact]].max() < 1e-6
        assert np.abs(joints.px - true_px)[:, middles][seen[:, middles]].max() < 8
        assert joints.company == 0
        assert len(joints.looked) == pytest.approx(scene.seconds, abs=2)
    assert all(whole for *_, whole in looks)
    frames = sum(len(joints.frame) for joints in found.values())
    assert len(looks) <= frames + 4  # one look a frame, one more where somebody was found
    before = len(looks)
    NetworkTeacher(Losing(), engine)(take, quiet)
    assert len(looks) == before  # kept with the take


def test_who_was_lost_is_found_again(scene, looks, tmp_path):
    network = Losing()
    network.lost = (3, 4)
    take = open_take(scene.write(tmp_path / "t"))
    camera = take.cameras["cam0"]
    follower = Follower(network, Search(Sight(scene.engine(), scene.cameras["cam0"].K)))
    seen = [follower(frame.image_bgr) is not None for frame in camera.frames(0, 12)]
    assert seen[:3] == [True] * 3
    assert seen[3:5] == [False] * 2
    assert all(seen[8:])


def test_nobody_is_told(scene, looks, tmp_path):
    network = Losing()
    network.lost = range(1000)
    take = open_take(scene.write(tmp_path / "t"))
    with pytest.raises(LabelError, match="saw nobody in"):
        NetworkTeacher(network, scene.engine())(take, quiet)


def test_its_labels_have_feet_face_and_hands(scene, looks, tmp_path):
    folder = scene.write(tmp_path / "t")
    write_rig(folder / "rig.toml", Rig(scene.cameras, quality=Quality("green", made_from="board", metric=True)))
    done = label_take(folder, NetworkTeacher(Losing(), scene.engine()), step=quiet)
    assert done.labels is not None, done.placed.verdict.texts()
    labels = read_labels(folder)
    assert labels.skeleton is BODY25
    kept = labels.kept.mean(axis=0)
    assert (kept[[8, 9]] == 0).all()
    assert kept[KNOWN].min() > 0.5
    assert set(done.quality.noise_mm_per_joint) == set(BODY25.names)
    assert "l_toe-l_ankle" in done.quality.bone_spread
    assert done.quality.kept_share < 0.9  # of sixteen: two are not known


def test_a_model_goes_with_one_teacher_and_another_file_is_told(tmp_path, capsys):
    for teacher in (["--teacher", "rtmpose"], []):
        assert run.main(["label", str(tmp_path), "--model", "x.tflite", *teacher]) == 2
        assert "--model FILE goes with --teacher mediapipe" in capsys.readouterr().err
    words = ["label", str(tmp_path), "--teacher", "mediapipe", "--model", str(tmp_path / "x.tflite")]
    assert run.main(words) == 1
    assert "npm pack" in capsys.readouterr().err
