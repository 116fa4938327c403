"""Counts that stay small however long a run is."""

import numpy as np
import pytest

from realtime.result import Result
from realtime.tally import RECENT, Tally


def counted(count, *, live=True):
    tally = Tally()
    for k in range(count):
        latency_ms = 10.0 + k % 10 if live else None
        tally.count(
            Result(k, k / 25, [], {"engine": 4.0}, "fake", latency_ms), captured=2 * k, dropped=k, seconds=k / 25
        )
    return tally


def test_rates_and_shares_are_of_what_was_counted():
    tally = counted(500)
    assert tally.fps == pytest.approx(25.0)
    assert tally.dropped_share == pytest.approx(0.5)
    text = "\n".join(tally.lines())
    assert "500 frames, somebody in 0 %, 25.1 frames/s, 499 dropped" in text
    assert "engine 4.0" in text
    assert "from camera to pose: median 14 ms, p95 19 ms" in text


def test_a_file_has_no_latency():
    assert not any("camera to pose" in line for line in counted(20, live=False).lines())


def test_nothing_grows_with_the_run():
    tally = counted(3 * RECENT)
    assert len(tally.stage_ms["engine"]) == len(tally.latency_ms) == RECENT


def test_an_empty_run_says_so():
    assert Tally().lines() == ["no frame was looked at"]
    assert Tally().fps == Tally().dropped_share == 0.0
    assert np.isfinite(counted(1).fps)
