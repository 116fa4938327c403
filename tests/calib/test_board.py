import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from calib import charuco, chessboard
from calib.board import Board, parse_board
from calib.board_pdf import PAPER_MM, POINTS_PER_MM, largest_square_mm, typed, write_board_pdf
from calib.errors import UserError

BOARDS = ["9x6", "4x7", "charuco:7x5", "charuco:5x8"]


def board_on(paper: str, text: str) -> Board:
    """The largest board of this many squares that fits, in whole millimetres."""
    return parse_board(text, square_mm=int(largest_square_mm(parse_board(text, square_mm=10), paper)))


class Page:
    """The numbers of a written page, in millimetres, y down from its upper edge."""

    def __init__(self, path):
        data = path.read_bytes()
        media = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
        assert media
        self.size_mm = np.array([float(media[1]), float(media[2])]) / POINTS_PER_MM
        number = rb"(-?[\d.]+)"
        rect = re.compile(rb" ".join([number] * 4) + rb" re(?! S)")
        x, y, w, h = np.array([[float(v) for v in found] for found in rect.findall(data)]).T / POINTS_PER_MM
        self.rects_mm = np.column_stack([x, self.size_mm[1] - y - h, w, h])
        line = re.compile(rb" ".join([number] * 2) + rb" m " + rb" ".join([number] * 2) + rb" l S")
        self.lines_mm = np.array([[float(v) for v in found] for found in line.findall(data)]) / POINTS_PER_MM
        self.text = b"\n".join(re.findall(rb"\((.*?)\) Tj", data)).decode()


@pytest.mark.parametrize("paper", PAPER_MM)
@pytest.mark.parametrize("text", BOARDS)
def test_a_page_has_the_paper_s_size_and_squares_exact_to_a_hundredth_of_a_millimetre(tmp_path, paper, text):
    board = board_on(paper, text)
    write_board_pdf(tmp_path / "board.pdf", board, paper=paper)
    page = Page(tmp_path / "board.pdf")
    np.testing.assert_allclose(sorted(page.size_mm), PAPER_MM[paper], atol=0.01)
    square_mm = 1000 * board.square_m[0]
    squares = page.rects_mm[(page.rects_mm[:, 2] > 0.99 * square_mm)]
    assert len(squares) == -(-(board.columns + 1) * (board.rows + 1) // 2)
    np.testing.assert_allclose(squares[:, 2:], square_mm, atol=0.01)
    steps = (squares[:, :2] - squares[0, :2]) / square_mm
    np.testing.assert_allclose(steps, np.rint(steps), atol=0.01 / square_mm)


@pytest.mark.parametrize("text", BOARDS)
def test_the_board_is_centred_with_a_square_of_white_around_it(tmp_path, text):
    board = board_on("A4", text)
    write_board_pdf(tmp_path / "board.pdf", board)
    page = Page(tmp_path / "board.pdf")
    low = page.rects_mm[:, :2].min(axis=0)
    size_mm = 1000 * np.array(board.square_m) * (board.columns + 1, board.rows + 1)
    np.testing.assert_allclose(2 * low + size_mm, page.size_mm, atol=0.01)
    assert (low >= 1000 * board.square_m[0] - 0.01).all()


def test_both_rulers_are_100_mm_long_with_a_tick_at_every_millimetre(tmp_path):
    write_board_pdf(tmp_path / "board.pdf", board_on("A4", "9x6"))
    lines = Page(tmp_path / "board.pdf").lines_mm
    lengths = np.abs(lines[:, 2:] - lines[:, :2])
    assert ((np.abs(lengths - (100, 0)) < 0.01).all(axis=1)).sum() == 1
    assert ((np.abs(lengths - (0, 100)) < 0.01).all(axis=1)).sum() == 1
    assert len(lines) == 2 * (1 + 101)


@pytest.mark.parametrize("text", BOARDS)
def test_a_page_says_how_to_print_it_and_what_to_type_afterwards(tmp_path, text):
    board = board_on("A4", text)
    write_board_pdf(tmp_path / "board.pdf", board)
    page = Page(tmp_path / "board.pdf")
    assert "print at 100 %, do not fit to page" in page.text
    assert page.text.count("measured:") == 2
    assert typed(board) in page.text
    found = re.search(r"--board (\S+) --square (\S+)(?: --marker (\S+))?", page.text)
    assert found
    again = parse_board(found[1], square_mm=float(found[2]), marker_mm=float(found[3]) if found[3] else None)
    assert again == board


def test_a_board_that_does_not_fit_is_refused_with_the_largest_square_that_does(tmp_path):
    with pytest.raises(UserError, match=r"does not fit on A4: give at most --square 23"):
        write_board_pdf(tmp_path / "board.pdf", parse_board("9x6", square_mm=30), paper="A4")
    assert not list(tmp_path.iterdir())
    write_board_pdf(tmp_path / "board.pdf", parse_board("9x6", square_mm=23), paper="A4")


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        write_board_pdf(tmp_path / "missing" / "board.pdf", board_on("A4", "9x6"))


def test_more_markers_than_the_dictionary_has_are_refused(tmp_path):
    with pytest.raises(UserError, match="markers"):
        write_board_pdf(tmp_path / "board.pdf", parse_board("charuco:20x14", square_mm=10), paper="A3")


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="no pdftoppm (poppler-utils)")
@pytest.mark.parametrize("text", BOARDS)
def test_a_drawn_page_shows_the_board_where_it_stands(tmp_path, text):
    board = board_on("A4", text)
    write_board_pdf(tmp_path / "board.pdf", board)
    command = ["pdftoppm", "-r", "127", "-gray", "-singlefile", tmp_path / "board.pdf", tmp_path / "page"]
    assert subprocess.run(command, check=True, capture_output=True).stderr == b""
    gray = cv2.imread(str(tmp_path / "page.pgm"), cv2.IMREAD_GRAYSCALE)
    assert gray is not None
    if board.kind == "chessboard":
        grid = chessboard.find(gray, board.columns, board.rows)
        assert grid is not None
        px = grid.reshape(-1, 2)
    else:
        seen = charuco.find(gray, board)
        assert seen is not None
        assert (seen.legacy, seen.inverted, seen.mirrored) == (False, False, False)
        np.testing.assert_array_equal(seen.ids, np.arange(board.columns * board.rows))
        px = seen.px
    page = Page(tmp_path / "board.pdf")
    first_mm = page.rects_mm[:, :2].min(axis=0) + 1000 * np.array(board.square_m)
    corners_mm = first_mm + 1000 * board.points_m()[:, :2]
    np.testing.assert_allclose((px + 0.5) / 127 * 25.4, corners_mm, atol=0.06)


@pytest.mark.parametrize(
    ("text", "symmetric"),
    [("9x6", False), ("7x4", False), ("8x6", True), ("7x5", True), ("5x5", True), ("charuco:7x5", False)],
)
def test_a_board_knows_whether_half_a_turn_brings_it_onto_itself(text, symmetric):
    assert parse_board(text, square_mm=20).symmetric is symmetric


def test_a_board_is_typed_as_inner_corners_or_as_squares():
    assert parse_board(" 9X6 ", square_mm=25) == Board("chessboard", 9, 6, (0.025, 0.025))
    chosen = parse_board("charuco:7x5", square_mm=40, marker_mm=28)
    assert (chosen.columns, chosen.rows, chosen.marker_m) == (6, 4, 0.028)
    assert chosen.size_text == "charuco:7x5"
    other = parse_board("charuco:7x5:apriltag_36h11", square_mm=40)
    assert other.dictionary == "APRILTAG_36h11"
    assert parse_board(other.size_text, square_mm=40) == other


@pytest.mark.parametrize("text", ["", "9", "9x", "x6", "9x6x2", "chess:9x6", "9*6", "-9x6", "9x6:4X4_50"])
def test_a_misspelt_board_is_refused(text):
    with pytest.raises(UserError, match="is not understood"):
        parse_board(text, square_mm=25)


@pytest.mark.parametrize(
    ("text", "square_mm", "marker_mm"),
    [
        ("9x6", 0, None),
        ("9x6", -1, None),
        ("9x6", float("nan"), None),
        ("2x6", 25, None),
        ("charuco:7x5", 20, 20),
        ("charuco:7x5:9X9_9", 20, 15),
    ],
)
def test_an_impossible_board_is_refused(text, square_mm, marker_mm):
    with pytest.raises(UserError):
        parse_board(text, square_mm=square_mm, marker_mm=marker_mm)


def test_points_run_row_by_row_from_the_first_corner():
    points = Board("chessboard", 4, 3, (0.02, 0.03)).points_m()
    np.testing.assert_allclose(points[:5], [[0, 0, 0], [0.02, 0, 0], [0.04, 0, 0], [0.06, 0, 0], [0, 0.03, 0]])
