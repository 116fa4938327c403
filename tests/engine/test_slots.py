"""The two slots of the card's engine with a queue that does nothing until it is waited for."""

import numpy as np
import pytest
import torch

from engine.backends.cuda import CudaEngine
from engine.backends.lanes import DirectLane
from engine.backends.slots import BATCHES, batches_of
from engine.crop import Box, camera_matrix
from tests.engine.conftest import K


class LateLane(DirectLane):
    """As late as a card can be: all work waits in a queue, so memory that is written too early shows."""

    def __init__(self):
        super().__init__()
        self.queue = []
        self.done = 0
        self.recorded = 0
        self.made = 0

    def host(self, *shape, dtype):
        self.made += 1
        return super().host(*shape, dtype=dtype)

    def upload(self, target, source):
        self.queue.append(lambda: target.copy_(source))

    def copy(self, target, source):
        self.queue.append(lambda: target.copy_(source))

    def record(self, work):
        self.recorded += 1
        return lambda: self.queue.append(work)

    def mark(self):
        lane, until = self, len(self.queue)

        class Late:
            def wait(self):
                while lane.done < until:
                    lane.queue[lane.done]()
                    lane.done += 1

        return Late()


@pytest.fixture(scope="module")
def direct(small_weights):
    with CudaEngine(small_weights, precision="fp32", lane=DirectLane()) as engine:
        yield engine


@pytest.fixture
def late(small_weights):
    with CudaEngine(small_weights, precision="fp32", lane=LateLane()) as engine:
        yield engine


@pytest.mark.parametrize(
    ("people", "batches"), [(0, []), (1, [1]), (2, [2]), (3, [4]), (5, [8]), (8, [8]), (11, [8, 4]), (17, [8, 8, 1])]
)
def test_boxes_are_split_into_the_batches_that_there_are(people, batches):
    assert list(batches_of(people)) == batches
    assert set(batches) <= set(BATCHES)


@pytest.mark.parametrize("in_flight", [1, 2, 3, 5])
def test_frames_in_flight_do_not_disturb_each_other(late, direct, picture, boxes, in_flight):
    frames = [np.roll(picture, 50 * i, axis=1) for i in range(in_flight)]
    tickets = [late.submit(frame, boxes[: 1 + i], K) for i, frame in enumerate(frames)]
    for i, ticket in enumerate(tickets):
        np.testing.assert_array_equal(ticket.result().joints, direct.infer(frames[i], boxes[: 1 + i], K).joints)


def test_two_frames_are_in_flight_before_anything_is_waited_for(late, picture, boxes):
    before = late._lane.done
    late.submit(picture, boxes[:1], K)
    late.submit(picture, boxes[:1], K)
    assert late._lane.done == before
    late.submit(picture, boxes[:1], K)
    assert late._lane.done > before


def test_tickets_may_be_read_in_any_order_or_never(late, direct, picture, boxes):
    tickets = [late.submit(picture, boxes[i : i + 1], K) for i in range(4)]
    for i in (3, 1):
        np.testing.assert_array_equal(tickets[i].result().joints, direct.infer(picture, boxes[i : i + 1], K).joints)


def test_after_the_warm_up_nothing_is_made(late, picture, boxes):
    for _ in range(2):
        late.infer(picture, boxes, K)
    recorded, made = late._lane.recorded, late._lane.made
    for count in (1, 2, 3, 8, 11):
        late.infer(picture, boxes[:count], K)
    assert (late._lane.recorded, late._lane.made) == (recorded, made)


def test_a_photo_records_only_what_it_needs_and_a_stream_everything(late, picture, boxes):
    before = late._lane.recorded
    late.infer(picture, boxes[:1], K)
    assert late._lane.recorded == before + 1
    late.infer(picture, boxes[:1], K)
    assert late._lane.recorded == before + 2 * len(BATCHES)


def test_frames_of_another_size_take_new_memory_and_old_tickets_stay_good(late, direct, picture, boxes):
    smaller = np.ascontiguousarray(picture[:300, :400])
    other_K = camera_matrix(400, 300, fov_deg=60)
    first = late.submit(picture, boxes[:2], K)
    second = late.submit(smaller, [Box(np.array([200.0, 150.0]), 120.0)], other_K)
    third = late.submit(picture, boxes[2:4], K)
    for ticket, frame, some, camera in (
        (first, picture, boxes[:2], K),
        (second, smaller, [Box(np.array([200.0, 150.0]), 120.0)], other_K),
        (third, picture, boxes[2:4], K),
    ):
        np.testing.assert_array_equal(ticket.result().joints, direct.infer(frame, some, camera).joints)


def test_a_ticket_is_good_after_close(small_weights, direct, picture, boxes):
    engine = CudaEngine(small_weights, precision="fp32", lane=LateLane())
    ticket = engine.submit(picture, boxes[:1], K)
    engine.close()
    np.testing.assert_array_equal(ticket.result().joints, direct.infer(picture, boxes[:1], K).joints)


def test_more_boxes_than_ever_make_more_room(late, direct, picture, boxes):
    many = boxes * 2
    np.testing.assert_array_equal(late.infer(picture, many, K).joints, direct.infer(picture, many, K).joints)


def test_the_host_memory_is_kept_in_the_types_that_go_up_and_down(late, picture, boxes):
    late.infer(picture, boxes[:1], K)
    slot = late._slots[0]
    assert slot._host_frame.dtype == slot._frame.dtype == torch.uint8
