"""The picture of a camera that is being calibrated: what is covered, where the board is wanted, what to do next."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from calib.coach import VIEWS_WANTED
from calib.coverage import GRID, TILTS_WANTED, Coverage
from realtime.board_watch import Watched
from realtime.colours import DIM_RGB, LEFT_RGB, PANEL_RGB, TEXT_RGB, Rgb, bgr, score_rgb
from realtime.viewer.text import BOLD, shortened, width_of, write

WIDTH_PX = 960  # of the picture in the preview
BAR_PX = 46  # height of the lines of text above and below the picture
SIZE, SMALL = 22, 17  # of text
DONE_RGB: Rgb = score_rgb(1.0)
TINT = 0.15  # of the colour over a covered cell
FLASH_S = 0.4  # the frame lights up after a picture was kept


def draw(
    image_bgr: UInt8[ndarray, "h w 3"], watched: Watched, time_s: float, *, mirror: bool = False
) -> UInt8[ndarray, "vh vw 3"]:
    """The preview of a frame; `mirror` shows it as a mirror does, with text that can be read."""
    scale = WIDTH_PX / image_bgr.shape[1]
    size = WIDTH_PX, round(image_bgr.shape[0] * scale)
    view = cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    coverage, corners_px = watched.coverage, watched.corners_px
    if corners_px is not None:
        corners_px = (corners_px + 0.5) * scale - 0.5
    if mirror:
        view, coverage = cv2.flip(view, 1), coverage.flipped
        corners_px = None if corners_px is None else corners_px * (-1, 1) + (WIDTH_PX - 1, 0)
    _cells(view, coverage, search=not watched.enough)
    if corners_px is not None:
        _corners(view, corners_px, DONE_RGB if not watched.state else LEFT_RGB)
    if watched.kept_at_s is not None and time_s - watched.kept_at_s < FLASH_S:
        cv2.rectangle(view, (0, 0), (view.shape[1] - 1, view.shape[0] - 1), bgr(DONE_RGB), 12)
    return np.vstack([_head(watched), view, _foot(watched)])


def _cells(view: UInt8[ndarray, "h w 3"], coverage: Coverage, *, search: bool) -> None:
    """Covered cells tinted, the one where the board is wanted framed."""
    height, width = view.shape[:2]
    xs = np.round(np.linspace(0, width, GRID + 1)).astype(int).tolist()
    ys = np.round(np.linspace(0, height, GRID + 1)).astype(int).tolist()
    for row, column in np.argwhere(coverage.cells > 0).tolist():
        cell = view[ys[row] : ys[row + 1], xs[column] : xs[column + 1]]
        cell[:] = np.round((1 - TINT) * cell + TINT * np.array(bgr(DONE_RGB))).astype(np.uint8)
    wanted = coverage.wanted_cell()
    if search and coverage.wanted_tilt() is None and wanted is not None:
        row, column = wanted
        corner = xs[column] + 3, ys[row] + 3
        cv2.rectangle(view, corner, (xs[column + 1] - 4, ys[row + 1] - 4), bgr(LEFT_RGB), 4, cv2.LINE_AA)


def _corners(view: UInt8[ndarray, "h w 3"], corners_px: Float64[ndarray, "n 2"], rgb: Rgb) -> None:
    for x, y in np.round(corners_px * 16).astype(int).tolist():
        cv2.circle(view, (x, y), 5 * 16, bgr(PANEL_RGB), -1, cv2.LINE_AA, 4)
        cv2.circle(view, (x, y), 3 * 16, bgr(rgb), -1, cv2.LINE_AA, 4)


def _head(watched: Watched) -> UInt8[ndarray, "bar vw 3"]:
    """What to do next."""
    bar = _bar()
    text = "enough pictures" if watched.enough else watched.goal
    write(bar, shortened(text, SIZE, WIDTH_PX - 32), 16, BAR_PX / 2, SIZE, TEXT_RGB, BOLD)
    return bar


def _foot(watched: Watched) -> UInt8[ndarray, "bar vw 3"]:
    """What keeps this picture from being taken, and how far it is."""
    bar = _bar()
    figures = f"{watched.kept} of {VIEWS_WANTED} pictures   "
    figures += f"{min(watched.coverage.tilt_directions, TILTS_WANTED)} of {TILTS_WANTED} tilts   "
    figures += f"{watched.coverage.picture:.0%} of the picture"
    right = WIDTH_PX - 16 - width_of(figures, SMALL)
    write(bar, figures, right, BAR_PX / 2, SMALL, DIM_RGB)
    rgb = LEFT_RGB if watched.state else DONE_RGB
    text = watched.state or ("good" if watched.corners_px is not None else "waiting for the first picture")
    write(bar, shortened(text, SMALL, right - 40), 16, BAR_PX / 2, SMALL, rgb)
    return bar


def _bar() -> UInt8[ndarray, "bar vw 3"]:
    return np.full((BAR_PX, WIDTH_PX, 3), bgr(PANEL_RGB), np.uint8)
