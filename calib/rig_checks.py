"""What a small residual hides: the reasons that speak for and against a rig.

Thresholds are for pictures 1280 px wide and grow with wider ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from calib import rig_suspects
from calib.board import Board
from calib.detection import Detection
from calib.linking import Looks
from calib.rig import Rig
from calib.rig_figures import Figures, Wish
from calib.rig_solution import Solved
from calib.verdict import Light, Reason

RMS_PX = (0.7, 2.0)  # yellow, red
ROTATION_DEG = (0.2, 1.0)
DIRECTION_DEG = (0.3, 1.5)
MARGIN = (2.0, 1.25)  # the next answer must fit this many times worse
VIEWS = 10  # yellow below; three are the least
PLACES = (6, 3)
SPREAD = 0.08
DROPPED = 0.1
FOCAL = (0.01, 0.03)
STRETCH = (0.004, 0.02)
BOW = (0.005, 0.03)  # of the board's diagonal
MIRRORED = "switch mirroring off in the cameras' program; of a two-sided board show the front as well"
DISTANCES = 0.01  # error of board distances, of the board's diagonal


def reasons_of(
    solved: Solved,
    looks: Looks,
    board: Board,
    rig: Rig,
    views: Mapping[str, Sequence[Detection | None]],
    figures: Figures,
) -> Iterable[Reason]:
    """Everything that was found, in the order in which it should be mended."""
    bad = figures.rms_px > RMS_PX[1] * _wide(rig)
    yield from _mixed_up(solved, looks, board, rig, views, None if bad else figures.focal)
    yield from _fit(figures, rig)
    yield from _views(solved, figures)
    yield from _ambiguity(figures, board)
    if not bad:
        yield from _held_fixed(figures, board)
        yield from _sigmas(figures)
    if assumed := [name for name, camera in rig.cameras.items() if camera.assumed]:
        yield Reason(
            "yellow", f"the lens of {', '.join(assumed)} is assumed, not measured; calibrate it with the board"
        )


def _wide(rig: Rig) -> float:
    return max(0.7, max(max(camera.width, camera.height) for camera in rig.cameras.values()) / 1280)


def _light(value: float, limits: tuple[float, float]) -> Light:
    return "red" if value > limits[1] else "yellow" if value > limits[0] else "green"


def _mixed_up(
    solved: Solved,
    looks: Looks,
    board: Board,
    rig: Rig,
    views: Mapping[str, Sequence[Detection | None]],
    focal: Mapping[str, Wish] | None,  # None: nothing fits
) -> Iterable[Reason]:
    seen = [one for row in views.values() for one in row if one is not None]
    if np.mean([one.mirrored for one in seen]) > 0.9:
        yield Reason("red", f"every picture shows the board mirrored: {MIRRORED}")
    for a, b in combinations(solved.names, 2):
        if rig_suspects.same_pictures(views[a], views[b]):
            yield Reason("red", f"{a} and {b} show the same pictures: put each camera's pictures under its own name")
        elif focal and rig_suspects.exchanged(rig.cameras[a].K[0, 0], rig.cameras[b].K[0, 0], focal[a], focal[b]):
            yield Reason("red", f"the pictures of {a} fit the lens of {b}, and the reverse: they are exchanged")
    if focal is not None:
        return
    for each in solved.links:
        text = f"the boards of {each.a} and {each.b} do not fit together: check that each camera's pictures are under"
        text = f"{text} its own name, in order and of the same moments"
        yield Reason("red", rig_suspects.explained(each, looks, views, board, rig.cameras) or text)


def _fit(figures: Figures, rig: Rig) -> Iterable[Reason]:
    wide = _wide(rig)
    light = _light(figures.rms_px, (RMS_PX[0] * wide, RMS_PX[1] * wide))
    at = f"that is {figures.rms_px * figures.mm_per_px:.1f} mm at {figures.subject_m:.1f} m"
    worst = max(figures.camera_rms_px, key=lambda name: figures.camera_rms_px[name])
    advice = "" if light == "green" else f", most of it in {worst}; hold the board still and use sharp pictures"
    yield Reason(light, f"corners lie {figures.rms_px:.2f} px from where they should, {at}{advice}")
    yield Reason(
        "green",
        f"board distances come out with {figures.distance_rmse_mm:.1f} mm error, "
        f"{figures.distance_bias_mm:+.2f} mm on average",
    )


def _views(solved: Solved, figures: Figures) -> Iterable[Reason]:
    if figures.views_used < VIEWS:
        text = f"only {figures.views_used} views show the board to two cameras; {VIEWS} or more are wanted"
        yield Reason("yellow", text)
    part = len(solved.dropped) / max(figures.views_shared, 1)
    if solved.dropped:
        light = "yellow" if part > DROPPED else "green"
        which = ", ".join(str(v) for v in solved.dropped[:8]) + (" ..." if len(solved.dropped) > 8 else "")
        yield Reason(
            light, f"{len(solved.dropped)} of {figures.views_shared} views do not fit and are left out: {which}"
        )
    if figures.places < PLACES[0]:
        light = "red" if figures.places < PLACES[1] else "yellow"
        yield Reason(
            light, f"the board was held at {figures.places} different places only; move and turn it between views"
        )
    elif figures.spread < SPREAD:
        text = "all shared views show the board at one place; move it through the whole space where people will be"
        yield Reason("yellow", text)


def _ambiguity(figures: Figures, board: Board) -> Iterable[Reason]:
    if figures.margin < MARGIN[0]:
        light = "red" if figures.margin < MARGIN[1] else "yellow"
        text = f"a second answer fits only {figures.margin:.1f} times worse (a flat board seen from afar flips)"
        yield Reason(light, f"{text}; hold it nearer and tilt it more")
    if board.symmetric:
        text = (
            f"a board of {board.size_text} looks the same after half a turn; its turn was chosen by what fits all views"
        )
        yield Reason("yellow", f"{text}: use one with an odd and an even number of corners, such as 9x6")


def _held_fixed(figures: Figures, board: Board) -> Iterable[Reason]:
    diagonal_mm = 1000 * float(np.linalg.norm(np.ptp(board.points_m(), axis=0)))
    bow = _light(figures.bow_mm.value / diagonal_mm, BOW) if figures.bow_mm.sure else "green"
    if bow != "green":
        yield Reason(bow, f"the board is bent by {figures.bow_mm.value:.1f} mm; glue it onto something flat and stiff")
    stretch = _light(abs(figures.stretch.value), STRETCH) if figures.stretch.sure else "green"
    if stretch != "green":
        text = f"the squares are {100 * figures.stretch.value:+.1f} % higher against their width than given"
        yield Reason(stretch, f"{text}; measure both and give them")
    for name, wish in figures.focal.items():
        light = _light(abs(wish.value), FOCAL) if wish.sure else "green"
        if light != "green":
            text = (
                f"{name} would rather have a focal length {100 * wish.value:+.1f} % longer: focus or zoom differ from"
            )
            yield Reason(light, f"{text} those of its lens calibration; lock the focus and calibrate the lens again")
    if figures.distance_rmse_mm > DISTANCES * diagonal_mm:
        text = f"board distances come out with {figures.distance_rmse_mm:.1f} mm error; hold the board nearer and still"
        yield Reason("yellow", text)


def _sigmas(figures: Figures) -> Iterable[Reason]:
    advice = "; take more views, nearer and over a larger space"
    rotation = _light(figures.rotation_sigma_deg, ROTATION_DEG)
    text = f"the cameras' turn is known to {figures.rotation_sigma_deg:.2f} degrees"
    yield Reason(rotation, text + (advice if rotation != "green" else ""))
    direction = _light(figures.translation_sigma_deg, DIRECTION_DEG)
    text = f"the direction between them to {figures.translation_sigma_deg:.2f} degrees"
    yield Reason(direction, text + (advice if direction != "green" else ""))
