"""How a camera's state is judged: rhythm by its stamps, focus and light by its pictures."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from realtime.recorder.health import Health, look_at, phase_ms


def seen(times_s, rate=Fraction(30), numbers=None):
    health = Health(rate)
    for n, time_s in zip(numbers or range(len(times_s)), times_s, strict=True):
        health.seen(n, float(time_s))
    return health


def test_rate_and_jitter_are_those_of_the_last_seconds():
    rhythm = seen(np.arange(100) / 30).rhythm()
    assert rhythm.rate_hz == pytest.approx(30.0)
    assert rhythm.jitter_p95_ms == pytest.approx(0.0, abs=1e-6)
    rng = np.random.default_rng(0)
    rhythm = seen(np.arange(300) / 30 + rng.uniform(-0.004, 0.004, 300)).rhythm()
    assert 3.5 < rhythm.jitter_p95_ms < 8.0
    assert seen([0.0, 1.0]).rhythm().rate_hz is None


def test_drops_are_counted_once_by_number_or_by_stamp():
    kept = [n for n in range(90) if n not in (20, 21, 50)]
    assert seen(np.array(kept) / 30).rhythm().dropped == 3  # a driver that counts what it gives
    assert seen(np.array(kept) / 30, numbers=kept).rhythm().dropped == 3  # one that counts what it took


def test_a_camera_that_gives_half_its_rate_is_slow():
    assert seen(np.arange(60) / 15).is_slow()
    assert not seen(np.arange(60) / 29).is_slow()
    assert not seen(np.arange(60) / 15, rate=None).is_slow()


@pytest.mark.parametrize("late_ms", [-12.0, 0.0, 5.0, 16.0])
def test_the_phase_is_how_much_later_the_other_camera_is_read_out(late_ms):
    times_s = np.arange(60) / 30
    assert phase_ms(times_s, times_s + late_ms / 1e3 + 5 / 30) == pytest.approx(late_ms, abs=0.01)
    assert phase_ms(times_s, times_s[:3]) is None


def test_real_recordings_are_judged_as_a_person_would(shared_data):
    folder = shared_data / "multiview"
    videos = sorted(folder.glob("pose2sim_balance_cam12/videos/*.mp4"))
    videos += sorted(folder.glob("caliscope_4_cam_recording/videos/*.mp4"))
    assert len(videos) >= 4
    for video in videos:
        capture = cv2.VideoCapture(str(video))
        capture.set(cv2.CAP_PROP_POS_FRAMES, 20)
        ok, image = capture.read()
        assert ok
        scale = 1280 / max(image.shape[:2])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        assert look_at(image).complaint == "", video.name
        assert look_at(cv2.GaussianBlur(image, (0, 0), 6)).complaint == "blurred"
        assert look_at(image // 4).complaint == "dark"
        assert look_at(np.clip(image * 4.0, 0, 255).astype(np.uint8)).complaint == "too bright"
