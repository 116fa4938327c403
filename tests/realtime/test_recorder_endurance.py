"""Recordings that last, and recordings that are killed. Run with `-m slow -s` to see the figures.

`SOAK_S` is the length of the soak in seconds.
"""

import os
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pytest

from calib.clock import clock_between
from realtime.bench.memory import open_files, resident_mb
from realtime.recorder.cameras import Wanted
from realtime.recorder.recorder import Plan, Recorder
from realtime.takes import open_take
from realtime.takes.examination import examine
from tests.conftest import REPOSITORY
from tests.realtime.recorder_sources import DROPPED, ScriptedSource, recorded, recorder_threads, recording

pytestmark = pytest.mark.slow
SOURCE = "lavfi:testsrc2=size=1280x720:rate=30"
KILLS = 20
SOAK_S = float(os.environ.get("SOAK_S", "600"))
WARM_S = 20.0
SLOPE_MB_PER_10_MIN = 10.0


def recorder(folder, seconds):
    return Recorder([Wanted(source=SOURCE), Wanted(source=SOURCE)], Plan(folder, seconds))


def test_two_cameras_of_720_lines_for_a_minute_lose_no_frame(tmp_path):
    begin_s = time.process_time()
    with recorder(tmp_path / "t", 60.0) as recording:
        for _ in recording.run():
            pass
    cpu_s = time.process_time() - begin_s
    take = open_take(tmp_path / "t")
    found = examine(take)
    late_ms = []
    for camera in take.cameras.values():
        assert np.diff(camera.table.time_us).min() > 0
        with av.open(str(camera.path)) as container:
            stamps = [p.pts for p in container.demux(video=0) if p.pts is not None]
        assert np.abs(np.array(stamps) - (camera.table.time_us - camera.table.time_us[0])).max() <= 1
        zero_ns = take.about.clock.start_monotonic_ns
        late_ms.append(np.percentile((camera.table.host_ts_ns - zero_ns) / 1e6 - camera.table.time_us / 1e3, 95))
    frames = [len(camera.table) for camera in take.cameras.values()]
    print(f"{frames} frames of 1800; {cpu_s / 60:.3f} of a core; read p95 {max(late_ms):.1f} ms after they were due")
    assert frames == [1800, 1800]
    assert found.problems == ()


def test_kills_at_random_moments_cost_less_than_a_second(tmp_path):
    rng = np.random.default_rng(0)
    lost_s = []
    for k in range(KILLS):
        folder = tmp_path / f"t{k}"
        killed_s = killed(folder, float(rng.uniform(0.3, 3.0)))
        take = open_take(folder)
        assert examine(take).problems == ()
        zero_s = take.about.clock.start_monotonic_ns / 1e9
        for camera in take.cameras.values():
            assert len(list(camera.frames())) == len(camera.table)
            lost_s.append(killed_s - zero_s - camera.time_s[-1])
    print(
        f"{KILLS} kills, two cameras: lost {1e3 * np.median(lost_s):.0f} ms in the median, {1e3 * max(lost_s):.0f} most"
    )
    assert max(lost_s) < 1.0


def killed(folder, after_s):
    """A recording that is killed so long after its take began; the moment of that."""
    arguments = ["record", "--source", SOURCE, "--source", SOURCE, "--out", str(folder), "--view", "none"]
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run.py"), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    table = folder / "cam1.frames.csv"
    while not (table.exists() and table.stat().st_size > 200):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    killed_s = time.monotonic()
    process.wait()
    return killed_s


def walking(time_s):
    """Exact joints: channels of a motion that does not repeat within a minute."""
    phases = np.linspace(0, 5, 6)
    return np.stack([np.sin(1.7 * time_s + p) + 0.4 * np.sin(0.31 * np.pi * time_s * (1 + 0.1 * p)) for p in phases], 1)


def test_exact_joints_at_recorded_stamps_give_offset_drift_and_drops(tmp_path):
    rng = np.random.default_rng(4)
    zero_s, offset_s, drift_ppm, seconds = time.monotonic(), 0.0113, 80.0, 60.0
    lost = [set(rng.choice(np.arange(100, 1700), 40, replace=False).tolist()) for _ in range(2)]

    def true_s(k):
        return k / 30

    def on_a(k, now_s):
        return zero_s + true_s(k) + rng.uniform(-0.008, 0.008)

    def on_b(k, now_s):
        return zero_s + (true_s(k) - offset_s) / (1 + drift_ppm * 1e-6) + rng.uniform(-0.008, 0.008)

    def dropping(which):
        return lambda k: DROPPED if k in lost[which] else None

    sources = [
        ScriptedSource(period_s=1 / 30, stamp=stamp, before=dropping(which)) for which, stamp in enumerate((on_a, on_b))
    ]
    states = recorded(recording(tmp_path / "t", *sources, seconds=seconds))
    take = open_take(tmp_path / "t")
    a, b = take.cameras.values()
    take_zero_s = take.about.clock.start_monotonic_ns / 1e9 - zero_s
    joints_a, joints_b = (walking(true_s(camera.table.sequence)) for camera in (a, b))
    found = clock_between(a.steady_s + take_zero_s, joints_a, b.steady_s + take_zero_s, joints_b)
    at_s = np.array([0.0, 60.0])
    error_ms = 1e3 * np.abs(found.offset_s - offset_s + (found.drift_ppm - drift_ppm) * 1e-6 * at_s)
    dropped = [camera.cadence.dropped for camera in (a, b)]
    print(
        f"clock off by {error_ms[0]:.2f} ms at the start, {error_ms[1]:.2f} at 60 s; drift {found.drift_ppm:.1f} ppm; "
        f"dropped {dropped}, shown {[lane.rhythm.dropped for lane in states[-1].lanes]}"
    )
    assert error_ms.max() < 2.0
    assert dropped == [40, 40]


def test_memory_and_open_files_stay_as_they_are(tmp_path):
    memory_mb, files, at_s = [], [], []
    begin_s = time.process_time()
    with recorder(tmp_path / "t", SOAK_S) as recording:
        for status in recording.run():
            if status.elapsed_s > WARM_S and (not at_s or status.elapsed_s - at_s[-1] >= 1.0):
                memory_mb.append(resident_mb())
                files.append(open_files())
                at_s.append(status.elapsed_s)
    cpu_s = time.process_time() - begin_s
    slope_mb = float(np.polyfit(at_s, memory_mb, 1)[0]) * 600
    written = [len(camera.table) for camera in open_take(tmp_path / "t").cameras.values()]
    print(
        f"{SOAK_S:g} s: {memory_mb[0]:.0f} MB, at the end {memory_mb[-1]:.0f} MB, slope {slope_mb:+.2f} MB per 10 min; "
        f"open files {min(files)} to {max(files)}; {written} frames, {cpu_s / SOAK_S:.3f} of a core"
    )
    assert slope_mb < SLOPE_MB_PER_10_MIN
    assert max(files) == min(files)
    assert recorder_threads() == []
