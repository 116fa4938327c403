"""The window and the memory between it and the program. Tests that need a screen make a virtual one."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from engine.crop import box_around
from engine.joints import Joints
from engine.skeleton import BONES, ROOT
from realtime import viewer as viewer_module
from realtime.colours import LEFT_RGB, RIGHT_RGB
from realtime.result import Person, Result
from realtime.viewer import NO_SCREEN, open_viewer
from realtime.viewer_slot import PEOPLE_MAX, PICTURE_SIZE, View, ViewSlot
from realtime.viewer_window import SkeletonMesh, Window
from tests.realtime.fake_engine import projected, standing, view

OPEN_S = 30.0  # for Open3D to be imported on a busy machine


@pytest.fixture(scope="module")
def screen():
    """The name of a virtual display."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    try:
        importlib.import_module("open3d")
    except ImportError as error:
        pytest.skip(f"Open3D cannot be imported: {error}")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


def result_of(*people):
    _, K = view()
    persons = []
    for id, joints_m in enumerate(people):
        px = projected(joints_m, K)
        joints = Joints(px, np.zeros(16), np.zeros((16, 3)), np.ones(16), 1.0, box_around(px))
        persons.append(Person(id, joints, joints_m - joints_m[ROOT], joints_m[ROOT]))
    return Result(0, 0.0, persons, {}, "fake")


def wait_until(condition, seconds=OPEN_S):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


# --- the memory


def test_the_newest_result_wins_and_is_read_once():
    writer = ViewSlot()
    reader = ViewSlot(writer.memory)
    assert reader.read() is None
    for depth in (1.0, 2.0, 3.0):
        writer.write(np.full((2, 16, 3), depth, np.float32), None)
    seen = reader.read()
    assert seen is not None
    np.testing.assert_array_equal(seen.joints_m, np.full((2, 16, 3), 3.0))
    assert seen.picture_bgr is None
    assert reader.read() is None


def test_a_large_picture_is_shrunk_and_too_many_people_are_left_out():
    writer = ViewSlot()
    picture = np.zeros((1080, 1920, 3), np.uint8)
    picture[:, 960:] = (10, 20, 30)
    writer.write(np.zeros((PEOPLE_MAX + 3, 16, 3), np.float32), picture)
    seen = ViewSlot(writer.memory).read()
    assert seen is not None
    assert seen.picture_bgr is not None
    assert len(seen.joints_m) == PEOPLE_MAX
    assert seen.picture_bgr.shape == (360, PICTURE_SIZE[0], 3)
    np.testing.assert_array_equal(seen.picture_bgr[180, 600], (10, 20, 30))


def test_a_reader_never_gets_half_a_result():
    writer = ViewSlot()
    writer.write(np.ones((1, 16, 3), np.float32), None)
    reader = ViewSlot(writer.memory)
    writer._at["sequence"] += 1  # in the middle of the next one
    assert reader.read() is None
    writer._at["sequence"] += 1
    assert reader.read() is not None


def test_a_failure_is_one_line_that_fits():
    slot = ViewSlot()
    assert slot.failure is None
    slot.failure = "no\nscreen " * 200
    failure = slot.failure or ""
    assert failure.startswith("no screen no screen")
    assert len(failure) == 400


# --- the geometry


def test_the_mesh_is_one_piece_whose_vertices_alone_change():
    mesh = SkeletonMesh()
    person = standing((0.5, 0.2, 4))
    vertices, normals = mesh.placed(person[None], hidden_at_m=np.array([1.0, 2.0, 3.0]))
    assert len(vertices) == len(normals) == len(mesh.colors)
    assert mesh.triangles.max() == len(vertices) - 1
    used = vertices[: len(vertices) // PEOPLE_MAX]
    assert np.linalg.norm(used[:, None] - person[None], axis=2).min(axis=0).max() < 0.07
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(vertices[len(used) :], np.tile((1.0, 2.0, 3.0), (len(vertices) - len(used), 1)))


def test_each_side_has_its_colour_and_bones_join_their_ends():
    mesh = SkeletonMesh()
    person = standing((0, 0, 4))
    vertices, _ = mesh.placed(person[None], hidden_at_m=np.zeros(3))
    tubes = vertices[: len(BONES) * 20].reshape(len(BONES), 2, 10, 3).mean(axis=2)
    np.testing.assert_allclose(tubes[:, 1], person[[child for child, _ in BONES]], atol=1e-9)
    np.testing.assert_allclose(tubes[:, 0], person[[parent for _, parent in BONES]], atol=1e-9)
    assert tuple(mesh.colors[0]) == RIGHT_RGB  # the first bone ends in the right ankle
    assert tuple(mesh.colors[14 * 20]) == LEFT_RGB  # the last one in the left wrist


# --- the screen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a screen")
@pytest.mark.parametrize("display", ["", ":987"])
def test_without_a_screen_there_is_no_viewer(display, monkeypatch):
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert open_viewer() is None
    assert NO_SCREEN == "no screen: running headless"


def _draw_once(path):
    window = Window("test", (640, 360))
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[:] = (0, 200, 0)
    for _ in range(3):
        window.draw(View(standing((0, 0, 3.5), arms=1.5)[None].astype(np.float32), picture))
        window.refresh()
    np.save(path, window.picture())
    window.close()


def test_the_window_shows_both_sides_in_their_colours_and_the_picture(screen, monkeypatch, tmp_path):
    monkeypatch.setenv("DISPLAY", screen)
    path = tmp_path / "window.npy"
    process = multiprocessing.get_context("spawn").Process(target=_draw_once, args=(path,))
    process.start()
    process.join(OPEN_S)
    assert process.exitcode == 0
    red, green, blue = np.load(path).astype(int).transpose(2, 0, 1)
    orange, bluish = (red > 180) & (blue < 90) & (green > 70), (blue > 180) & (red < 120)
    board = (green > 150) & (red < 60) & (blue < 60)
    assert min(orange.sum(), bluish.sum()) > 300
    assert board.sum() > 5000
    # the person faces the camera: their right is on the picture's left; the picture stands left of both
    column = np.arange(red.shape[1])
    middle = [np.average(column, weights=mask.sum(axis=0)) for mask in (board, bluish, orange)]
    assert middle == sorted(middle)


def test_a_window_that_stalls_or_is_killed_does_not_hurt_the_program(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    viewer = open_viewer(size_px=(320, 240))
    assert viewer is not None
    with viewer:
        assert not viewer.closed
        pid = viewer._process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        begin = time.perf_counter()
        for _ in range(50):
            viewer.show(result_of(standing((0, 0, 3))), np.zeros((720, 1280, 3), np.uint8))
        assert time.perf_counter() - begin < 2.0
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: viewer.closed)
        assert viewer.failure is not None
        assert "-9" in viewer.failure
        viewer.show(result_of())
    viewer.close()


def test_the_window_opens_takes_what_comes_and_closes_when_told(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    viewer = open_viewer(size_px=(320, 240))
    assert viewer is not None
    picture = np.full((480, 640, 3), 80, np.uint8)

    def third_drawn():
        viewer.show(result_of(standing((0, 0, 3))), picture)
        return viewer.drawn >= 3

    assert wait_until(third_drawn)
    assert viewer.failure is None
    monkeypatch.setattr(viewer_module, "CLOSE_WAIT_S", OPEN_S)
    viewer.close()
    assert viewer.closed
    assert viewer.failure is None
    assert viewer._process.exitcode == 0
    viewer.close()
