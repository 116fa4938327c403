"""What keys in the window do to a run, with a window that is played by the test."""

from __future__ import annotations

import json
from collections import deque
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest

from realtime.frame import Frame
from realtime.recording import Recording
from realtime.session import Session, Settings
from realtime.sinks import SinkError
from tests.realtime.fake_engine import FakeEngine, standing
from tests.realtime.test_session import Frames, blank


class PlayedWindow:
    """Gives commands as they were planned: after how many showings, which. Remembers what it was shown."""

    failure = None

    def __init__(self, plan):
        self.plan = deque(sorted(plan.items()))
        self.shown = []
        self.asked = 0
        self.closed = False
        self.closed_after: int | None = None

    def show(self, result, image_bgr, status):
        self.shown.append((result, status))
        if self.closed_after is not None and len(self.shown) >= self.closed_after:
            self.closed = True

    def commands(self):
        self.asked += 1
        if self.plan and len(self.shown) >= self.plan[0][0]:
            return list(self.plan.popleft()[1])
        return []

    def close(self):
        self.closed = True


class LiveFrames(Frames):
    live, description = True, "a camera for tests"


def run(window, frames=12, source=Frames, **settings):
    engine = FakeEngine(people=[standing((0, 0, 4))])
    with Session(source(blank(frames)), engine, Settings(**settings), viewer=window) as session:
        results = list(session.results())
    return session, results


def test_a_file_stands_still_until_it_goes_on(monkeypatch):
    slept = []
    monkeypatch.setattr("realtime.session.time.sleep", slept.append)
    window = PlayedWindow({4: ["pause"], 5: ["step"], 6: ["step"], 7: ["pause"]})
    _, results = run(window)
    assert [r.index for r in results] == list(range(12))
    paused = [(result.index, status.paused) for result, status in window.shown]
    # shown again when it stops, then frame by frame, and on
    assert paused[3:10] == [(3, False), (3, True), (3, True), (4, True), (4, True), (5, True), (5, False)]


def test_a_camera_cannot_be_paused():
    window = PlayedWindow({3: ["pause"]})
    _, results = run(window, source=LiveFrames)
    assert results
    assert not any(status.paused for _, status in window.shown)


def test_the_preview_is_mirrored_and_back():
    window = PlayedWindow({2: ["mirror"], 5: ["mirror"]})
    run(window)
    assert [status.mirror for _, status in window.shown][:2] == [False, False]
    assert window.shown[3][1].mirror
    assert not window.shown[-1][1].mirror


def test_recording_starts_and_ends_by_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    window = PlayedWindow({3: ["record"], 8: ["record"]})
    session, _ = run(window)
    video, poses = session.recording.written
    assert video.suffix == ".mp4"
    frames = [json.loads(line)["frame"] for line in poses.read_text().splitlines()[1:]]
    assert frames == list(range(frames[0], frames[-1] + 1))
    assert 2 <= len(frames) < 12
    assert any(status.recording for _, status in window.shown)
    assert any("recorded" in line and str(poses) in line for line in session.summary())


def test_a_recording_that_still_runs_is_complete_when_the_run_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session, _ = run(PlayedWindow({1: ["record"]}))
    lines = session.recording.written[1].read_text().splitlines()
    assert len(lines) == 1 + 11


def test_where_nothing_can_be_recorded_the_run_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recordings").write_text("a file in the way")
    with pytest.raises(SinkError, match="recordings"):
        run(PlayedWindow({1: ["record"]}))


def test_recordings_are_named_by_the_time_and_never_mixed(tmp_path):
    from realtime.session import header_of

    header = header_of(Frames(blank(1)), FakeEngine(), Settings())
    times = iter([datetime(2030, 1, 2, 3, 4, 5), datetime(2030, 1, 2, 3, 4, 9)])
    recording = Recording(header, live=False, folder=tmp_path / "r", now=lambda: next(times))
    for _ in range(4):
        recording.toggle()
    assert [path.name for path in recording.written] == [
        f"2030-01-02_03-04-0{second}{suffix}" for second in (5, 9) for suffix in (".mp4", ".jsonl")
    ]


def test_the_next_person_is_another_one():
    left, right = standing((-1.0, 0, 4)), standing((1.0, 0, 4))
    engine = FakeEngine(people=[left, right])
    window = PlayedWindow({6: ["next_person"]})
    image = np.zeros((720, 1280, 3), np.uint8)

    class Two(Frames):
        rate = Fraction(30)

        def frames(self):
            for index in range(14):
                yield Frame(index, index / 30, image)

    with Session(Two([image]), engine, Settings(), viewer=window) as session:
        roots = [r.people[0].root_m[0] for r in session.results() if r.people]
    assert np.sign(roots[0]) != np.sign(roots[-1])


def test_closing_the_window_ends_the_run():
    window = PlayedWindow({})
    window.closed_after = 4
    _, results = run(window)
    assert len(results) == 4


def test_a_window_that_crashed_does_not():
    window = PlayedWindow({})
    window.closed_after, window.failure = 4, "the window's process ended with status 11"
    session, results = run(window)
    assert len(results) == 12
    assert session.window_failure == window.failure
