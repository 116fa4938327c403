"""Times of frames never go back, and sane ones are exactly what the file says."""

from fractions import Fraction

import pytest

from realtime.sources.stamps import STEP_S, FileStamps, LiveStamps

PERIOD_S = 1 / 25


def stamped(*stamps_s):
    stamp = FileStamps("clip.mp4", Fraction(25))
    return stamp, [stamp(s) for s in stamps_s]


def test_sane_times_of_a_file_are_not_touched():
    stamps_s = [0.0, 0.04, 0.0801, 0.5, 100.25]
    stamp, times_s = stamped(*stamps_s)
    assert times_s == stamps_s
    assert stamp.mended == 0


def test_a_missing_time_follows_by_one_frame():
    _, times_s = stamped(None, 0.04, None, None, 0.2)
    assert times_s == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.2])


def test_times_that_repeat_or_go_back_a_little_wait_until_the_file_has_caught_up(caplog):
    stamp, times_s = stamped(0.0, 0.04, 0.04, 0.03, 0.08)
    assert times_s == pytest.approx([0.0, 0.04, 0.04 + STEP_S, 0.04 + 2 * STEP_S, 0.08])
    assert times_s[-1] == 0.08
    assert stamp.mended == 2
    assert caplog.text.count("clip.mp4: frame times that are missing, repeat or go back are replaced") == 1


def test_a_file_whose_time_starts_over_goes_on():
    _, times_s = stamped(0.0, 5.0, 0.0, 0.04, 5.0)
    assert times_s == pytest.approx([0.0, 5.0, 5.0 + PERIOD_S, 5.08, 10.0 + PERIOD_S])


def test_a_file_without_a_rate_still_goes_forward():
    stamp = FileStamps("clip.mp4", None)
    times_s = [stamp(None) for _ in range(3)]
    assert times_s[0] < times_s[1] < times_s[2]


def test_two_frames_that_arrive_at_one_moment_stay_apart():
    stamp = LiveStamps("camera 0", trusted=False)
    times_s = [stamp(0.0, 7.0) for _ in range(3)]
    assert times_s == pytest.approx([7.0, 7.0 + STEP_S, 7.0 + 2 * STEP_S], abs=1e-9)


def test_a_driver_is_trusted_anew_after_its_camera_came_back():
    stamp = LiveStamps("camera 0", trusted=True)
    assert stamp(1.0, 1.1) == 1.0
    assert stamp(1.0, 1.2) == 1.2  # it repeats
    assert stamp(1.25, 1.3) == 1.3
    stamp.reopened(trusted=True)
    assert stamp(1.35, 1.4) == 1.35
    assert stamp(1.32, 1.5) == 1.5


def test_a_late_picture_keeps_its_drivers_time():
    """A program that was held up for seconds finds old pictures in the driver's buffers: their times are right."""
    stamp = LiveStamps("camera 0", trusted=True)
    assert [stamp(10.0, 10.01), stamp(10.04, 15.0)] == [10.0, 10.04]
