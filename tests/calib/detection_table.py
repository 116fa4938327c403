"""How often and how exactly boards are found over distance, tilt and blur.

`python -m tests.calib.detection_table [TRIALS]` prints it.

Rendered at 1280x720, f = 950 px, with mild distortion and noise of 4 grey levels; the boards fill their paper.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from calib.board import Board, parse_board
from calib.board_pdf import Paper, largest_square_mm
from calib.camera import Camera
from calib.detect import Detection, detect
from tests.calib.render import pose, render_board

CAMERA = Camera(1280, 720, np.array([[950.0, 0, 645], [0, 950, 355], [0, 0, 1]]), np.array([-0.1, 0.03, 0, 0, 0]))
DISTANCES_M = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
LOOKS = {  # tilt up to, degrees; what the lens and the hand add
    "tilt up to 35 deg, blur 0.7 px": (35.0, {"blur_px": 0.7}),
    "tilt 35 to 60 deg, blur 0.7 px": (60.0, {"blur_px": 0.7}),
    "tilt up to 35 deg, blur 1.5 px": (35.0, {"blur_px": 1.5}),
    "tilt up to 35 deg, blur 2.5 px": (35.0, {"blur_px": 2.5}),
    "tilt up to 35 deg, motion 4 px": (35.0, {"blur_px": 0.7, "motion_px": 4.0}),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What trials at one distance gave."""

    found: float  # fraction of pictures
    corners: float  # fraction of corners in them
    error_px: float  # median over pictures of the mean distance from the truth
    time_s: float  # median

    def __str__(self) -> str:
        return f"{self.found:.0%} {self.error_px:.2f}" if self.found else "0"


def largest_board(text: str, paper: Paper) -> Board:
    """The largest board of this many squares on a paper, in whole millimetres."""
    return parse_board(text, square_mm=int(largest_square_mm(parse_board(text, square_mm=10), paper)))


def measure(board: Board, distance_m: float, look: str, trials: int, seed: int = 0) -> Cell:
    """Boards at one distance, anywhere in the middle of the picture, turned at random."""
    rng = np.random.default_rng(seed)
    tilt_max_deg, effects = LOOKS[look]
    tilt_min_deg = 35.0 if tilt_max_deg > 35 else 0.0
    reach = 0.0 if distance_m < 1 else 1.0  # a board that fills the picture is held in its middle
    errors, shares, times = [], [], []
    for _ in range(trials):
        where = pose(
            board,
            distance_m=distance_m,
            tilt_deg=rng.uniform(tilt_min_deg, tilt_max_deg),
            tilt_axis_deg=rng.uniform(0, 360),
            roll_deg=rng.uniform(-30, 30),
            off_axis_m=(reach * distance_m * rng.uniform(-0.25, 0.25), reach * distance_m * rng.uniform(-0.1, 0.1)),
        )
        image, truth = render_board(board, CAMERA, where, noise=4.0, rng=rng, **effects)
        start = time.perf_counter()
        seen = detect(image, board, explain=False)
        times.append(time.perf_counter() - start)
        if isinstance(seen, Detection):
            errors.append(float(np.linalg.norm(seen.px - truth[seen.ids], axis=1).mean()))
            shares.append(len(seen.ids) / len(truth))
    share = float(np.mean(shares)) if shares else 0.0
    return Cell(len(errors) / trials, share, float(np.median(errors)) if errors else np.nan, float(np.median(times)))


def table(boards: dict[str, Board], look: str, trials: int) -> Iterable[str]:
    """Lines of Markdown."""
    yield f"| {look} | " + " | ".join(f"{distance:g} m" for distance in DISTANCES_M) + " |"
    yield "| --- |" + " --- |" * len(DISTANCES_M)
    for name, board in boards.items():
        cells = [measure(board, distance, look, trials) for distance in DISTANCES_M]
        yield f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |"


def main(trials: int = 12) -> None:
    """Print every table: share of pictures with the board found, error of its corners in px."""
    papers: tuple[Paper, ...] = ("A4", "A3")
    boards = {}
    for text in ("9x6", "charuco:7x5"):
        for paper in papers:
            board = largest_board(text, paper)
            boards[f"{paper} {text}, {1000 * board.square_m[0]:.0f} mm"] = board
    for look in LOOKS:
        for line in table(boards, look, trials):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
