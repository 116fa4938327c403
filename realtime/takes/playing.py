"""A take's cameras side by side, in time, in the preview window."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.colours import PANEL_RGB, TEXT_RGB, bgr
from realtime.preview import Preview
from realtime.takes.take import Take
from realtime.viewer.text import write

HEIGHT_PX, BAR_PX, SIZE = 480, 32, 16
END_KEYS = {"q", "esc"}
PAUSE_S = 0.03


def play(take: Take) -> str | None:
    """Until the end or Q; Space pauses. Why there was no window, if it failed."""
    paused, begin_s = False, None
    with Preview(f"take {take.folder.name}") as preview:
        for at_s, image_bgr in moments(take):
            begin_s = time.monotonic() - at_s if begin_s is None else begin_s
            while True:
                keys = set(preview.keys())
                if keys & END_KEYS or preview.closed:
                    return preview.failure
                paused ^= "space" in keys
                if paused:
                    begin_s = time.monotonic() - at_s
                elif time.monotonic() >= begin_s + at_s:
                    break
                time.sleep(PAUSE_S if paused else min(PAUSE_S, max(begin_s + at_s - time.monotonic(), 0.0)))
            preview.show(image_bgr)
    return None


def moments(take: Take) -> Iterator[tuple[float, UInt8[ndarray, "h w 3"]]]:
    """For each frame of the first camera its time, and what all cameras saw nearest to it."""
    first, *others = take.cameras.values()
    streams = [(camera, camera.frames(), camera.take_time_s) for camera in others]
    newest: list[UInt8[ndarray, "h w 3"] | None] = [None] * len(streams)
    index = [-1] * len(streams)
    first_s = first.take_time_s
    for frame in first.frames():
        at_s = float(first_s[frame.index])
        for k, (_, frames, times_s) in enumerate(streams):
            wanted = int(np.argmin(np.abs(times_s - at_s))) if len(times_s) else -1
            while index[k] < wanted and (following := next(frames, None)) is not None:
                index[k], newest[k] = following.index, following.image_bgr
        images = [(first.name, frame.image_bgr), *((c.name, i) for (c, _, _), i in zip(streams, newest, strict=True))]
        yield at_s, np.hstack([_tile(name, at_s, image) for name, image in images])


def _tile(name: str, at_s: float, image_bgr: UInt8[ndarray, "h w 3"] | None) -> UInt8[ndarray, "H W 3"]:
    if image_bgr is None:
        image_bgr = np.zeros((HEIGHT_PX, HEIGHT_PX, 3), np.uint8)
    scale = HEIGHT_PX / image_bgr.shape[0]
    small = cv2.resize(image_bgr, (round(image_bgr.shape[1] * scale), HEIGHT_PX), interpolation=cv2.INTER_AREA)
    bar = np.full((BAR_PX, small.shape[1], 3), bgr(PANEL_RGB), np.uint8)
    write(bar, f"{name}   {at_s:.3f} s", 10, BAR_PX / 2, SIZE, TEXT_RGB)
    return np.vstack([bar, small])
