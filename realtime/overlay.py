"""Skeletons drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.skeleton import BONES
from realtime.colours import bgr, side_rgb
from realtime.result import Person

# a joint that is less likely than this to be right is drawn thin
UNSURE_SCORE = 0.3
OUTLINE_BGR = (30, 30, 30)
SHIFT = 4  # OpenCV draws at 1/16 px


def draw_people(image_bgr: UInt8[ndarray, "h w 3"], people: Sequence[Person]) -> UInt8[ndarray, "h w 3"]:
    """Draws on the picture itself, and gives it back. Widths follow the size of the person."""
    for person in people:
        px, score = person.joints.px, person.joints.score
        width = float(np.clip(person.joints.box.side_px / 90, 1.5, 12.0))
        ends = [(a, b, min(score[a], score[b]) >= UNSURE_SCORE) for a, b in BONES]
        for child, parent, sure in ends:
            _line(image_bgr, px[child], px[parent], OUTLINE_BGR, (width if sure else width / 3) + 2)
        for child, parent, sure in ends:
            _line(image_bgr, px[child], px[parent], bgr(side_rgb(child)), width if sure else width / 3)
        for joint in range(len(px)):
            radius = width * (0.9 if score[joint] >= UNSURE_SCORE else 0.5)
            _dot(image_bgr, px[joint], bgr(side_rgb(joint)), radius)
    return image_bgr


def draw_lines(image_bgr: UInt8[ndarray, "h w 3"], lines: Sequence[str]) -> UInt8[ndarray, "h w 3"]:
    """Short text in the upper left corner, readable on any picture."""
    scale = max(image_bgr.shape[0] / 900, 0.45)
    for row, text in enumerate(lines):
        at = (round(14 * scale), round((row + 1) * 30 * scale))
        for colour, thickness in ((OUTLINE_BGR, 4), ((240, 240, 240), 1)):
            weight = max(round(thickness * scale), 1) if thickness == 1 else round(thickness * scale) + 1
            cv2.putText(image_bgr, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, colour, weight, cv2.LINE_AA)
    return image_bgr


def _fixed(point_px: ndarray) -> tuple[int, int]:
    # far outside, fixed-point coordinates would overflow
    x, y = np.round(np.clip(point_px, -20_000, 20_000) * (1 << SHIFT)).astype(int)
    return int(x), int(y)


def _line(image: ndarray, a: ndarray, b: ndarray, colour: tuple[int, int, int], width: float) -> None:
    cv2.line(image, _fixed(a), _fixed(b), colour, max(round(width), 1), cv2.LINE_AA, SHIFT)


def _dot(image: ndarray, at: ndarray, colour: tuple[int, int, int], radius: float) -> None:
    cv2.circle(image, _fixed(at), round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)
