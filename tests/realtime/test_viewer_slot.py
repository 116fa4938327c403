"""The memory between the program and its window."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from realtime.result import Result
from realtime.viewer.slot import COMMANDS, PEOPLE_MAX, PICTURE_SIZE, RING, ViewSlot
from tests.realtime.fake_engine import standing
from tests.realtime.screen import result_of, status_of
from tests.realtime.skeletons import EITHER

ROUNDS = 1500


@EITHER
def test_the_newest_result_wins_and_is_read_once(skeleton):
    writer = ViewSlot()
    reader = ViewSlot(writer.memory)
    assert reader.read() is None
    for depth in (2.0, 3.0, 4.0):
        people = (standing((x, 0, depth), skeleton=skeleton) for x in (0, 1))
        writer.write(result_of(*people), None)
    seen = reader.read()
    assert seen is not None
    np.testing.assert_allclose(seen.joints_m[0], standing((0, 0, 4), skeleton=skeleton), atol=1e-5)
    assert seen.score.shape == (2, len(skeleton))
    assert seen.ids == [0, 1]
    assert seen.distance_known == [True, True]
    assert seen.status is None
    assert reader.read() is None


@pytest.mark.parametrize("latency_ms", [None, 42.0])
def test_the_status_comes_over_whole(latency_ms):
    writer = ViewSlot()
    status = replace(status_of(live=True, recording=True, mirror=True), fps=30.0, latency_ms=latency_ms)
    writer.write(result_of(), replace(status, dropped_share=0.25, assumptions="60° " * 60))
    seen = ViewSlot(writer.memory).read()
    assert seen is not None
    assert seen.status is not None
    assert replace(seen.status, assumptions="") == replace(status, dropped_share=0.25, assumptions="")
    assert ("60° " * 60).startswith(seen.status.assumptions)


@EITHER
def test_a_large_picture_is_shrunk_by_a_whole_number_and_its_joints_with_it(skeleton):
    writer = ViewSlot()
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[:, 960:] = (10, 20, 30)
    person = result_of(standing((0, 0, 4), skeleton=skeleton))
    crowd = replace(person, people=person.people * (PEOPLE_MAX + 3))
    assert writer.write_picture(crowd, image)
    writer.write(crowd, None)
    reader = ViewSlot(writer.memory)
    seen, picture = reader.read(), reader.read_picture()
    assert seen is not None
    assert picture is not None
    assert len(seen.joints_m) == len(picture.px) == PEOPLE_MAX
    assert picture.image_bgr.shape == (360, PICTURE_SIZE[0], 3)
    np.testing.assert_array_equal(picture.image_bgr[180, 600], (10, 20, 30))
    np.testing.assert_allclose((picture.px[0] + 0.5) * 3 - 0.5, person.people[0].joints.px, atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (7, 5000), (5000, 7), (641, 481), (3001, 2003)])
def test_pictures_of_any_size_fit(size):
    slot = ViewSlot()
    assert slot.write_picture(result_of(), np.full((size[1], size[0], 3), 9, np.uint8))
    picture = slot.read_picture()
    assert picture is not None
    assert (picture.image_bgr == 9).all()


def test_a_picture_is_dropped_while_the_last_one_lies_unread():
    slot = ViewSlot()
    assert slot.write_picture(result_of(), np.full((4, 4, 3), 1, np.uint8))
    assert not slot.write_picture(result_of(), np.full((4, 4, 3), 2, np.uint8))
    picture = slot.read_picture()
    assert picture is not None
    assert (picture.image_bgr == 1).all()
    assert slot.read_picture() is None
    assert slot.write_picture(result_of(), np.full((4, 4, 3), 3, np.uint8))


def test_a_reader_never_gets_half_a_result():
    writer = ViewSlot()
    writer.write(result_of(), None)
    reader = ViewSlot(writer.memory)
    writer._at["sequence"] += 1  # in the middle of the next one
    assert reader.read() is None
    writer._at["sequence"] += 1
    assert reader.read() is not None


def test_keys_come_in_order_once_and_old_ones_make_room():
    program = ViewSlot()
    window = ViewSlot(program.memory)
    for command in ("pause", "step", "step", "record"):
        window.command(command)
    assert program.commands() == ["pause", "step", "step", "record"]
    assert program.commands() == []
    for _ in range(RING + 5):
        window.command(COMMANDS[-1])
    assert program.commands() == [COMMANDS[-1]] * RING


def test_a_failure_is_one_line_that_fits():
    slot = ViewSlot()
    assert slot.failure is None
    slot.failure = "no\nscreen " * 200
    failure = slot.failure or ""
    assert failure.startswith("no screen no screen")
    assert len(failure) == 400


def _write_on(memory):
    slot = ViewSlot(memory)
    result, image = result_of(standing((0, 0, 4))), np.empty((96, 128, 3), np.uint8)
    for n in range(1, 10**7):
        if slot.stop:
            return
        result.people[0].offsets_m[:] = n
        result.people[0].joints.score[:] = n
        image[:] = n % 256
        slot.write_picture(result, image)
        slot.write(result, None)


def test_two_processes_never_tear_a_result_or_a_picture():
    reader = ViewSlot()
    process = multiprocessing.get_context("spawn").Process(target=_write_on, args=(reader.memory,), daemon=True)
    process.start()
    results = pictures = 0
    last, root_m = 0.0, np.array((0.0, 0.0, 4.0))
    while results < ROUNDS and process.is_alive():
        view, picture = reader.read(), reader.read_picture()
        if view is not None:
            results += 1
            offsets = view.joints_m[0] - root_m
            assert np.ptp(np.round(offsets)) == 0
            assert np.round(offsets[0, 0]) == view.score[0, 0] > last
            last = view.score[0, 0]
        if picture is not None:
            pictures += 1
            assert np.ptp(picture.image_bgr) == 0
            assert picture.image_bgr[0, 0, 0] == int(picture.score[0, 0]) % 256
    reader.stop = True
    process.join(10)
    assert results == ROUNDS
    assert pictures > ROUNDS / 20
    assert process.exitcode == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_the_memory_has_no_name_and_is_freed():
    def mapped():
        with open("/proc/self/maps") as maps:
            return sum("/pym-" in line for line in maps)

    def use():
        slots = [ViewSlot() for _ in range(8)]
        slots[0].write(Result(0, 0.0, [], {}, "fake"), None)
        assert mapped() > 0
        assert not [name for name in set(os.listdir("/dev/shm")) - names if name.startswith("pym-")]

    names = set(os.listdir("/dev/shm"))
    use()
    gc.collect()
    before = mapped()
    for _ in range(3):
        use()
        gc.collect()
    assert mapped() <= before  # multiprocessing keeps small pieces, and uses them again
