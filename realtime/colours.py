"""One set of colours for window, video and plots: orange is the person's left, blue their right."""

from __future__ import annotations

from engine.skeleton import LEFT_JOINTS, RIGHT_JOINTS

Rgb = tuple[float, float, float]
LEFT_RGB: Rgb = (1.0, 0.55, 0.1)
RIGHT_RGB: Rgb = (0.2, 0.55, 1.0)
CENTRE_RGB: Rgb = (0.85, 0.85, 0.85)
BACKGROUND_RGB: Rgb = (0.09, 0.10, 0.12)
GRID_RGB: Rgb = (0.34, 0.36, 0.40)
CAMERA_RGB: Rgb = (0.9, 0.8, 0.3)


def side_rgb(joint: int) -> Rgb:
    """The colour of a joint, and of the bone from it to its parent."""
    if joint in LEFT_JOINTS:
        return LEFT_RGB
    return RIGHT_RGB if joint in RIGHT_JOINTS else CENTRE_RGB


def bgr(rgb: Rgb) -> tuple[int, int, int]:
    """As OpenCV wants it."""
    return round(rgb[2] * 255), round(rgb[1] * 255), round(rgb[0] * 255)
