"""What the window shows: captures of one that is led through its keys in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.skeleton import BODY25, HEAD_TOP, MPII16
from realtime.colours import PANEL_RGB, Rgb, score_rgb
from realtime.viewer import text
from realtime.viewer.body import mesh_of
from realtime.viewer.keys import ACTIONS, SILENCED, listen
from realtime.viewer.panel import Content, PanelWriter, PersonLine, panel_width
from realtime.viewer.room import TEXELS, Floor
from realtime.viewer.slot import ViewSlot
from realtime.viewer.trails import JUMP_M, LENGTH, Trails
from realtime.viewer.window import NOTE_S, Window
from tests.realtime.fake_engine import standing
from tests.realtime.screen import OPEN_S, result_of, screen, status_of
from tests.realtime.skeletons import EITHER

__all__ = ["screen"]
SIZE = (800, 450)
PANEL_PX = panel_width(SIZE)


class Lead:
    """Leads a window through time without waiting for it, and keeps what it shows."""

    def __init__(self, folder):
        self._folder, self._now_s = folder, 0.0
        self._program = ViewSlot()
        self._slot = ViewSlot(self._program.memory)
        self.window = Window("test", SIZE, self._slot)

    def frame(self, *people, **status):
        image = np.zeros((360, 640, 3), np.uint8)
        image[:, :320] = (0, 200, 0)
        result = result_of(*people, score=0.1)
        self._program.write_picture(result, image)
        self._program.write(result, status_of(**status))
        self.step()

    def step(self, *, count=1):
        for _ in range(count):
            self._now_s += 0.3
            self.window.update(self._slot.read(), self._slot.read_picture(), self._now_s)
            assert self.window.refresh()

    def press(self, action):
        self.window.press(action)
        self.step(count=3)  # more than a switch of views takes

    def keep(self, name):
        np.save(self._folder / f"{name}.npy", self.window.picture())

    def commands(self):
        return self._program.commands()


def _led(folder):
    os.chdir(folder)
    lead = Lead(folder)
    for swing in np.linspace(0.3, 1.5, 8):
        lead.frame(standing((0, 0, 3.5), arms=swing))
    lead.step(count=2)
    for name in ("free", "front", "side", "top"):
        lead.press(name)
        lead.keep(name)
    lead.press("free")
    for name in ("trails", "confidence", "help"):
        lead.press(name)
        lead.keep(name)
        lead.press(name)
    lead.keep("as_before")
    lead.frame(standing((0, 0, 3.5), arms=1.5), mirror=True, recording=True, paused=True)
    lead.step()
    lead.keep("mirrored")
    lead.press("screenshot")
    lead.keep("note")
    lead.step(count=round(NOTE_S / 0.3) + 2)
    assert lead.window.set.note == ""
    for action in ("pause", "step", "mirror", "record", "next_person", "top"):
        lead.press(action)
    assert lead.commands() == ["pause", "step", "mirror", "record", "next_person"]
    lead.press("front")
    lead.frame(standing((0, 0, 3.5), skeleton=BODY25))
    lead.step(count=3)
    lead.keep("body25")
    lead.frame(standing((0, 0, 3.5)), standing((1.5, 0, 3.5)), live=True)
    lead.press("pause")
    assert lead.commands() == []  # a camera cannot wait
    for id in (1, 0, 1):
        lead.press("next_person")
        assert lead.window.set._focus_id == id
    lead.window.press("quit")
    lead.window.update(None, None, 1e6)
    assert not lead.window.refresh()
    lead.window.close()


@pytest.fixture(scope="module")
def shown(screen, tmp_path_factory):
    """Captures by name, and the folder they lie in."""
    folder = tmp_path_factory.mktemp("window")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", screen)
        process = multiprocessing.get_context("spawn").Process(target=_led, args=(folder,))
        process.start()
        process.join(2 * OPEN_S)
    assert process.exitcode == 0
    return {path.stem: np.load(path).astype(int) for path in folder.glob("*.npy")}, folder


def near(image, rgb: Rgb, tolerance=12):
    return (np.abs(image - np.array(rgb) * 255) < tolerance).all(axis=-1)


def of_side(image):
    """Where the left's and the right's colour are."""
    red, green, blue = image.transpose(2, 0, 1)
    return (red > 150) & (blue < 100) & (green > 60), (blue > 150) & (red < 120)


def room(image):
    return image[:, PANEL_PX:]


def differ(a, b):
    return int((np.abs(a - b).max(axis=-1) > 20).sum())


def test_the_room_shows_both_sides_in_their_colours_and_the_panel_the_picture(shown):
    image = shown[0]["front"]
    left, right = of_side(room(image))
    assert min(left.sum(), right.sum()) > 1000
    column = np.arange(left.shape[1])
    # the person faces the camera: their right is on the left
    assert np.average(column, weights=right.sum(axis=0)) < np.average(column, weights=left.sum(axis=0))
    middle = np.average(column, weights=(left | right).sum(axis=0))
    assert abs(middle - left.shape[1] / 2) < 0.05 * left.shape[1]  # of what the panel leaves free
    assert near(image[:, :PANEL_PX], (0, 200 / 255, 0)).sum() > 5000


def test_the_panel_stands_still_and_sharp_in_every_view(shown):
    panels = [shown[0][name][:, : PANEL_PX - 1] for name in ("free", "front", "side", "top")]
    assert near(panels[0], PANEL_RGB).mean() > 0.3
    text = panels[0][-120:]
    assert (np.abs(np.diff(text[..., 1], axis=1)) > 80).sum() > 300  # letters have edges
    for panel in panels[1:]:
        assert differ(panel, panels[0]) < 0.02 * panel[..., 0].size  # the key of the view is lit


def test_views_differ(shown):
    names = ("free", "front", "side", "top")
    for k, name in enumerate(names):
        for other in names[k + 1 :]:
            assert differ(room(shown[0][name]), room(shown[0][other])) > 3000


def test_trails_appear_and_confidence_colours_the_joints(shown):
    before = room(shown[0]["as_before"])
    trails, confidence = room(shown[0]["trails"]), room(shown[0]["confidence"])
    assert sum(side.sum() for side in of_side(trails)) > sum(side.sum() for side in of_side(before)) + 150
    red = (confidence[..., 0] > 120) & (confidence[..., 1] < 90) & (confidence[..., 2] < 90)
    assert red.sum() > 300


def test_help_hides_the_keys_and_nothing_else(shown):
    before, without = shown[0]["as_before"], shown[0]["help"]
    assert differ(room(before), room(without)) == 0
    assert differ(before, without) > 1500
    assert near(without[-60:, :PANEL_PX], PANEL_RGB).mean() > 0.97


def test_mirror_turns_the_picture_alone(shown):
    def green(name):
        _, columns = np.nonzero(near(shown[0][name][:, :PANEL_PX], (0, 200 / 255, 0)))
        return columns.mean()

    assert green("as_before") < PANEL_PX / 2 < green("mirrored")
    left, right = of_side(room(shown[0]["mirrored"]))
    column = np.arange(left.shape[1])
    assert np.average(column, weights=right.sum(axis=0)) < np.average(column, weights=left.sum(axis=0))
    assert near(shown[0]["mirrored"][:, :PANEL_PX], (0.93, 0.26, 0.22)).sum() > 100  # recording


def test_a_screenshot_is_written_and_its_place_said(shown):
    captures, folder = shown
    (path,) = (folder / "screenshots").glob("*.png")
    image = cv2.imread(str(path))[..., ::-1].astype(int)
    assert image.shape == (SIZE[1], SIZE[0], 3)
    assert differ(image, captures["mirrored"]) < 500
    assert differ(captures["note"][-60:, :PANEL_PX], captures["mirrored"][-60:, :PANEL_PX]) > 1500


# --- its parts


@EITHER
def test_the_body_is_one_mesh_that_grows_with_the_people(skeleton):
    mesh = mesh_of(len(skeleton))
    people = np.stack([standing((0.5, 0.2, 4), skeleton=skeleton), standing((-1, 0.2, 4), skeleton=skeleton)])
    score = np.ones((2, len(skeleton)), np.float32)
    for count in (0, 1, 2):
        vertices, rgb = mesh.placed(people[:count], score[:count], eye_m=np.zeros(3))
        assert len(vertices) == len(rgb) == mesh.triangles(count).max() + 1 or not count
        assert ((rgb >= 0) & (rgb <= 1)).all()
    one, _ = mesh.placed(people[:1], score[:1], eye_m=np.zeros(3))
    joints = np.delete(people[0], HEAD_TOP, axis=0)
    assert np.linalg.norm(one[:, None] - joints[None], axis=2).min(axis=0).max() < 0.06
    assert abs(one[:, 1].min() - people[0][HEAD_TOP, 1]) < 0.06


@EITHER
def test_a_folded_limb_and_a_person_without_size_do_no_harm(skeleton):
    joints = len(skeleton)
    people = np.stack([np.tile((0.0, 0.0, 3.0), (joints, 1)), np.full((joints, 3), 1e6)])
    vertices, rgb = mesh_of(joints).placed(
        people, np.full((2, joints), np.nan, np.float32), eye_m=np.zeros(3), by_score=True
    )
    assert np.isfinite(vertices).all()
    assert np.isfinite(rgb).all()
    assert Floor().texture(people, np.zeros(3)).shape == (TEXELS, TEXELS, 3)


@EITHER
def test_the_shadow_lies_below_the_person(skeleton):
    floor, person = Floor(), standing((1.0, 0.2, 4.0), skeleton=skeleton)
    middle_m = floor.middle(np.array([0.1, 0.0, 4.1]), 1.0)
    assert tuple(middle_m) == (0.0, 1.0, 4.0)
    lost = floor.texture(np.zeros((0, len(skeleton), 3)), middle_m).astype(int) - floor.texture(person[None], middle_m)
    rows, columns = np.nonzero(lost.max(axis=-1) > 3)
    x_m, z_m = (columns.mean() / TEXELS - 0.5) * 8, -(rows.mean() / TEXELS - 0.5) * 8 + 4
    assert (x_m, z_m) == pytest.approx((1.0, 4.0), abs=0.15)


def test_tails_are_cut_where_somebody_jumps_or_goes():
    trails = Trails()
    assert trails.mesh() is None
    for step in range(2 * LENGTH):
        trails.add([7], standing((0.01 * step, 0, 3))[None])
    vertices, _, rgb = trails.mesh() or ((), (), ())
    assert len(vertices) == len(rgb) == 4 * (LENGTH - 1) * 10
    trails.add([7], standing((3 + 2 * JUMP_M, 0, 3))[None])
    assert trails.mesh() is None
    trails.add([], np.zeros((0, len(MPII16), 3)))
    assert not trails._past


@pytest.mark.parametrize("size", [(302, 330), (404, 440), (40, 20), (1, 1)])
def test_the_panel_can_be_written_at_any_size(size):
    people = tuple(PersonLine(id, None if id else 3.2, 0.7, id == 1) for id in range(4))
    status = replace(status_of(live=True, recording=True, mirror=True), latency_ms=None, engine="long " * 40)
    content = Content("a title that is far too long for the panel " * 3, status, people, note="saved " * 40)
    image = PanelWriter(size).write(content)
    assert image.shape == (size[1], size[0], 3)


def test_the_panel_is_readable_with_an_opencv_of_before(monkeypatch):
    monkeypatch.setattr(text, "_face", lambda: None)
    image = PanelWriter((404, 440)).write(Content("clip.mp4", status_of()))
    assert (image.max(axis=-1) > 200).sum() > 1000


def test_every_key_of_open3d_that_would_interfere_is_taken():
    taken = {}

    class Recorder:
        def register_key_action_callback(self, key, handler):
            taken[key] = handler

    pressed = []
    listen(Recorder(), pressed.append)
    assert set(taken) == {*ACTIONS, *SILENCED}
    for event in (0, 1, 2):  # released, pressed, held down
        taken[ord("N")](None, event, 0)
        taken[ord("R")](None, event, 0)
        taken[ord("W")](None, event, 0)
    assert pressed == ["step", "record", "step"]


def test_colours_of_scores_run_from_red_to_green():
    assert score_rgb(0.0)[0] > 0.8 > 0.3 > score_rgb(0.0)[1]
    assert score_rgb(1.0)[1] > 0.7 > 0.3 > score_rgb(1.0)[0]
    assert score_rgb(float("nan")) == score_rgb(-1.0) == score_rgb(0.0)
