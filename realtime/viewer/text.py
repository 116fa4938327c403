"""Text and small shapes drawn into a picture with OpenCV: its own TrueType face from version 5 on, strokes before."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.colours import Rgb, bgr

BOLD, PLAIN = 600, 400
STROKE_HEIGHT_PX = 30.0  # of a line in OpenCV's stroke font at scale 1
_CANVAS = (4096, 4096)


def write(
    image: UInt8[ndarray, "h w 3"], text: str, left: float, middle: float, size: float, rgb: Rgb, weight: int = PLAIN
) -> float:
    """One line whose small letters' middle lies at this height; gives back where it ends."""
    base = round(middle + 0.36 * size)
    at = round(left), base
    face = _face()
    if face is None:
        thick = 2 if weight > PLAIN else 1
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(image, text, at, font, size / STROKE_HEIGHT_PX, bgr(rgb), thick, cv2.LINE_AA)
    else:
        cv2.putText(image, text, at, bgr(rgb), face, round(size), weight)
    return left + width_of(text, size, weight)


def width_of(text: str, size: float, weight: int = PLAIN) -> float:
    """How wide a line becomes."""
    face = _face()
    if face is None:
        return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / STROKE_HEIGHT_PX, 1)[0][0]
    x, _, width, _ = cv2.getTextSize(_CANVAS, text, (0, 0), face, round(size), weight)
    return x + width


def shortened(text: str, size: float, room: float) -> str:
    """The text, or its beginning and three dots where it is wider than the room."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "...", size) > room:
        text = text[:-1]
    return text.rstrip() + "..."


def wrapped(text: str, size: float, room: float, lines: int) -> list[str]:
    """The text in lines that fit, broken between words; the last one is shortened."""
    rows = [""]
    for word in text.split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and len(rows) < lines and width_of(longer, size) > room:
            rows.append(word)
        else:
            rows[-1] = longer
    return [*rows[:-1], shortened(rows[-1], size, room)]


def plate(image: UInt8[ndarray, "h w 3"], left: float, top: float, width: float, height: float, rgb: Rgb) -> None:
    """A filled rectangle with round corners."""
    x0, y0, x1, y1 = (round(v) for v in (left, top, left + width, top + height))
    r = max(min(round(height / 4), round(width / 2)), 1)
    cv2.rectangle(image, (x0 + r, y0), (x1 - r, y1), bgr(rgb), -1)
    cv2.rectangle(image, (x0, y0 + r), (x1, y1 - r), bgr(rgb), -1)
    for corner in ((x0 + r, y0 + r), (x1 - r, y0 + r), (x0 + r, y1 - r), (x1 - r, y1 - r)):
        cv2.circle(image, corner, r, bgr(rgb), -1, cv2.LINE_AA)


def dot(image: UInt8[ndarray, "h w 3"], left: float, middle: float, radius: float, rgb: Rgb) -> None:
    """A filled circle."""
    at = tuple(int(v) for v in np.round(np.array([left, middle]) * 16))
    cv2.circle(image, at, round(radius * 16), bgr(rgb), -1, cv2.LINE_AA, 4)


@cache
def _face() -> Any:
    make = getattr(cv2, "FontFace", None)
    return None if make is None else make("sans")
