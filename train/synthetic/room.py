"""A plain room as a fixed camera sees it: planks, a wall with a window and a picture, a skirting board.

World: y up, floor at y = 0; the camera looks along -z. The picture is traced once, pixel by pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from numpy.random import Generator

SUPERSAMPLE = 3
PLANK_M, PLANK_LENGTH_M = 0.16, 1.3
SKIRTING_M = 0.09


@dataclass(frozen=True, slots=True)
class Room:
    """Walls at x = +-half_width_m and z = back_z_m."""

    half_width_m: float = 3.0
    back_z_m: float = -2.6
    wall_bgr: tuple[float, float, float] = (206, 214, 216)
    side_bgr: tuple[float, float, float] = (186, 196, 200)
    plank_bgr: tuple[float, float, float] = (96, 134, 168)


def room_picture(
    room: Room,
    K: Float64[ndarray, "3 3"],
    R: Float64[ndarray, "3 3"],
    t: Float64[ndarray, "3"],
    size_px: tuple[int, int],
    rng: Generator,
) -> UInt8[ndarray, "h w 3"]:
    """BGR picture of the empty room; camera x_cam = R x_world + t inside it."""
    width, height = (n * SUPERSAMPLE for n in size_px)
    column, row = np.meshgrid(np.arange(width), np.arange(height))
    px = (np.column_stack([column.ravel(), row.ravel()]) + 0.5) / SUPERSAMPLE - 0.5
    rays = np.column_stack([(px - K[:2, 2]) / np.diag(K)[:2], np.ones(len(px))]) @ R
    lens = -t @ R
    reach = np.stack([
        _reach(lens[1], rays[:, 1], 0.0),
        _reach(lens[2], rays[:, 2], room.back_z_m),
        np.minimum(_reach(lens[0], rays[:, 0], room.half_width_m), _reach(lens[0], rays[:, 0], -room.half_width_m)),
    ])  # fmt: skip
    surface, near = reach.argmin(axis=0), reach.min(axis=0)
    places = lens + rays * near[:, None]
    image = np.empty((len(px), 3))
    paint = (_floor, _back, _side)
    for number in range(3):
        mine = surface == number
        image[mine] = paint[number](room, places[mine], rng)
    # corners are darker, as in any room
    corner = np.minimum.reduce([
        np.where(surface == 0, 9.0, places[:, 1]),
        np.where(surface == 1, 9.0, places[:, 2] - room.back_z_m),
        np.where(surface == 2, 9.0, room.half_width_m - np.abs(places[:, 0])),
    ])  # fmt: skip
    image *= (1.0 - 0.28 * np.exp(-corner / 0.35))[:, None]
    small = cv2.resize(image.reshape(height, width, 3), size_px, interpolation=cv2.INTER_AREA)
    return np.clip(small + 0.5, 0, 255).astype(np.uint8)


def _reach(lens: float, ray: Float64[ndarray, "n"], at: float) -> Float64[ndarray, "n"]:
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (at - lens) / ray
    return np.where((reach > 0) & np.isfinite(reach), reach, np.inf)


def _floor(room: Room, at: Float64[ndarray, "n 3"], rng: Generator) -> Float64[ndarray, "n 3"]:
    board = np.floor(at[:, 0] / PLANK_M).astype(int)
    along = at[:, 2] / PLANK_LENGTH_M + (board % 3) * 0.37
    piece = np.floor(along).astype(int)
    tones = rng.normal(1.0, 0.09, (64, 64))
    tone = tones[board % 64, piece % 64]
    grain = 0.03 * np.sin(at[:, 0] * 210 + 9 * np.sin(at[:, 2] * 2.1 + board))
    edge = np.minimum(np.abs(at[:, 0] / PLANK_M - np.round(at[:, 0] / PLANK_M)) * PLANK_M,
                      np.abs(along - np.round(along)) * PLANK_LENGTH_M)  # fmt: skip
    groove = np.where(edge < 0.004, 0.72, 1.0)
    return np.array(room.plank_bgr) * ((tone + grain) * groove)[:, None]


def _back(room: Room, at: Float64[ndarray, "n 3"], rng: Generator) -> Float64[ndarray, "n 3"]:
    x, y = at[:, 0], at[:, 1]
    image = np.array(room.wall_bgr) * (1.0 - 0.05 * np.abs(x) / room.half_width_m)[:, None]
    _panel(image, x, y, (-2.35, 0.95, -1.05, 2.25), frame_bgr=(235, 238, 240), inner_bgr=(238, 222, 196), bars=True)
    _panel(image, x, y, (1.0, 1.25, 1.75, 1.85), frame_bgr=(52, 66, 84), inner_bgr=(150, 158, 120), bars=False)
    image[y < SKIRTING_M] = (232, 234, 236)
    return image


def _side(room: Room, at: Float64[ndarray, "n 3"], rng: Generator) -> Float64[ndarray, "n 3"]:
    image = np.tile(np.array(room.side_bgr, float), (len(at), 1))
    image[at[:, 1] < SKIRTING_M] = (222, 224, 226)
    return image


def _panel(
    image: Float64[ndarray, "n 3"],
    x: Float64[ndarray, "n"],
    y: Float64[ndarray, "n"],
    edges_m: tuple[float, float, float, float],
    *,
    frame_bgr: tuple[int, int, int],
    inner_bgr: tuple[int, int, int],
    bars: bool,
) -> None:
    """A framed rectangle (left, bottom, right, top) on the back wall, painted in place."""
    left, bottom, right, top = edges_m
    depth = np.minimum.reduce([x - left, right - x, y - bottom, top - y])
    image[depth > 0] = frame_bgr
    inside = depth > 0.06
    if bars:
        inside &= (np.abs(x - (left + right) / 2) > 0.025) & (np.abs(y - (bottom + top) / 2) > 0.025)
    shade = 0.85 + 0.25 * (y - bottom) / (top - bottom)
    image[inside] = np.clip(np.array(inner_bgr) * shade[inside, None], 0, 250)
