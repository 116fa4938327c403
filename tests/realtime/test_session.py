"""A whole run on the bundled clip: every frame one result, files closed whatever ends it, and how good it is."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from realtime.frame import Frame
from realtime.scene import Scene
from realtime.session import Session, Settings, describe, open_session
from tests.realtime.fake_engine import FakeEngine, standing


class Frames:
    """A source from memory."""

    name, live, rate, description = "memory", False, Fraction(30), "from memory"

    def __init__(self, images):
        self.images = images
        self.size_px = images[0].shape[1::-1]
        self.frame_count = len(images)
        self.closed = False

    def frames(self):
        for index, image in enumerate(self.images):
            yield Frame(index, index / 30, image)

    def close(self):
        self.closed = True


def blank(count, size=(72, 128)):
    return [np.zeros((*size, 3), np.uint8)] * count


def test_every_frame_gives_one_result_and_all_is_closed(tmp_path):
    source = Frames(blank(12))
    engine = FakeEngine(people=[standing((0, 0, 4))])
    with Session(source, engine, Settings(), saves=[tmp_path / "a.jsonl"]) as session:
        results = list(session.results())
    assert [r.index for r in results] == list(range(12))
    assert source.closed
    assert (session.tally.frames, session.tally.with_people, session.frame_count) == (12, 12, 12)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 13
    assert describe(results[-1]).startswith("1 person at 4.")


def test_max_frames_ends_a_run(tmp_path):
    with Session(Frames(blank(12)), FakeEngine(), Settings(max_frames=5)) as session:
        results = list(session.results())
    assert len(results) == 5
    assert session.frame_count == 5
    assert describe(results[0]) == "nobody in view"


def test_photos_of_different_sizes_each_get_their_own_camera():
    images = [*blank(1, (72, 128)), *blank(1, (200, 100)), *blank(1, (72, 128))]
    with Session(Frames(images), FakeEngine(), Settings(track=False)) as session:
        assert len(list(session.results())) == 3


def test_an_error_on_the_way_leaves_whole_files(tmp_path):
    class Broken(FakeEngine):
        def submit(self, image_bgr, boxes, K):
            if len(self.calls) > 8:
                raise RuntimeError("the engine broke")
            return super().submit(image_bgr, boxes, K)

    source = Frames(blank(60))
    engine = Broken(people=[standing((0, 0, 4))])
    with (
        pytest.raises(RuntimeError, match="the engine broke"),
        Session(source, engine, Settings(), saves=[tmp_path / "a.jsonl"]) as session,
    ):
        list(session.results())
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    assert len(lines) == session.tally.frames + 1 > 2
    assert source.closed


def test_a_save_that_cannot_be_opened_closes_the_source(tmp_path):
    source = Frames(blank(2))
    with pytest.raises(RuntimeError, match=r"known: \.jsonl"):
        Session(source, FakeEngine(), Settings(), saves=[tmp_path / "a.xyz"])
    assert source.closed


def test_the_3d_picture_shows_people_and_follows_them(scene):
    render = Scene((200, 160))
    _, nobody = scene(2)
    empty = render.render(nobody)
    _, somebody = scene(0)
    seen = render.render(somebody)
    assert seen.shape == (160, 200, 3)
    changed = np.abs(seen.astype(int) - empty).max(axis=2) > 60
    assert 0.01 < changed.mean() < 0.4
    row, column = np.argwhere(changed).mean(axis=0)
    assert abs(row - 80) < 40
    assert abs(column - 100) < 30


def test_somebody_far_behind_does_not_pull_the_eye_away(scene):
    _, near = scene(0)
    person = near.people[0]
    far = replace(person, id=1, root_m=np.add(person.root_m, (-3.0, -1.0, 9.0)))
    both = replace(near, people=[person, far])
    alone = Scene((200, 160)).render(near)
    together = Scene((200, 160)).render(both)
    assert (np.abs(together.astype(int) - alone).max(axis=2) > 60).mean() < 0.02


def test_the_demo_person_is_found_in_the_picture_and_in_metres(demo_clip):
    """Guards the whole chain with the bundled weights; the bounds are what was measured, with some room."""
    with np.load(demo_clip.with_name("demo_truth.npz"), allow_pickle=False) as truth:
        joints_m, K = truth["joints_cam_m"].astype(np.float64), truth["K"]
    with open_session(Settings(), video=str(demo_clip), window=False) as session:
        results = list(session.results())
    assert len(results) == len(joints_m) == 350
    whole = slice(25, 320)  # before and after, the person is cut by the picture's edge
    found = [r.people[0] if r.people else None for r in results[whole]]
    assert sum(p is not None for p in found) >= 0.97 * len(found)
    true_px = joints_m @ K.T
    true_px = (true_px[..., :2] / true_px[..., 2:])[whole]
    torso_px = np.linalg.norm(true_px[:, 13] - true_px[:, 2], axis=1)
    near, errors_m = [], []
    for person, px, torso, cam_m in zip(found, true_px, torso_px, joints_m[whole], strict=True):
        if person is None:
            near.append(np.zeros(16, bool))
            continue
        near.append(np.linalg.norm(person.joints.px - px, axis=1) < 0.2 * torso)
        errors_m.append(np.linalg.norm(person.offsets_m - (cam_m - cam_m[6]), axis=1).mean())
    pck, mpjpe_mm = float(np.mean(near)), 1000 * float(np.mean(errors_m))
    print(f"demo: PCK@0.2 {pck:.3f}, MPJPE {mpjpe_mm:.0f} mm")
    assert pck > PCK_MEASURED - 0.06
    assert mpjpe_mm < MPJPE_MEASURED_MM * 1.2


# with the bundled weights; rewritten whenever those are
PCK_MEASURED = 0.949
MPJPE_MEASURED_MM = 88.0
