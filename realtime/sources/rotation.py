"""Turning pictures by quarter turns."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def turned(image_bgr: UInt8[ndarray, "h w 3"], clockwise_deg: int) -> UInt8[ndarray, "h2 w2 3"]:
    """The picture, turned clockwise by 0, 90, 180 or 270 degrees."""
    if clockwise_deg == 0:
        return np.ascontiguousarray(image_bgr)
    return cv2.rotate(image_bgr, _TURNS[clockwise_deg])


def turned_size(size_px: tuple[int, int], clockwise_deg: int) -> tuple[int, int]:
    """Width and height after the turn."""
    return (size_px[1], size_px[0]) if clockwise_deg in (90, 270) else size_px
