"""Hours in minutes: nothing may grow with the number of frames. Run with `-m slow -s` to see the figures."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.backends import open_engine
from realtime.bench.camera import StampedCamera
from realtime.bench.memory import open_files, resident_mb
from realtime.bench.scene import read_sights
from realtime.session import Session, Settings

pytestmark = pytest.mark.slow
FRAMES, WARM, EVERY = 10_000, 2_000, 50
SLOPE_MB = 15.0  # per 10,000 frames: the results that an .npz keeps on disk are not in it, its index is


def test_ten_thousand_frames_leave_memory_files_and_threads_as_they_were(tmp_path):
    saves = [tmp_path / f"x{suffix}" for suffix in (".jsonl", ".csv", ".npz", ".mp4")]
    camera = StampedCamera(read_sights(24).images, 1 / 200)
    memory_mb, files = [], []
    with Session(camera, open_engine(), Settings(max_frames=FRAMES), saves=saves) as session:
        for number, _ in enumerate(session.results()):
            if number >= WARM and number % EVERY == 0:
                memory_mb.append(resident_mb())
                files.append(open_files())
    at = WARM + EVERY * np.arange(len(memory_mb))
    slope_mb = float(np.polyfit(at, memory_mb, 1)[0]) * 10_000
    print(
        f"{FRAMES} frames: {memory_mb[0]:.0f} MB at {WARM}, {memory_mb[-1]:.0f} MB at the end, "
        f"slope {slope_mb:+.1f} MB per 10,000 frames; open files {min(files)} to {max(files)}"
    )
    assert slope_mb < SLOPE_MB
    assert max(files) - min(files) <= 2  # a file that is being replaced
    assert len(saves[0].read_text().splitlines()) == FRAMES + 1
    ours = [t.name for t in threading.enumerate() if t.name.startswith(("capture", "sink"))]
    assert not ours
