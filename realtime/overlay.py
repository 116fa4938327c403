"""Skeletons drawn on the picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from realtime.colours import bgr, score_rgb, side_rgb
from realtime.figure import FACE, rods_of, slim
from realtime.result import Person

# a joint that is less likely than this to be right is drawn thin
UNSURE_SCORE = 0.3
OUTLINE_BGR = (30, 30, 30)
# line width over the side of the person's box
WIDTH_OF_BOX = 1 / 90
WIDTH_RANGE_PX = (1.5, 12.0)
SHIFT = 4  # OpenCV draws at 1/16 px


def draw_people(image_bgr: UInt8[ndarray, "h w 3"], people: Sequence[Person]) -> UInt8[ndarray, "h w 3"]:
    """Draws on the picture itself, and gives it back. Widths follow the size of the person."""
    for person in people:
        joints = person.joints
        draw_skeleton(image_bgr, joints.px, joints.score, box_side_px=joints.box.side_px)
    return image_bgr


def draw_skeleton(
    image_bgr: UInt8[ndarray, "h w 3"],
    px: Float[ndarray, "joints 2"],
    score: Float[ndarray, "joints"],
    *,
    box_side_px: float,
    by_score: bool = False,
) -> None:
    """One person; with `by_score` the joints' colours say how sure they are."""
    width = float(np.clip(box_side_px * WIDTH_OF_BOX, *WIDTH_RANGE_PX))
    # far outside, fixed-point coordinates would overflow
    at = np.round(np.clip(px, -20_000, 20_000) * (1 << SHIFT)).astype(int).tolist()
    sure = (score >= UNSURE_SCORE).tolist()
    rods = rods_of(len(px))
    widths = [width * slim(a) if sure[a] and sure[b] else width * slim(a) / 3 for a, b in rods]
    for (child, parent), wide in zip(rods, widths, strict=True):
        _line(image_bgr, at[child], at[parent], OUTLINE_BGR, wide + 2)
    for (child, parent), wide in zip(rods, widths, strict=True):
        _line(image_bgr, at[child], at[parent], bgr(side_rgb(child)), wide)
    for joint, place in enumerate(at):
        radius = width * slim(joint) * (0.9 if sure[joint] else 0.5)
        if by_score:
            _dot(image_bgr, place, OUTLINE_BGR, radius * 1.3 + 1)
            _dot(image_bgr, place, bgr(score_rgb(float(score[joint]))), radius * 1.3)
            continue
        if joint in FACE:  # it stands alone, or on the head's own line
            _dot(image_bgr, place, OUTLINE_BGR, radius + 1)
        _dot(image_bgr, place, bgr(side_rgb(joint)), radius)


def _line(image: ndarray, a: list[int], b: list[int], colour: tuple[int, int, int], width: float) -> None:
    cv2.line(image, a, b, colour, max(round(width), 1), cv2.LINE_AA, SHIFT)


def _dot(image: ndarray, at: list[int], colour: tuple[int, int, int], radius: float) -> None:
    cv2.circle(image, at, round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)
