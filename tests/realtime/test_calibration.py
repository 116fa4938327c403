"""From pictures on disk to rig.toml and report, and what happens to pictures that cannot carry it."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest

import run
from calib.board import parse_board
from calib.camera import Camera, rigid
from calib.formats import read_rig, write_rig
from calib.rig import Clock, Rig
from engine.errors import UserError
from realtime import board_pictures, board_take
from realtime.board_pictures import cameras_in, find_floor, look_for_boards
from realtime.board_take import shared_moments
from realtime.calibration import calibrate
from realtime.takes.importing import import_videos
from realtime.takes.sync import Sync, write_sync
from realtime.takes.take import open_take
from tests.calib.render import pose, render_board
from tests.realtime.board_video import write_video

BOARD = parse_board("9x6", square_mm=30)
SIZE = (640, 480)
K = np.array([[620.0, 0, 322], [0, 622, 236], [0, 0, 1]])
LENS = Camera(*SIZE, K, np.array([-0.12, 0.05, 0, 0, 0]))
# the second camera stands 0.4 m to the right and is turned inwards
RIGHT_FROM_LEFT = rigid(cv2.Rodrigues(np.array([0.0, 0.25, 0.0]))[0], np.array([-0.4, 0.0, 0.05]))
# a board that lies on the floor while the first camera looks down by 50 degrees
LYING = rigid(cv2.Rodrigues(np.array([np.deg2rad(-40.0), 0.0, 0.0]))[0], np.array([-0.12, 0.0, 1.25]))
HEIGHT_M = float(LYING[:3, 2] @ LYING[:3, 3])


def no_progress(done, total=None, text=""):
    pass


def poses(count):
    rng = np.random.default_rng(3)
    for k in range(count):
        yield pose(
            BOARD,
            distance_m=0.75 + 0.05 * (k % 4),
            tilt_deg=25.0 + 10 * (k % 2),
            tilt_axis_deg=360.0 * k / count,
            roll_deg=float(rng.uniform(-15, 15)),
            off_axis_m=(0.12 * (k % 3 - 1), 0.08 * ((k // 3) % 3 - 1)),
        )


def picture(path, cam_from_board, seed=0):
    image, _ = render_board(BOARD, LENS, cam_from_board, blur_px=0.6, noise=2.0, rng=np.random.default_rng(seed))
    assert cv2.imwrite(str(path), image)


@pytest.fixture(scope="module")
def rig_pictures(tmp_path_factory):
    """A folder with one folder per camera: twelve moments, seen by both, and one with the board on the floor."""
    place = tmp_path_factory.mktemp("rig")
    for name in ("left", "right"):
        (place / name).mkdir()
    for k, left_from_board in enumerate(poses(12)):
        picture(place / "left" / f"{k:02d}.png", left_from_board, seed=k)
        picture(place / "right" / f"{k:02d}.png", RIGHT_FROM_LEFT @ left_from_board, seed=100 + k)
    picture(place / "left" / "floor.png", LYING)
    picture(place / "right" / "floor.png", RIGHT_FROM_LEFT @ LYING)
    return place


@pytest.fixture(scope="module")
def lenses(tmp_path_factory):
    """The true lenses in a file."""
    path = tmp_path_factory.mktemp("lenses") / "lenses.toml"
    places = {"left": np.eye(4), "right": RIGHT_FROM_LEFT}
    return write_rig(path, Rig({name: Camera(*SIZE, K, LENS.dist, cam_from_world=T) for name, T in places.items()}))


def test_one_camera_becomes_a_lens_and_a_report(rig_pictures, tmp_path):
    assert run.main(
        ["calibrate", str(rig_pictures / "left"), "--square", "30", "--out", str(tmp_path / "new" / "c"), "--json",
         str(tmp_path / "c.json")]
    ) == 0  # fmt: skip
    camera = read_rig(tmp_path / "new" / "c" / "rig.toml").rig.cameras["left"]
    assert camera.K[0, 0] == pytest.approx(K[0, 0], rel=0.01)
    assert np.abs(camera.K[:2, 2] - K[:2, 2]).max() < 6
    said = json.loads((tmp_path / "c.json").read_text())
    assert said["verdict"] in ("green", "yellow")
    assert said == json.loads((tmp_path / "new" / "c" / "report.json").read_text())
    assert "<html" in (tmp_path / "new" / "c" / "report.html").read_text().lower()


def test_two_cameras_become_a_rig(rig_pictures, lenses, tmp_path):
    done = calibrate(rig_pictures, BOARD, tmp_path, intrinsics=lenses, step=no_progress)
    found = read_rig(tmp_path / "rig.toml").rig
    turned = found.b_from_a("left", "right") @ np.linalg.inv(RIGHT_FROM_LEFT)
    assert np.rad2deg(np.linalg.norm(cv2.Rodrigues(turned[:3, :3])[0])) < 0.2
    assert found.baseline_m("left", "right") == pytest.approx(np.linalg.norm(RIGHT_FROM_LEFT[:3, 3]), rel=0.01)
    assert done.verdict.light != "red", done.verdict.texts()
    assert found.quality is not None
    assert found.quality.verdict == done.verdict.light
    # the picture named floor gives the world
    assert found.cameras["left"].center_world_m == pytest.approx((0, 0, HEIGHT_M), abs=0.01)
    up = LYING[:3, :3] @ (0, 0, -1)
    assert found.cameras["left"].R[:, 2] == pytest.approx(up, abs=0.02)
    assert not any("floor is not known" in text for text in done.verdict.texts())


def test_the_floor_is_named_by_picture_or_second(rig_pictures, lenses, demo_clip, tmp_path, capsys):
    places = cameras_in(rig_pictures)
    assert [find_floor(places, name) for name in (None, "floor", "03.png", "03")] == [12, 12, 3, 3]
    assert find_floor({"a": demo_clip, "b": demo_clip}, "2.5") == 62  # 25 frames a second
    assert find_floor({"a": demo_clip}, None) is None
    for floor, says in (("attic", "a video; give the seconds"), ("99", "has no such second")):
        with pytest.raises(UserError, match=says):
            find_floor({"a": demo_clip}, floor)
    arguments = ["calibrate", str(rig_pictures), "--square", "30", "--floor", "attic", "--out", str(tmp_path / "o")]
    assert run.main(arguments) == 1
    assert "none of left, right has a picture of this name" in capsys.readouterr().err


def test_the_floor_of_a_video_is_looked_at_even_between_moments(make_video, monkeypatch):
    monkeypatch.setattr(board_pictures, "MOMENTS", 5)
    clip = make_video(frames=30)
    looked = look_for_boards({"a": clip}, BOARD, also=20, step=no_progress)
    assert looked[0].frames == [0, 6, 12, 18, 20, 24]
    assert looked[0].moments[4] == "clip.mp4 20"


@pytest.mark.parametrize("option", [["--tape", "0.4"], ["--floor", "floor"]])
def test_what_takes_two_cameras_is_refused_for_one(rig_pictures, option, tmp_path, capsys):
    arguments = ["calibrate", str(rig_pictures / "left"), "--square", "30", *option, "--out", str(tmp_path / "o")]
    assert run.main(arguments) == 1
    assert f"{option[0]}: there is one camera only, left" in capsys.readouterr().err


def test_the_cameras_of_a_take_are_paired_by_their_clocks(rig_pictures, lenses, tmp_path, monkeypatch):
    """The right camera began three frames later, so its frames have other numbers."""
    monkeypatch.setattr(board_take, "MOMENTS", 13)
    held = 4
    for name, late in (("left", 0), ("right", 3)):
        paths = sorted((rig_pictures / name).glob("*.png"))
        images = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths for _ in range(held)]
        write_video(tmp_path / f"{name}.mkv", iter(images[late:]), fps=10)
    take = tmp_path / "take"
    import_videos([tmp_path / "left.mkv", tmp_path / "right.mkv"], take)
    write_sync(take, Sync("test", {"cam0": Clock(0.0, 0.0), "cam1": Clock(0.3, 0.0)}, {}))
    done = calibrate(take, BOARD, tmp_path / "out", intrinsics=lenses, floor="4.7", step=no_progress)
    turned = done.rig.b_from_a("cam0", "cam1") @ np.linalg.inv(RIGHT_FROM_LEFT)
    assert np.rad2deg(np.linalg.norm(cv2.Rodrigues(turned[:3, :3])[0])) < 0.3
    assert done.rig.cameras["cam0"].center_world_m == pytest.approx((0, 0, HEIGHT_M), abs=0.015)
    assert done.verdict.light != "red", done.verdict.texts()
    for floor, says in (("floor", "give seconds"), ("99", "share 4.8 s")):
        with pytest.raises(UserError, match=says):
            shared_moments(open_take(take), floor)


def test_a_wrong_square_against_the_tape_is_never_green(rig_pictures, lenses, tmp_path):
    wrong = parse_board("9x6", square_mm=27)
    true_m = float(np.linalg.norm(RIGHT_FROM_LEFT[:3, 3]))
    done = calibrate(rig_pictures, wrong, tmp_path, intrinsics=lenses, tape_m=true_m, step=no_progress)
    assert done.verdict.light != "green"
    assert any("tape" in text for text in done.verdict.texts())


def test_the_folders_tell_which_cameras_there_are(rig_pictures, tmp_path):
    assert list(cameras_in(rig_pictures)) == ["left", "right"]
    assert list(cameras_in(rig_pictures / "left")) == ["left"]
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for k in range(3):
        for name in ("left", "right"):
            shutil.copy(rig_pictures / name / f"{k:02d}.png", mixed / f"{name}{k:02d}.png")
    with pytest.raises(UserError, match="pictures of left and right: put each camera's pictures into a folder"):
        cameras_in(mixed)


def test_a_board_that_is_not_there_says_why(rig_pictures):
    looked = look_for_boards({"left": rig_pictures / "left"}, parse_board("8x5", square_mm=30), step=no_progress)
    assert looked[0].found == []
    assert "9x6" in (looked[0].commonest_absence or "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no"),
        ({}, "neither pictures nor videos"),
        ({"a.png": b"\x89PNG\r\n\x1a\n cut"}, "is not a readable picture"),
        ({"a.mp4": b"no video"}, "cannot be opened"),
    ],
)
def test_damaged_input_is_one_line(content, says, tmp_path, capsys):
    place = tmp_path / "place"
    if content is not None:
        place.mkdir()
        for name, data in content.items():
            (place / name).write_bytes(data)
    assert run.main(["calibrate", str(place), "--square", "30", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ")
    assert "\n" not in said
    assert says in said
    assert not (tmp_path / "out").exists()


def test_a_board_is_written_as_it_is_typed(tmp_path, capsys):
    assert run.main(["board", "--out", str(tmp_path / "b.pdf"), "--board", "charuco:7x5", "--square", "30"]) == 0
    assert "--board charuco:7x5 --square 30" in capsys.readouterr().out
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    assert run.main(["board", "--out", str(tmp_path / "c.pdf"), "--square", "90"]) == 1
    assert "give at most --square" in capsys.readouterr().err


def test_a_calibrated_lens_is_what_metres_rest_on(lenses, demo_clip, tmp_path, capsys):
    small = tmp_path / "one.toml"
    left = read_rig(lenses).rig.cameras["left"]
    write_rig(small, Rig({"left": left}))
    arguments = ["--video", str(demo_clip), "--view", "none", "--max-frames", "3"]
    for text in (str(small), f"{lenses}:left"):
        assert run.main([*arguments, "--intrinsics", text, "--save", str(tmp_path / "x.jsonl")]) == 0
        header = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
        assert header["assumptions"]["camera"] == "calibrated, pinhole"
        assert header["assumptions"]["fov_deg"] == pytest.approx(left.fov_deg, abs=0.01)
        assert "lens calibrated" in capsys.readouterr().out
    for text, says in ((str(lenses), "say which"), (f"{lenses}:middle", "has no camera middle"), ("x.toml", "x.toml")):
        assert run.main([*arguments, "--intrinsics", text]) == 1
        assert says in capsys.readouterr().err
    write_rig(small, Rig({"left": Camera(1280, 720, K)}))
    assert run.main([*arguments, "--intrinsics", str(small)]) == 1
    assert "calibrated at 1280x720, the pictures are 640x480" in capsys.readouterr().err
