"""Tables beside photos: what a network says of them, how far it is believed, and that no photo is shown twice."""

import json
import zipfile

import cv2
import numpy as np
import pytest

import run
from engine.skeleton import HEAD_TOP, L_SHOULDER, LIMB_JOINTS, R_HIP, R_WRIST, ROOT
from tests.train.teachers.fake_network import DotNetwork
from train.datasets.labelled2d import DatasetError, read_labelled2d
from train.teachers import annotation, blazepose
from train.teachers.annotation import annotate, believed, depth_of, lines
from train.teachers.blazepose import BlazePose, Points, TeacherError
from train.teachers.photo_tables import FIELDS, TeacherTable, read_photos
from train.teachers.sheet import sheet

COUNT = 5
LSP = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9)
BLAZEPOSE = (28, 26, 24, 23, 25, 27, 16, 14, 12, 11, 13, 15)
# r ankle, knee, hip, l hip, knee, ankle, r wrist, elbow, shoulder, l shoulder, elbow, wrist, neck, head top
STANDING = np.array(
    [(80, 190), (80, 150), (85, 110), (115, 110), (120, 150), (120, 190), (60, 110), (65, 85), (80, 60), (120, 60),
     (135, 85), (140, 110), (100, 50), (100, 20)], float,
)  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    """Five photos of one size; the last one lacks shoulders and neck."""
    folder = tmp_path / "photos"
    folder.mkdir()
    jpeg = cv2.imencode(".jpg", np.full((210, 200, 3), 90, np.uint8))[1].tobytes()
    joints = np.concatenate([np.tile(STANDING, (COUNT, 1, 1)), np.ones((COUNT, 14, 1))], axis=2).astype(np.float32)
    joints[-1, [8, 9, 12]] = (np.nan, np.nan, 0)
    names = np.array([f"{i}.jpg" for i in range(COUNT)])
    with zipfile.ZipFile(folder / "a_00.zip", "w") as archive:
        for name in names:
            archive.writestr(str(name), jpeg)
    np.savez(folder / "a_joints.npz", zip=np.array(["a_00.zip"] * COUNT), image=names, joints=joints)
    return folder


def says(px14, *, depth_m=0.3, apart_m=0.02):
    """33 points that lie where the joints are, arms before the trunk."""
    px, world_m = np.tile([100.0, 40.0], (33, 1)), np.zeros((33, 3))
    px[list(BLAZEPOSE)] = px14[:12]
    world_m[:, :2] = (px - (100, 110)) / 100
    world_m[[15, 16], 2] = -depth_m
    return Points(px, world_m, np.full(33, 0.9), np.ones(2), np.full(33, 1.0), np.full(33, apart_m))


@pytest.fixture
def looking(monkeypatch):
    """Every look gives the standing pose; photo by photo what is asked."""
    asked = []

    def look(network, image_bgr, region):
        asked.append(region)
        return says(STANDING)

    monkeypatch.setattr(annotation, "look", look)
    return asked


def quiet(done, total=None, text=""):
    pass


def test_tables_have_the_rows_of_the_photos_and_are_read_with_them(photos, looking, tmp_path):
    (done,) = annotate(photos, DotNetwork(), step=quiet)
    assert len(looking) == COUNT - 1  # nobody can say where the last one is
    with np.load(photos / "a_teacher.npz") as table:
        assert {name: table[name].dtype for name in FIELDS} == dict.fromkeys(FIELDS, np.dtype(np.float16))
        assert {name: table[name].shape[1:] for name in FIELDS} == FIELDS
        assert np.isnan(table["px33"][-1]).all()
    with np.load(photos / "a_depth.npz") as table:
        assert table["rel_depth_px"].dtype == table["depth_weight"].dtype == np.float32
        assert table["image"].tolist() == [f"{i}.jpg" for i in range(COUNT)]
    # a metre is a hundred pixels wide, so it is as deep
    assert done.relative_depth_px[0, R_WRIST] == pytest.approx(-30, abs=0.1)
    assert done.depth_weight[:-1].sum() == (COUNT - 1) * 15  # all but the head's top
    assert not done.depth_weight[-1].any()
    assert not done.depth_weight[:, HEAD_TOP].any()
    summary = done.summary()
    assert (summary["photos_counted"], summary["limb_joints_within_0.2_torso"]) == (COUNT - 1, 1.0)
    assert summary["mirror_apart_cm"] == pytest.approx(2.0, abs=0.01)
    assert "4 of 5 photos count; 100.0 %" in lines([done])[0]
    sample = read_labelled2d(photos).all[0]
    assert sample.weight[R_WRIST, 2] > 0
    assert cv2.imread(str(sheet(done, tmp_path / "sheet.jpg"))).shape[0] >= 200


def test_depth_is_believed_where_the_network_agrees_with_label_and_mirror_image(photos):
    (table,) = read_photos(photos)
    said = TeacherTable.empty(table.images, "x")
    torso_px = np.linalg.norm(table.joints_px[0, L_SHOULDER] - table.joints_px[0, R_HIP])
    off = STANDING.copy()
    off[6] += (0.3 * torso_px, 0)  # the right wrist
    said.put(0, says(off))
    far = STANDING.copy()
    far[:4] += (0.3 * torso_px, 0)  # a third of the limb joints
    said.put(1, says(far))
    said.put(2, says(STANDING, apart_m=0.2))
    said.put(3, says(STANDING))
    good = believed(table, said)
    assert not good[0, R_WRIST]
    assert good[0, list(LIMB_JOINTS)].sum() == 11
    assert not good[1].any()
    assert not good[2, list(LIMB_JOINTS)].any()
    assert good[3].sum() == 15
    assert depth_of(table, said)[0][3, ROOT] == 0


def test_what_was_begun_is_gone_on_with(photos, looking, monkeypatch, tmp_path):
    def stop(done, total=None, text=""):
        if done == 2:
            raise KeyboardInterrupt

    out = tmp_path / "tables"
    with pytest.raises(KeyboardInterrupt):
        annotate(photos, DotNetwork(), out=out, step=stop)
    assert len(looking) == 2
    assert [path.name for path in out.iterdir()] == ["a_teacher_begun.npz"]
    (done,) = annotate(photos, DotNetwork(), out=out, step=quiet)
    assert len(looking) == COUNT - 1
    assert sorted(path.name for path in out.iterdir()) == ["a_depth.npz", "a_teacher.npz"]
    assert done.said.done.all()
    (again,) = annotate(photos, DotNetwork(), out=out, step=quiet)
    assert len(looking) == COUNT - 1
    np.testing.assert_array_equal(again.depth_weight, done.depth_weight)
    annotate(photos, DotNetwork(name="another"), out=out, step=quiet)
    assert len(looking) == 2 * (COUNT - 1)
    assert {path.name for path in photos.iterdir()} == {"a_joints.npz", "a_00.zip"}


def test_damaged_tables_are_told_in_one_line(photos, looking, tmp_path):
    (photos / "a_teacher.npz").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="is damaged"):
        annotate(photos, DotNetwork(), step=quiet)
    with pytest.raises(DatasetError, match=r"no \*_joints.npz"):
        annotate(tmp_path, DotNetwork(), step=quiet)
    (photos / "a_00.zip").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"0.jpg cannot be read"):
        annotate(photos, DotNetwork(), out=tmp_path / "o", step=quiet)


@pytest.mark.parametrize("content", [None, b"", b"nothing of a network", b"\x1c\0\0\0TFL3" + bytes(200)])
def test_another_file_is_told_in_one_line_with_where_to_get_the_network(content, tmp_path):
    path = tmp_path / "x.tflite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TeacherError, match="npm pack @mediapipe/pose@") as told:
        BlazePose(path)
    assert "\n" not in str(told.value)


def test_the_command_annotates_and_lists_as_before(photos, looking, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(blazepose, "BlazePose", lambda path: DotNetwork())
    words = ["datasets", "annotate", str(photos), "--model", "x", "--json", str(tmp_path / "a.json")]
    assert run.main([*words, "--teacher", "mediapipe", "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().out
    assert "wrote " + str(tmp_path / "o" / "a_teacher.jpg") in said
    assert json.loads((tmp_path / "a.json").read_text())["a"]["photos_counted"] == COUNT - 1
    assert run.main(["datasets", "annotate", str(photos)]) == 2
    assert "npm pack" in capsys.readouterr().err
    assert run.main(["datasets", "annotate", str(tmp_path / "nowhere"), "--model", "x"]) == 1
    assert run.main(["datasets", str(photos)]) == run.main(["datasets", "list", str(photos)]) == 0
    listed = capsys.readouterr().out
    assert listed[: len(listed) // 2] == listed[len(listed) // 2 :] != ""
    assert run.main(["datasets"]) == 2
