"""The panel at the window's left: the picture with its skeletons, the numbers, and the keys.

Everything is measured in the window's own pixels, so that letters stay sharp.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from realtime.colours import (
    ALERT_RGB,
    BACKGROUND_RGB,
    DIM_RGB,
    KEY_RGB,
    LEFT_RGB,
    PANEL_RGB,
    RIGHT_RGB,
    TEXT_RGB,
    Rgb,
    bgr,
    score_rgb,
)
from realtime.overlay import draw_skeleton
from realtime.result import Status
from realtime.viewer.eye import ViewName
from realtime.viewer.slot import Picture
from realtime.viewer.text import BOLD, dot, plate, shortened, width_of, wrapped, write

WIDTH_SHARE, WIDTH_RANGE_PX = 0.315, (272, 520)
PICTURE_HEIGHT_SHARE = 0.37  # at most, of the window: below it there is room for four people and all keys
NARROW_PX = 480  # windows less wide than this show the panel over half of their width
TEXT_OF_WIDTH, TEXT_RANGE_PX = 0.036, (12, 19)
WARM_RGB: Rgb = (0.98, 0.75, 0.25)


@dataclass(frozen=True, slots=True)
class PersonLine:
    """What the panel says about somebody."""

    id: int
    distance_m: float | None
    score: float  # of all joints, 0 ... 1
    followed: bool


@dataclass(frozen=True, slots=True)
class Content:
    """All that the panel says. Two equal ones look the same."""

    title: str
    status: Status | None = None
    people: tuple[PersonLine, ...] = ()
    view: ViewName = "free"
    trails: bool = False
    by_score: bool = False
    keys: bool = True
    note: str = ""
    waiting: bool = field(default=False)  # nothing came yet


def panel_width(window_px: tuple[int, int]) -> int:
    """Of the panel in a window of this size."""
    width = window_px[0]
    if width < NARROW_PX:
        return width // 2
    return int(np.clip(round(width * WIDTH_SHARE), *WIDTH_RANGE_PX))


def picture_panel(
    picture: Picture, window_px: tuple[int, int], *, mirror: bool, by_score: bool
) -> UInt8[ndarray, "h w 3"]:
    """The panel's upper part, BGR: the picture in its frame, mirrored where wanted."""
    width = panel_width(window_px)
    margin = _margin(width)
    height_px, width_px = picture.image_bgr.shape[:2]
    room = width - 2 * margin
    scale = min(room / width_px, PICTURE_HEIGHT_SHARE * window_px[1] / height_px)
    inner = max(round(width_px * scale), 1), max(round(height_px * scale), 1)
    image = cv2.resize(picture.image_bgr, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if mirror:
        image = cv2.flip(image, 1)
    for px, score, side_px in zip(picture.px, picture.score, picture.box_side_px, strict=True):
        seen = (px + 0.5) * scale - 0.5
        if mirror:
            seen[:, 0] = inner[0] - 1 - seen[:, 0]
        draw_skeleton(image, seen, score, box_side_px=1.25 * float(side_px) * scale, by_score=by_score)
    panel = np.full((inner[1] + 2 * margin, width, 3), bgr(PANEL_RGB), np.uint8)
    left = (width - inner[0]) // 2
    panel[margin : margin + inner[1], left : left + inner[0]] = image
    return panel


class PanelWriter:
    """Writes the panel's lower part from top to bottom. Heights are in the size of its text."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        width, height = size_px
        self.image = np.full((max(height, 1), max(width, 1), 3), bgr(PANEL_RGB), np.uint8)
        self._size = float(np.clip(width * TEXT_OF_WIDTH, *TEXT_RANGE_PX))
        self._left, self._right = _margin(width), width - _margin(width)
        self._y = 0.1 * self._size

    def write(self, content: Content) -> UInt8[ndarray, "h w 3"]:
        """All of it, BGR."""
        self._title(content)
        if content.status is not None:
            self._numbers(content.status)
        self._people(content)
        if content.status is not None:
            self._run(content.status)
        if content.keys:
            self._keys(content)
        else:
            self._caps([("H", "keys", False, True)], 1)
        self._note(content.note)
        return self.image

    def _title(self, content: Content) -> None:
        size, middle = self._size, self._y + 0.8 * self._size
        right = float(self._right)
        for text, rgb in _badges(content.status):
            width = width_of(text, size * 0.8, BOLD) + 0.9 * size
            right -= width
            plate(self.image, right, middle - 0.66 * size, width, 1.32 * size, rgb)
            write(self.image, text, right + 0.45 * size, middle, size * 0.8, BACKGROUND_RGB, BOLD)
            right -= 0.4 * size
        write(self.image, shortened(content.title, size, right - self._left), self._left, middle, size, DIM_RGB)
        self._y += 1.9 * size

    def _numbers(self, status: Status) -> None:
        """Three figures beside each other, large, with their units below."""
        latency = "-" if status.latency_ms is None else f"{status.latency_ms:.0f}"
        dropped = 100 * status.dropped_share
        share = f"{dropped:.0f}" if dropped >= 9.5 or dropped == 0 else f"{dropped:.1f}"
        size, third = self._size, (self._right - self._left) / 3
        figures = [
            (f"{status.fps:.1f}", "", "frames/s"),
            (latency, "" if status.latency_ms is None else " ms", "latency"),
            (share, " %", "dropped"),
        ]
        for place, (figure, unit, name) in enumerate(figures):
            left = self._left + place * third
            end = write(self.image, figure, left, self._y + 1.0 * size, 1.75 * size, TEXT_RGB, BOLD)
            write(self.image, unit, end + 0.1 * size, self._y + 1.2 * size, size, DIM_RGB)
            write(self.image, name, left, self._y + 2.55 * size, 0.9 * size, DIM_RGB)
        self._y += 3.5 * size

    def _people(self, content: Content) -> None:
        self._rule()
        size = self._size
        if not content.people:
            text = "waiting for the first frame" if content.waiting else "nobody in view"
            write(self.image, text, self._left, self._y + 0.75 * size, size, DIM_RGB)
            self._y += 1.65 * size
        for line in content.people:
            middle = self._y + 0.75 * size
            marked = line.followed and len(content.people) > 1
            dot(self.image, self._left + 0.4 * size, middle, 0.3 * size, score_rgb(line.score))
            name = f"person {line.id + 1}"
            weight = BOLD if marked else 400
            write(self.image, name, self._left + 1.2 * size, middle, size, TEXT_RGB, weight)
            distance = "distance unknown" if line.distance_m is None else f"{line.distance_m:.2f} m away"
            third = (self._right - self._left) / 3
            write(self.image, distance, self._left + third, middle, size, TEXT_RGB, weight)
            sure = f"{100 * line.score:.0f} % sure"
            write(self.image, sure, self._right - width_of(sure, size), middle, size, DIM_RGB)
            self._y += 1.55 * size
        self._y += 0.15 * size

    def _run(self, status: Status) -> None:
        """Engine and assumptions."""
        self._rule()
        size, room = 0.95 * self._size, self._right - self._left
        rows = wrapped(status.engine, size, room, 2) + wrapped(status.assumptions, size, room, 2)
        for row in rows:
            write(self.image, row, self._left, self._y + 0.7 * self._size, size, DIM_RGB)
            self._y += 1.4 * self._size
        self._y += 0.2 * self._size

    def _keys(self, content: Content) -> None:
        self._rule()
        status = content.status
        file = status is not None and not status.live
        paused, recording, mirror = (
            (status.paused, status.recording, status.mirror) if status is not None else (False, False, False)
        )
        views: tuple[ViewName, ...] = ("free", "front", "side", "top")
        self._caps([(str(n + 1), name, content.view == name, True) for n, name in enumerate(views)], 4)
        self._caps(
            [
                ("Space", "pause", paused, file), ("N", "one frame on", False, file),
                ("T", "trails", content.trails, True), ("C", "confidence", content.by_score, True),
                ("M", "mirror", mirror, True), ("P", "next person", False, True),
                ("R", "record", recording, True), ("S", "screenshot", False, True),
                ("H", "hide keys", False, True), ("Q", "quit", False, True),
            ], 2,
        )  # fmt: skip

    def _caps(self, keys: list[tuple[str, str, bool, bool]], columns: int) -> None:
        """Keys with their meaning: (key, meaning, whether it is on, whether it does something now)."""
        size = self._size
        step = (self._right - self._left) / columns
        for place, (key, meaning, on, usable) in enumerate(keys):
            left = self._left + place % columns * step
            middle = self._y + (place // columns) * 1.75 * size + 0.85 * size
            width = max(width_of(key, 0.85 * size, BOLD) + 0.8 * size, 1.5 * size)
            plate(self.image, left, middle - 0.72 * size, width, 1.44 * size, RIGHT_RGB if on else KEY_RGB)
            ink = BACKGROUND_RGB if on else (TEXT_RGB if usable else DIM_RGB)
            write(
                self.image, key, left + (width - width_of(key, 0.85 * size, BOLD)) / 2, middle, 0.85 * size, ink, BOLD
            )
            rgb = TEXT_RGB if on or usable else (0.38, 0.40, 0.44)
            write(self.image, meaning, left + width + 0.45 * size, middle, 0.95 * size, rgb)
        self._y += -(-len(keys) // columns) * 1.75 * size

    def _note(self, note: str) -> None:
        """At the lower edge, over whatever may be there."""
        if not note:
            return
        size, height = self._size, self.image.shape[0]
        rows = wrapped(note, 0.95 * size, self._right - self._left - size, 2)
        tall = (len(rows) * 1.35 + 0.5) * size
        top = height - tall - 0.5 * size
        plate(self.image, self._left, top, self._right - self._left, tall, LEFT_RGB)
        for row, text in enumerate(rows):
            middle = top + (0.9 + 1.35 * row) * size
            write(self.image, text, self._left + 0.5 * size, middle, 0.95 * size, BACKGROUND_RGB)

    def _rule(self) -> None:
        y = round(self._y)
        cv2.line(self.image, (self._left, y), (self._right, y), bgr(KEY_RGB), 1)
        self._y += 0.45 * self._size


def _badges(status: Status | None) -> list[tuple[str, Rgb]]:
    """Marks of the run's state, from the right."""
    if status is None:
        return []
    marks = [("REC", ALERT_RGB, status.recording), ("PAUSED", WARM_RGB, status.paused)]
    marks.append(("MIRRORED", DIM_RGB, status.mirror))
    marks.append(("LIVE", score_rgb(1.0), status.live and not status.recording))
    return [(text, rgb) for text, rgb, on in marks if on]


def _margin(width: int) -> int:
    return max(round(width * 0.035), 4)
