"""While cameras record: which of them moved against a stored rig, who cannot tell, and that no frame is lost by it."""

import json
import os
import signal
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.camera import rigid
from calib.formats import write_rig
from calib.rig import Rig
from realtime.colours import ALERT_RGB, bgr
from realtime.recorder import rig_guard
from realtime.recorder.cameras import RecordError, Wanted
from realtime.recorder.mosaic import BAR_PX, mosaic
from realtime.recorder.recorder import Plan, Recorder
from realtime.recorder.rig_check import RigChecker
from realtime.recorder.rig_guard import WAITING
from realtime.takes import open_take
from tests.calib.walker import Walker
from tests.realtime.takes.walked_take import SIZE_PX, Scene, pair, with_number

GREY = np.full((SIZE_PX[1], SIZE_PX[0], 3), 90, np.uint8)
SCENE = Scene(seconds=11.0, rate_hz=10.0, walker=Walker(seed=3, radius_m=0.8), cameras=pair(apart_deg=50.0))
FILMED = replace(SCENE, seconds=50.0, rate_hz=15.0)
LIMIT_S = 60.0  # machines are shared


def rig_before(degrees, name="cam1", cameras=SCENE.cameras):
    """The rig as it was before this camera was turned sideways where it stands."""
    turn = rigid(Rotation.from_rotvec([0.0, np.deg2rad(degrees), 0.0]).as_matrix(), np.zeros(3))
    return Rig({**cameras, name: replace(cameras[name], cam_from_world=turn @ cameras[name].cam_from_world)})


def checked(scene, rig, **when):
    """All that is found while the scene plays."""
    checker, found = RigChecker(rig, scene.engine(), **when), []
    for number in range(len(scene.rig_s(0))):
        for i, name in enumerate(scene.cameras):
            checker.look(name, scene.rig_s(i)[number] - scene.offset_s * i, with_number(GREY, number, i))
        found += checker.findings() or ()
    return found


def test_cameras_that_stand_are_said_to_stand():
    found = checked(SCENE, Rig(SCENE.cameras))
    assert [(one.told, one.moved) for one in found] == [(True, None)]
    assert found[-1].text.startswith("cam0 and cam1 stand where the rig has them, to 0.")


def test_a_camera_that_moved_is_named_by_two_checks_in_a_row():
    found = checked(SCENE, rig_before(3.0), least_s=9.0, every_s=1.0)
    assert [one.moved for one in found] == [None, "cam1"]
    assert not found[0].told  # one check alone may be a moment's mistake
    assert found[-1].angle_deg == pytest.approx(3.0, abs=0.5)
    assert found[-1].text.startswith("camera cam1 moved: ")


def test_a_person_who_stands_still_cannot_tell():
    still = Walker(seed=0, radius_m=0.0, gestures=0.02, legs=0.0, facing_deg=-90.0)
    found = checked(replace(SCENE, walker=still), rig_before(3.0))
    assert found
    assert not any(one.told or one.moved for one in found)
    assert "cannot tell yet" in found[-1].text


def test_few_pictures_cannot_tell():
    found = checked(replace(SCENE, rate_hz=3.0), rig_before(3.0))
    assert [(one.told, one.moved) for one in found] == [(False, None)]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Two videos of the person."""
    return FILMED.write(tmp_path_factory.mktemp("filmed") / "walk")


def recorder_of(filmed, folder, rig, monkeypatch, **plan):
    monkeypatch.setattr(rig_guard, "own_checker", FilmedChecker)
    path = write_rig(folder / "room.toml", rig)
    wanted = [Wanted(source=str(filmed / f"{name}.mp4")) for name in SCENE.cameras]
    return Recorder(wanted, Plan(folder / "take", rig=path, **plan))


def guard_of(recorder):
    """Who watches the rig."""
    assert recorder.guard is not None
    return recorder.guard


class FilmedChecker(RigChecker):
    """One whose engine knows the scene, and that is quick to judge."""

    def __init__(self, rig):
        engine: Any = FILMED.engine()
        super().__init__(rig, engine, least_s=8.0, every_s=4.0)


def test_an_alarm_while_it_records_names_the_camera_and_no_frame_is_lost(filmed, tmp_path, monkeypatch, caplog):
    with recorder_of(filmed, tmp_path, rig_before(3.0), monkeypatch) as recorder:
        states = []
        for status in recorder.run():
            states.append(status)
            if status.alarm:
                recorder.end()
        summary = recorder.summary()
    take = open_take(tmp_path / "take")
    for camera in take.cameras.values():
        assert np.diff(camera.table.time_us).max() < 1e6 / 15 + 2
    assert take.rig is not None  # kept with the take
    assert guard_of(recorder).alarm, guard_of(recorder).says
    assert any(text.startswith("camera cam1 moved: ") for text in caplog.messages)
    assert summary[-1].startswith("rig: camera cam1 moved: ")
    events = (tmp_path / "take" / "events.jsonl").read_text().splitlines()
    assert any("camera cam1 moved" in json.loads(line)["what"] for line in events)
    assert states[0].rig == WAITING
    head = mosaic(next(s for s in reversed(states) if s.alarm), {})[:BAR_PX, 40:]
    assert (np.abs(head.astype(int) - bgr(ALERT_RGB)).sum(-1) < 12).any()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGSTOP", "SIGKILL"])
def test_a_check_that_hangs_or_dies_costs_nothing(filmed, tmp_path, monkeypatch, number):
    begin_s = time.monotonic()
    with recorder_of(filmed, tmp_path, Rig(SCENE.cameras), monkeypatch, seconds=1.0) as recorder:
        os.kill(guard_of(recorder)._process.pid or 0, getattr(signal, number))
        list(recorder.run())
        says = guard_of(recorder).says
    assert time.monotonic() - begin_s < LIMIT_S
    assert not guard_of(recorder)._process.is_alive()
    assert [len(camera.table) for camera in open_take(tmp_path / "take").cameras.values()] == [15, 15]
    assert says == WAITING if number == "SIGSTOP" else "not checked any more" in says


def test_a_rig_of_other_cameras_is_one_line(filmed, tmp_path, monkeypatch):
    three = {**SCENE.cameras, "third": SCENE.cameras["cam1"]}
    with pytest.raises(RecordError, match="has cameras one, two, three, recorded are cam0, cam1"):
        recorder_of(filmed, tmp_path, Rig(dict(zip(("one", "two", "three"), three.values(), strict=True))), monkeypatch)
    square = {name: replace(camera, height=200) for name, camera in SCENE.cameras.items()}
    with pytest.raises(RecordError, match="does not fit cam0"):
        recorder_of(filmed, tmp_path, Rig(square), monkeypatch)
    assert not (tmp_path / "take").exists()
