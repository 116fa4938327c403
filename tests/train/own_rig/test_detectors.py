"""Other programs as teachers: stand-ins answer through the packages' interfaces."""

import sys
import types
from types import SimpleNamespace

import numpy as np
import pytest

from engine.places import data_place
from engine.skeleton import BODY25, CORE, LIMB_JOINTS
from realtime.takes import open_take
from tests.realtime.takes.walked_take import Scene
from tests.train.own_rig.test_teaching_commands import said_by
from train.own_rig import detectors
from train.own_rig.detectors import MODEL, DetectorTeacher
from train.own_rig.labels import LabelError
from train.teachers.joints import BLAZEPOSE_LIMBS, HALPE_LIMBS, HALPE_OTHERS, from_blazepose, from_halpe

BLAZEPOSE_NAMES = (
    "nose le_in le le_out re_in re re_out l_ear r_ear l_mouth r_mouth l_shoulder r_shoulder l_elbow r_elbow l_wrist "
    "r_wrist l_pinky r_pinky l_index r_index l_thumb r_thumb l_hip r_hip l_knee r_knee l_ankle r_ankle l_heel r_heel "
    "l_toe r_toe"
)
HALPE_NAMES = (
    "nose le re l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle "
    "r_ankle head neck hip l_toe r_toe l_small r_small l_heel r_heel"
)
OURS = "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist"


def test_limbs_are_those_of_the_other_programs():
    assert [BLAZEPOSE_NAMES.split()[row] for row in BLAZEPOSE_LIMBS] == OURS.split()
    assert [HALPE_NAMES.split()[row] for row in HALPE_LIMBS] == OURS.split()
    points = np.random.default_rng(0).uniform(0.2, 0.8, (33, 3))
    joints = from_blazepose(points)
    np.testing.assert_allclose(joints[0], points[28])
    np.testing.assert_allclose(joints[7], (joints[12] + joints[13]) / 2)
    np.testing.assert_allclose(joints[6], (joints[2] + joints[3]) / 2)
    assert np.isnan(joints[8:10, :2]).all()
    halpe = from_halpe(points[:26])
    np.testing.assert_allclose(halpe[[9, 7]], points[[17, 18]])


def test_feet_face_and_hands_are_those_of_the_other_programs():
    named = {name: np.full(2, float(row)) for row, name in enumerate(BLAZEPOSE_NAMES.split())}
    joints = from_blazepose(np.stack(list(named.values())))
    for name in ("r_heel", "r_toe", "l_heel", "l_toe", "nose", "r_ear", "l_ear"):
        np.testing.assert_array_equal(joints[BODY25.names.index(name)], named[name])
    for side in "rl":
        knuckles = (named[f"{side}_pinky"] + named[f"{side}_index"]) / 2
        np.testing.assert_array_equal(joints[BODY25.names.index(f"{side}_hand")], knuckles)
    for joint, row in HALPE_OTHERS.items():
        wanted = {"head_top": "head", "thorax": "neck"}.get(BODY25.names[joint], BODY25.names[joint])
        assert HALPE_NAMES.split()[row] == wanted
    halpe = from_halpe(np.ones((26, 3)))
    unknown = [BODY25.names[joint] for joint in np.flatnonzero(np.isnan(halpe[:, 0]))]
    assert unknown == ["upper_neck", "r_hand", "l_hand"]


@pytest.fixture(scope="module")
def scene():
    return Scene(seconds=2.0, rate_hz=20.0)


def true_px(scene, camera):
    """(frames, 16, 2)"""
    lens = list(scene.cameras.values())[camera]
    joints_m = scene.people_m(camera)[:, 0]
    return lens.project(joints_m.reshape(-1, 3)).reshape(*joints_m.shape[:2], 2)


class Truth:
    """Where everybody is in the frames of the cameras, one after the other, as the detectors are asked."""

    def __init__(self, scene):
        self.views = iter(px for camera in range(len(scene.cameras)) for px in true_px(scene, camera))

    def people(self):
        return next(self.views)


def stand_in_for_rtmlib(scene, asked):
    truth = Truth(scene)

    class BodyWithFeet:
        def __init__(self, *, mode, backend, device):
            asked.append((mode, backend, device))

        def __call__(self, image_bgr):
            assert image_bgr.dtype == np.uint8
            points, scores = np.zeros((1, 26, 2)), np.full((1, 26), 0.8)
            px = truth.people()
            points[0, list(HALPE_LIMBS)] = px[list(LIMB_JOINTS)]
            points[0, 17], points[0, 18] = px[9], px[7]
            return points, scores

    return types.SimpleNamespace(BodyWithFeet=BodyWithFeet)


def stand_in_for_mediapipe(scene, asked):
    truth = Truth(scene)

    class Landmarker:
        last_ms = -1

        @classmethod
        def create_from_options(cls, options):
            asked.append(options)
            return cls()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            asked.append("closed")

        def detect_for_video(self, image, ms):
            assert isinstance(ms, int)
            assert ms > self.last_ms
            self.last_ms = ms
            height, width = image.shape[:2]
            marks = [SimpleNamespace(x=0.5, y=0.5, visibility=0.0) for _ in range(33)]
            for row, (x, y) in zip(BLAZEPOSE_LIMBS, truth.people()[list(LIMB_JOINTS)], strict=True):
                marks[row] = SimpleNamespace(x=(x + 0.5) / width, y=(y + 0.5) / height, visibility=0.9)
            return SimpleNamespace(pose_landmarks=[marks])

    vision = types.ModuleType("mediapipe.tasks.python.vision")
    vision.PoseLandmarker, vision.PoseLandmarkerOptions = Landmarker, lambda **options: options
    vision.RunningMode = SimpleNamespace(VIDEO="video")
    tasks = types.ModuleType("mediapipe.tasks.python")
    tasks.BaseOptions = lambda **options: options
    package = types.ModuleType("mediapipe")
    package.Image, package.ImageFormat = lambda form, data: data, SimpleNamespace(SRGB=1)
    return {"mediapipe": package, "mediapipe.tasks.python": tasks, "mediapipe.tasks.python.vision": vision}


@pytest.fixture
def packages(scene, monkeypatch, tmp_path):
    """Both packages; what they were asked for."""
    monkeypatch.setenv("POSE_DATA", str(tmp_path / "data"))
    asked = []
    monkeypatch.setitem(sys.modules, "rtmlib", stand_in_for_rtmlib(scene, asked))
    for name, module in stand_in_for_mediapipe(scene, asked).items():
        monkeypatch.setitem(sys.modules, name, module)
    return asked


def fetched():
    path = data_place() / "mediapipe" / MODEL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a network")


@pytest.mark.parametrize("detector", ["mediapipe", "rtmpose"])
def test_joints_of_other_programs_become_a_cameras_joints(detector, scene, packages, tmp_path):
    fetched()
    take = open_take(scene.write(tmp_path / "t"))
    teacher = DetectorTeacher(detector)
    found = teacher(take, lambda *_: None)
    for camera, joints in enumerate(found.values()):
        inside = np.isfinite(joints.px).all(-1)
        assert inside[:, list(LIMB_JOINTS)].mean() > 0.95
        off_px = np.abs(joints.px[:, CORE] - true_px(scene, camera))[:, list(LIMB_JOINTS)]
        assert off_px[inside[:, list(LIMB_JOINTS)]].max() < 1e-6
        assert joints.company == 0
        assert joints.track().seen.any()
    asked = len(packages)
    again = teacher(take, lambda *_: None)
    assert len(packages) == asked  # kept with the take
    np.testing.assert_array_equal(again["cam0"].px, found["cam0"].px)


def test_what_is_missing_is_one_line(packages, scene, tmp_path, monkeypatch, capsys):
    take = scene.write(tmp_path / "t")
    status, _, error = said_by(["label", take, "--teacher", "mediapipe"], capsys)
    assert status == 1
    assert f"curl --create-dirs -o '{data_place() / 'mediapipe' / MODEL}'" in error
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    status, _, error = said_by(["label", take, "--teacher", "rtmpose"], capsys)
    assert status == 1
    assert "pip install -e '.[rtmpose]'" in error
    assert len(error.strip().splitlines()) == 1


def test_nobody_is_said_and_somebody_beside_is_counted(scene, packages, tmp_path, monkeypatch):
    take = open_take(scene.write(tmp_path / "t"))
    person = np.column_stack([np.random.default_rng(0).uniform(50, 200, (25, 2)), np.full(25, 0.9)])
    beside = person * (1.0, 1.0, 0.9) + (20.0, 0.0, 0.0)
    unsure = person * (1.0, 1.0, 0.1)

    def seeing(people):
        @detectors.contextmanager
        def opened():
            yield lambda image_bgr, time_s: people

        monkeypatch.setitem(detectors.DETECTORS, "rtmpose", ("a test", opened))
        return DetectorTeacher("rtmpose")

    with pytest.raises(LabelError, match="saw nobody in"):
        seeing([unsure])(take, lambda *_: None)
    assert seeing([person, beside, unsure])(take, lambda *_: None)["cam0"].company == 1.0
