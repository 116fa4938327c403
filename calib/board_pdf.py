"""A calibration board as a PDF page of true size: vectors, rulers on both axes, and what to type afterwards.

Lengths are millimetres from the page's upper left corner, x right, y down; only `_Page` knows PDF's points.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Literal

import cv2

from calib.board import Board
from calib.errors import UserError

Paper = Literal["A4", "A3", "Letter"]
PAPER_MM: dict[Paper, tuple[float, float]] = {"A4": (210, 297), "A3": (297, 420), "Letter": (215.9, 279.4)}
POINTS_PER_MM = 72 / 25.4

RULER_MM = 100.0
UNPRINTED_MM = 6.0  # most printers leave out up to 5 mm along the edge
STRIP_MM = 7.0  # along each edge, for a ruler or a line of text
WHITE_SQUARES = 1.0  # from the squares to the paper's edge
CLEAR_SQUARES = 0.5  # from the squares to the strip
LINE_MM = 0.12
TEXT_PT, SMALL_PT = 8.0, 6.0


def largest_square_mm(board: Board, paper: Paper = "A4") -> float:
    """The largest square with which a board of this many squares fits, in the better of both orientations."""
    short_mm, long_mm = PAPER_MM[paper]
    return max(_largest_mm(board, short_mm, long_mm), _largest_mm(board, long_mm, short_mm))


def write_board_pdf(path: Path, board: Board, *, paper: Paper = "A4") -> None:
    """One page, landscape or portrait as it fits. UserError names the largest square where it does not."""
    short_mm, long_mm = PAPER_MM[paper]
    landscape = _largest_mm(board, long_mm, short_mm) >= _largest_mm(board, short_mm, long_mm)
    page = _Page(*((long_mm, short_mm) if landscape else (short_mm, long_mm)))
    largest_mm = _largest_mm(board, page.width_mm, page.height_mm)
    square_x_mm, square_y_mm = (1000 * side for side in board.square_m)
    if max(square_x_mm, square_y_mm) > largest_mm + 1e-9:
        hint = f"give at most --square {int(largest_mm * 10) / 10:g}"
        raise UserError(f"{board.size_text} with {square_x_mm:g} mm squares does not fit on {paper}: {hint}")
    board_mm = ((board.columns + 1) * square_x_mm, (board.rows + 1) * square_y_mm)
    origin_mm = ((page.width_mm - board_mm[0]) / 2, (page.height_mm - board_mm[1]) / 2)
    black = _chessboard_mm(board) if board.kind == "chessboard" else _charuco_mm(board)
    page.fill([(x + origin_mm[0], y + origin_mm[1], w, h) for x, y, w, h in black])
    _rulers(page)
    _words(page, board, paper)
    _write(path, page.document(title=f"Calibration board {typed(board)}"))


def typed(board: Board) -> str:
    """The options that describe a board, as typed on the command line."""
    marker = f" --marker {1000 * (board.marker_m or 0):.6g}" if board.kind == "charuco" else ""
    return f"--board {board.size_text} --square {1000 * board.square_m[0]:.6g}{marker}"


def _largest_mm(board: Board, width_mm: float, height_mm: float) -> float:
    strip_mm = UNPRINTED_MM + STRIP_MM
    sides = ((board.columns + 1, width_mm), (board.rows + 1, height_mm))
    within_paper = min(mm / (squares + 2 * WHITE_SQUARES) for squares, mm in sides)
    within_strips = min((mm - 2 * strip_mm) / (squares + 2 * CLEAR_SQUARES) for squares, mm in sides)
    return min(within_paper, within_strips)


Rect = tuple[float, float, float, float]  # x, y of the upper left corner, width, height; mm


def _chessboard_mm(board: Board) -> list[Rect]:
    """The black squares; the upper left one is black."""
    w, h = (1000 * side for side in board.square_m)
    places = [(column, row) for row in range(board.rows + 1) for column in range(board.columns + 1)]
    return [(column * w, row * h, w, h) for column, row in places if (column + row) % 2 == 0]


def _charuco_mm(board: Board) -> list[Rect]:
    """The black squares and the markers' black cells, as OpenCV's CharucoBoard lays them out since 4.6."""
    w, h = (1000 * side for side in board.square_m)
    side = 1000 * (board.marker_m or 0)
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{board.dictionary}"))
    cells = dictionary.markerSize + 2
    cell = side / cells
    rects = _chessboard_mm(board)
    white = [(c, r) for r in range(board.rows + 1) for c in range(board.columns + 1) if (c + r) % 2 == 1]
    if len(white) > len(dictionary.bytesList):
        raise UserError(f"{board.size_text} needs {len(white)} markers, {board.dictionary} has fewer: make it smaller")
    for marker, (column, row) in enumerate(white):
        bits = cv2.aruco.generateImageMarker(dictionary, marker, cells, borderBits=1)
        x, y = column * w + (w - side) / 2, row * h + (h - side) / 2
        for line in range(cells):
            start = 0
            while start < cells:  # neighbours in a line are one rectangle
                end = start
                while end < cells and bits[line, end] == 0:
                    end += 1
                if end > start:
                    rects.append((x + start * cell, y + line * cell, (end - start) * cell, cell))
                start = end + 1
    return rects


def _rulers(page: _Page) -> None:
    """100 mm along the lower and along the left edge, each with a box for what was measured."""
    y_mm = page.height_mm - UNPRINTED_MM - 3.5
    x0_mm = UNPRINTED_MM + STRIP_MM + 4
    page.line(x0_mm, y_mm, x0_mm + RULER_MM, y_mm)
    for mm, tick_mm in _ticks():
        page.line(x0_mm + mm, y_mm, x0_mm + mm, y_mm - tick_mm)
    page.text(x0_mm - 0.6, y_mm + 2.8, "0", SMALL_PT)
    page.text(x0_mm + RULER_MM - 2, y_mm + 2.8, "100 mm", SMALL_PT)
    page.text(x0_mm + RULER_MM + 9, y_mm, "measured:", TEXT_PT)
    page.box(x0_mm + RULER_MM + 23, y_mm - 3.5, 18, 6)
    page.text(x0_mm + RULER_MM + 42, y_mm, "mm", TEXT_PT)

    x_mm = UNPRINTED_MM + 3.5
    y0_mm = page.height_mm - UNPRINTED_MM - STRIP_MM - 4
    page.line(x_mm, y0_mm, x_mm, y0_mm - RULER_MM)
    for mm, tick_mm in _ticks():
        page.line(x_mm, y0_mm - mm, x_mm + tick_mm, y0_mm - mm)
    page.text(x_mm - 1, y0_mm + 0.6, "0", SMALL_PT, upwards=True)
    page.text(x_mm - 1, y0_mm - RULER_MM + 2, "100 mm", SMALL_PT, upwards=True)
    page.text(x_mm, y0_mm - RULER_MM - 9, "measured:", TEXT_PT, upwards=True)
    page.box(x_mm - 3.5, y0_mm - RULER_MM - 23 - 18, 6, 18)
    page.text(x_mm, y0_mm - RULER_MM - 42, "mm", TEXT_PT, upwards=True)


def _ticks() -> list[tuple[float, float]]:
    """Where a tick stands on a ruler and how long it is, mm."""
    return [(float(mm), 3.0 if mm % 10 == 0 else 2.2 if mm % 5 == 0 else 1.4) for mm in range(int(RULER_MM) + 1)]


def _words(page: _Page, board: Board, paper: Paper) -> None:
    y_mm = UNPRINTED_MM + 2.8
    page.text(UNPRINTED_MM + STRIP_MM + 4, y_mm, f"print at 100 %, do not fit to page ({paper})", TEXT_PT)
    advice = "glue it to something stiff and flat, then measure both rulers"
    page.text(UNPRINTED_MM + STRIP_MM + 4, y_mm + 3.2, advice, SMALL_PT)
    page.text(page.width_mm / 2 + 10, y_mm, typed(board), TEXT_PT, bold=True)


class _Page:
    """A page that collects PDF drawing operators; text is ASCII."""

    def __init__(self, width_mm: float, height_mm: float) -> None:
        self.width_mm = width_mm
        self.height_mm = height_mm
        self._operators: list[str] = [f"{LINE_MM * POINTS_PER_MM:.4f} w 0 g 0 G"]

    def fill(self, rects: list[Rect]) -> None:
        """Black rectangles as one path: neighbours show no seam."""
        for x, y, w, h in rects:
            self._operators.append(f"{self._at(x, y + h)} {w * POINTS_PER_MM:.4f} {h * POINTS_PER_MM:.4f} re")
        self._operators.append("f")

    def line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A thin line."""
        self._operators.append(f"{self._at(x0, y0)} m {self._at(x1, y1)} l S")

    def box(self, x: float, y: float, w: float, h: float) -> None:
        """A thin frame."""
        self._operators.append(f"{self._at(x, y + h)} {w * POINTS_PER_MM:.4f} {h * POINTS_PER_MM:.4f} re S")

    def text(self, x: float, y: float, text: str, size_pt: float, *, bold: bool = False, upwards: bool = False) -> None:
        """Text from the left end of its base line; `upwards` turns it a quarter to the left."""
        turn = "0 1 -1 0" if upwards else "1 0 0 1"
        quoted = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        font = f"/{'B' if bold else 'F'} {size_pt:g} Tf"
        self._operators.append(f"BT {font} {turn} {self._at(x, y)} Tm ({quoted}) Tj ET")

    def document(self, *, title: str) -> bytes:
        """The finished file of one page; it asks viewers not to scale it when printing."""
        stream = "\n".join(self._operators).encode("ascii")
        media = f"[0 0 {self.width_mm * POINTS_PER_MM:.4f} {self.height_mm * POINTS_PER_MM:.4f}]"
        fonts = "/Font << /F 5 0 R /B 6 0 R >>"
        objects = [
            b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None /PickTrayByPDFSize true >> >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox {media} /Contents 4 0 R /Resources << {fonts} >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
            f"<< /Title ({title}) >>".encode("ascii"),
        ]
        return _pdf(objects)

    def _at(self, x: float, y: float) -> str:
        return f"{x * POINTS_PER_MM:.4f} {(self.height_mm - y) * POINTS_PER_MM:.4f}"


def _pdf(objects: list[bytes]) -> bytes:
    """Objects with their table of places; the first is the catalogue, the last the description."""
    out = bytearray(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    size = len(objects) + 1
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(objects), table)
    return bytes(out)


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror}; choose another place") from error
