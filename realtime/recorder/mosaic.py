"""The cameras of a recording side by side, each with its state: the picture of the preview window."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.colours import ALERT_RGB, DIM_RGB, PANEL_RGB, TEXT_RGB, Rgb, bgr
from realtime.recorder.status import LaneStatus, Status
from realtime.recorder.words import count, headline, is_well, row
from realtime.viewer.text import BOLD, dot, shortened, width_of, write

TILE_PX = (620, 350)
BAR_PX = 44
SIZE, SMALL = 20, 15
COUNT_SIZE = 120
GAP_PX = 4


def mosaic(status: Status, images: Mapping[str, UInt8[ndarray, "h w 3"]]) -> UInt8[ndarray, "H W 3"]:
    """Two cameras a row."""
    columns = min(len(status.lanes), 2)
    tiles = [_tile(lane, images.get(lane.name), status) for lane in status.lanes]
    tiles += [np.full_like(tiles[0], bgr(PANEL_RGB))] * (-len(tiles) % columns)
    lines = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    return np.vstack([_head(status, lines[0].shape[1]), *lines])


def _tile(lane: LaneStatus, image_bgr: UInt8[ndarray, "h w 3"] | None, status: Status) -> UInt8[ndarray, "H W 3"]:
    width, height = TILE_PX
    tile = np.full((height + BAR_PX, width, 3), bgr(PANEL_RGB), np.uint8)
    if image_bgr is not None:
        scale = min((width - GAP_PX) / image_bgr.shape[1], height / image_bgr.shape[0])
        small = cv2.resize(image_bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        left, top = (width - small.shape[1]) // 2, (height - small.shape[0]) // 2
        tile[top : top + small.shape[0], left : left + small.shape[1]] = small
    if status.phase == "getting ready":
        number = count(status)
        write(tile, number, (width - width_of(number, COUNT_SIZE)) / 2, height / 2, COUNT_SIZE, TEXT_RGB, BOLD)
    name, rate, jitter, dropped, condition, sharp, grey, phase, written = row(lane)
    text = f"{name}   {rate} a second   jitter {jitter}   {dropped} dropped   {written} frames"
    text += f"   phase {phase}" if phase else ""
    write(tile, shortened(text, SMALL, width - 20), 10, height + BAR_PX * 0.27, SMALL, TEXT_RGB)
    rgb: Rgb = DIM_RGB if is_well(lane) else ALERT_RGB
    below = f"{condition}   sharp {sharp}   grey {grey}"
    write(tile, shortened(below, SMALL, width - 20), 10, height + BAR_PX * 0.73, SMALL, rgb)
    return tile


def _head(status: Status, width: int) -> UInt8[ndarray, "H W 3"]:
    bar = np.full((BAR_PX, width, 3), bgr(PANEL_RGB), np.uint8)
    at = 16.0
    if status.phase == "recording":
        dot(bar, at + 6, BAR_PX / 2, 8, ALERT_RGB)
        at += 26
    at = write(bar, headline(status), at, BAR_PX / 2, SIZE, TEXT_RGB, BOLD) + 24
    note = status.events[-1] if status.events else status.rig or "Q ends"
    note, rgb = (status.rig, ALERT_RGB) if status.alarm else (note, DIM_RGB)
    write(bar, shortened(note, SMALL, width - at - 16), at, BAR_PX / 2, SMALL, rgb)
    return bar
