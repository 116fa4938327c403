"""A virtual screen for the tests of the window, and results to show on it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from jaxtyping import Float64
from numpy import ndarray

from engine.crop import Box, box_around
from engine.joints import Joints
from engine.skeleton import CORE, ROOT
from realtime.result import Person, Result, Status
from tests.realtime.fake_engine import projected, view

OPEN_S = 40.0  # for Open3D to be imported on a busy machine


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a virtual display."""
    absent = pytest.fail if os.environ.get("REQUIRE_SCREEN") == "1" else pytest.skip
    if shutil.which("Xvfb") is None:
        absent("Xvfb is not installed")
    try:
        importlib.import_module("open3d")
    except ImportError as error:
        absent(f"Open3D cannot be imported: {error}")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as answer:
        number = answer.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


def person_of(
    joints_m: Float64[ndarray, "joints 3"],
    id: int = 0,
    *,
    score: float = 0.9,
    sigma: float = 0.0,
    presence: float = 1.0,
    box: Box | None = None,
) -> Person:
    """Somebody by their joints, camera axes, in a picture of 1280 x 720; the box is around the joints of CORE."""
    _, K = view()
    px, n = projected(joints_m, K), len(joints_m)
    box = box_around(px[CORE]) if box is None else box
    joints = Joints(px, np.zeros(n), np.full((n, 3), sigma), np.full(n, score), presence, box)
    return Person(id, joints, joints_m - joints_m[ROOT], joints_m[ROOT])


def result_of(*people: Float64[ndarray, "joints 3"], index: int = 0, score: float = 0.9) -> Result:
    """People by their joints, camera axes, seen in a picture of 1280 x 720."""
    persons = [person_of(joints_m, id, score=score) for id, joints_m in enumerate(people)]
    return Result(index, index / 30, persons, {}, "fake")


def status_of(*, live: bool = False, **changes: bool) -> Status:
    """A run's state."""
    return Status(29.8, 42.0, 0.012, "fake engine", "height 1.70 m, 60 degrees assumed", live, **changes)


def wait_until(condition: Callable[[], object], seconds: float = OPEN_S) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(condition())
