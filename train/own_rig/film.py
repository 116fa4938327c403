"""Before and after side by side: the held-out part of a take as both networks see it, one camera, as live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.backends import Engine
from realtime.overlay import draw_people
from realtime.pipeline import Pipeline
from realtime.progress import Step
from realtime.take_joints import lens_of
from realtime.takes import open_take
from realtime.takes.video import VideoWriter
from train.evaluate_takes import held_out

SECONDS = 10.0
WIDTH_PX = 640  # of each half
INK_BGR, PAPER_BGR = (240, 240, 240), (30, 30, 30)


def film(folder: Path, networks: Sequence[tuple[str, Engine]], path: Path, *, step: Step) -> Path:
    """Writes an MP4 of the first camera's first `SECONDS` held-out seconds, a column for each (title, network)."""
    take = open_take(folder)
    camera = next(iter(take.cameras.values()))
    lens = replace(lens_of(camera), cam_from_world=None)
    rows = np.flatnonzero(held_out(camera, take))
    time_s = camera.take_time_s[rows]
    rows = rows[time_s < time_s[0] + SECONDS]
    pipelines = [Pipeline(engine, lens) for _, engine in networks]
    width, height = camera.size_px
    size = (WIDTH_PX // 2 * 2, round(WIDTH_PX * height / width) // 2 * 2)
    rate = Fraction(round(1 / float(np.median(np.diff(time_s)))) if len(time_s) > 1 else 30)
    partial = path.with_name(f".{path.stem}.partial.mp4")
    partial.unlink(missing_ok=True)
    since_us = np.round(1e6 * (camera.time_s - camera.time_s[rows[0]])).astype(int)
    writer = VideoWriter(partial, (size[0] * len(networks), size[1]), codec="h264", rate=rate)
    try:
        for frame in camera.frames(int(rows[0]), int(rows[-1]) + 1):
            views = [draw_people(frame.image_bgr.copy(), pipeline(frame).people) for pipeline in pipelines]
            halves = [_titled(cv2.resize(v, size), title) for v, (title, _) in zip(views, networks, strict=True)]
            writer.write_image(np.hstack(halves), int(since_us[frame.index]))
            step(frame.index - int(rows[0]) + 1, len(rows), "film")
    finally:
        writer.close()
    partial.replace(path)
    return path


def _titled(image_bgr: UInt8[ndarray, "h w 3"], title: str) -> UInt8[ndarray, "h w 3"]:
    image = np.ascontiguousarray(image_bgr)
    cv2.putText(image, title, (11, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, PAPER_BGR, 4, cv2.LINE_AA)
    cv2.putText(image, title, (11, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, INK_BGR, 1, cv2.LINE_AA)
    return image
