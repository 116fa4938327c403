"""`calibrate` with a running camera: pictures are taken by themselves, nothing is lost, the preview never waits."""

import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

import run
from calib.coach import VIEWS_WANTED, Coach
from calib.coverage import Coverage
from calib.formats import read_rig
from engine.errors import UserError
from realtime import board_watch
from realtime.board_overlay import BAR_PX, draw
from realtime.board_watch import BoardWatch, Watched, write_picture
from realtime.frame import Frame
from tests.conftest import REPOSITORY
from tests.realtime.board_video import BOARD, FPS, LENS, MOVED, STILL, pictures, write_video

PER_PLACE = STILL + MOVED
GRAPH = "lavfi:movie={},realtime"


@pytest.fixture(scope="module")
def held():
    """Pictures of a board that is held up in place after place."""
    return list(pictures())


@pytest.fixture(scope="module")
def whole_video(held, tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("board") / "whole.mkv", iter(held))


@pytest.fixture(scope="module")
def short_video(held, whole_video):
    """Four places, again and again."""
    return write_video(whole_video.with_name("short.mkv"), iter(held[: 4 * PER_PLACE] * 12))


def calibrate(*arguments, **environment):
    command = [sys.executable, str(REPOSITORY / "run.py"), "calibrate", "--square", "30", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def kept_in(out):
    return sorted(path.name for path in out.glob("pictures/*/*/*"))


def test_a_board_held_up_becomes_a_green_lens(whole_video, tmp_path, capsys):
    """The whole way, as a person goes it: source, pictures, lens, report; it ends by itself before the video does."""
    arguments = ["--source", str(whole_video), "--square", "30", "--view", "none", "--out", str(tmp_path / "desk")]
    assert run.main(["calibrate", *arguments]) == 0
    said = capsys.readouterr().out
    assert "GREEN: use it" in said
    assert "0 pictures: tilt the board so that its" in said
    assert re.search(r"\d pictures: bring the board to the .* of the picture", said)
    assert f"{VIEWS_WANTED} pictures: enough" in said
    assert kept_in(tmp_path / "desk") == [f"{k + 1:03d}.png" for k in range(VIEWS_WANTED)]
    camera = read_rig(tmp_path / "desk" / "rig.toml").rig.cameras["camera"]
    assert camera.K[0, 0] == pytest.approx(LENS.K[0, 0], rel=0.005)
    for path in (tmp_path / "desk").glob("pictures/*/*/*"):  # none of the smears
        assert cv2.Laplacian(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), cv2.CV_64F).std() > 10


def test_ctrl_c_keeps_what_there_is_and_calibrates_with_it(short_video, tmp_path):
    job = calibrate("--source", GRAPH.format(short_video), "--view", "none", "--out", tmp_path)
    assert job.stdout is not None
    for line in job.stdout:
        if line.startswith("4 pictures"):
            job.send_signal(signal.SIGINT)
            break
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert "stopped after 4 of 15 or more pictures; they lie in" in out
    assert "only 4 different views" in out
    assert (tmp_path / "rig.toml").exists()
    assert len(kept_in(tmp_path)) == 4


def test_too_few_pictures_are_one_line_and_are_kept(held, tmp_path, capsys):
    few = write_video(tmp_path / "few.mkv", iter(held[: 2 * PER_PLACE]))
    out = tmp_path / "out"
    arguments = ["calibrate", "--source", str(few), "--square", "30", "--view", "none", "--out", str(out)]
    assert run.main(arguments) == 1
    said = capsys.readouterr()
    assert said.err.strip() == "error: 2 pictures of the board are too few for a lens, 15 are good"
    assert str(out / "pictures") in said.out
    assert kept_in(out) == ["001.png", "002.png"]
    assert not (out / "rig.toml").exists()


@pytest.mark.parametrize("arguments", [[], ["pictures", "--camera", "0"], ["--camera", "0", "--source", "x.mp4"]])
def test_one_place_of_pictures_is_wanted(arguments, capsys):
    assert run.main(["calibrate", "--square", "30", *arguments]) == 2
    assert "one of them" in capsys.readouterr().err


def test_without_a_camera_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("realtime.sources.device._cameras", list, raising=False)
    assert run.main(["calibrate", "--square", "30", "--camera", "0", "--out", str(tmp_path / "new")]) == 1
    assert "no camera is connected" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def watch_of(tmp_path, *, live=False, coach=None):
    return BoardWatch(BOARD, coach or Coach(BOARD), tmp_path, live=live)


def frames(images, *, fps=FPS):
    for index, gray in enumerate(images):
        yield Frame(index, index / fps, cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))


def test_a_picture_is_on_the_disk_as_soon_as_it_counts(held, tmp_path):
    with watch_of(tmp_path) as watch:
        for frame in frames(held[: 3 * PER_PLACE]):
            watch.put(frame)
            assert len(list(tmp_path.glob("*.png"))) >= watch.watched.kept
    assert len(list(tmp_path.glob("*.png"))) == watch.watched.kept == 3


def test_a_person_may_take_a_picture_at_once(held, tmp_path):
    with watch_of(tmp_path) as watch:
        watch.take_now()
        for frame in frames(held[:2]):
            watch.put(frame)
    assert watch.watched.kept == 1


def test_the_reason_for_no_board_is_said_after_a_while(held, tmp_path):
    wrong = BoardWatch(type(BOARD)("chessboard", 8, 6, BOARD.square_m), Coach(BOARD), tmp_path, live=False)
    with wrong as watch:
        for frame in frames(held[:6], fps=1):
            watch.put(frame)
    assert "give --board 9x6" in watch.watched.reason
    assert watch.watched.state == watch.watched.reason


def test_who_looks_slowly_loses_frames_of_a_camera_and_never_stops_it(tmp_path, monkeypatch):
    looked = []

    def slow(image, board, **options):
        looked.append(image[0, 0, 0])
        time.sleep(0.1)
        return board_watch.NotFound("nothing", "nothing is seen")

    monkeypatch.setattr(board_watch, "detect", slow)
    with watch_of(tmp_path, live=True) as watch:
        start_s = time.monotonic()
        for frame in frames([np.full((48, 64), k, np.uint8) for k in range(30)]):
            watch.put(frame)
            time.sleep(0.01)
        assert time.monotonic() - start_s < 1.5
    assert 2 <= len(looked) < 20
    assert looked[-1] == 29  # the newest is looked at
    assert looked == sorted(looked)


def test_a_fault_of_the_thread_reaches_the_program_and_the_thread_ends(held, tmp_path):
    watch = watch_of(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"001\.png cannot be written \(No such file"), watch:
        for frame in frames(held[:1] * 20):
            watch.put(frame)
            time.sleep(0.02)
    assert not watch._thread.is_alive()


def test_a_picture_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_picture(tmp_path / "001.png", np.zeros((9, 9, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def watched_of(cells, tilts=(1, 1, 1, 1, 0, 0, 0, 0), **changes):
    fields = {"goal": "bring the board somewhere", "state": "", "reason": "", "corners_px": None, "kept": 3}
    return Watched(
        **{**fields, "kept_at_s": None, "enough": False, **changes}, coverage=Coverage(cells, np.array(tilts))
    )


@pytest.mark.parametrize("mirror", [False, True])
def test_the_preview_shows_what_is_covered_and_where_the_board_is_wanted(mirror):
    cells = np.ones((5, 5), np.int64)
    cells[0, 0] = 0  # the upper left corner is wanted
    image = np.full((720, 1280, 3), 100, np.uint8)
    view = draw(image, watched_of(cells), 0.0, mirror=mirror)[BAR_PX:-BAR_PX]
    assert view.shape == (540, 960, 3)
    wanted, covered = view[54, 96], view[486, 96]
    if mirror:
        wanted, covered = view[54, -96], view[486, -96]
    assert wanted.tolist() == [100, 100, 100]
    assert covered[1] > 100 + 5  # greener
    frame = view[4, 960 - 96 if mirror else 96].astype(int)
    assert frame[2] > frame[0] + 100  # orange
    far = view[4, 96 if mirror else 960 - 96].astype(int)
    assert abs(far[2] - far[0]) < 60


def test_the_preview_mirrors_the_board_with_the_picture():
    image = np.full((480, 640, 3), 100, np.uint8)
    corners_px = np.array([[100.0, 200.0]])
    none = np.zeros((5, 5), np.int64)
    for mirror, x in ((False, 150), (True, 959 - 150)):
        view = draw(image, watched_of(none, corners_px=corners_px), 0.0, mirror=mirror)
        assert view[BAR_PX + 300, x].tolist() != [100, 100, 100]
        assert view[BAR_PX + 300, 959 - x].tolist() == [100, 100, 100]
