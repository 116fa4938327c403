"""One set of colours for window, video and plots: orange is the person's left, blue their right."""

from __future__ import annotations

from engine.skeleton import BODY25

Rgb = tuple[float, float, float]
LEFT_RGB: Rgb = (1.0, 0.55, 0.1)
RIGHT_RGB: Rgb = (0.2, 0.55, 1.0)
CENTRE_RGB: Rgb = (0.85, 0.85, 0.85)
BACKGROUND_RGB: Rgb = (0.09, 0.10, 0.12)
FLOOR_RGB: Rgb = (0.19, 0.21, 0.245)
GRID_RGB: Rgb = (0.34, 0.36, 0.40)
CAMERA_RGB: Rgb = (0.9, 0.8, 0.3)
# the window's side panel: its ground, a key on it, and text that matters, explains, warns
PANEL_RGB: Rgb = (0.125, 0.137, 0.16)
KEY_RGB: Rgb = (0.23, 0.25, 0.29)
TEXT_RGB: Rgb = (0.94, 0.95, 0.96)
DIM_RGB: Rgb = (0.60, 0.63, 0.68)
ALERT_RGB: Rgb = (0.93, 0.26, 0.22)
# of a score of 0, a half and 1
SCORE_RGBS: tuple[Rgb, Rgb, Rgb] = ((0.90, 0.18, 0.20), (0.98, 0.82, 0.22), (0.22, 0.80, 0.42))


def side_rgb(joint: int) -> Rgb:
    """The colour of a joint of any skeleton, and of the bone from it to its parent."""
    if joint in BODY25.left:
        return LEFT_RGB
    return RIGHT_RGB if joint in BODY25.right else CENTRE_RGB


def score_rgb(score: float) -> Rgb:
    """From red over yellow to green; what is no number counts as 0."""
    low, half, high = SCORE_RGBS
    place = min(max(score, 0.0), 1.0) * 2 if score == score else 0.0
    return mixed(low, half, place) if place < 1 else mixed(half, high, place - 1)


def mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """The first colour with this share of the second."""
    r, g, b = (a + share * (z - a) for a, z in zip(first, second, strict=True))
    return r, g, b


def bgr(rgb: Rgb) -> tuple[int, int, int]:
    """As OpenCV wants it."""
    return round(rgb[2] * 255), round(rgb[1] * 255), round(rgb[0] * 255)
