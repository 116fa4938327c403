"""What to doubt about a calibrated lens: each check gives a reason that says what to do.

A small error of reprojection proves little: a still or frontal board, a bent one, or one that never came near the
picture's border leaves it small and the lens wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.board import Board
from calib.coverage import SHARES_WANTED, TILTS_WANTED, Coverage
from calib.lens_choice import FISHEYE_GAIN, Cleaned, ModelScore
from calib.lens_evidence import best_split, board_shape, disagreement
from calib.lens_models import camera_of, reaches_corners
from calib.verdict import Light, Reason, Verdict

RMS_PX = (0.4, 0.8)  # yellow above, red above
VIEWS = (10, 4)  # yellow below, red below
FOCAL_SIGMA = (0.003, 0.02)  # relative; 5 % of focal length are 8-12 % of metric size
CENTER_SIGMA = 0.01  # of the longer side
TILTS = (TILTS_WANTED, 1)  # directions of eight
HELD_OUT = 1.5  # times the RMS
BOW_PX, BOW_SIGMAS = 0.3, 3.0
STRETCH, STRETCH_SIGMAS = 0.005, 3.0
ASPECT = 0.01  # of fx / fy from one
CENTER_OFF = (0.1, 0.25)  # of the longer side from the middle
FOV_DEG = (15.0, 120.0, 220.0)  # narrowest; widest of a pinhole lens; widest of a fisheye
DISAGREEMENT = 10.0  # times the noise; see tests on real pictures
# F of two lenses against one: one lens and noise reach 10 in one of 150 trials with 30 views, squares that are 0.45 %
# too long 10, real cameras 6; two lenses of 1 % with 12 pictures each 18 and more, with 8 each 15
SPLIT, SPLIT_VIEWS = 12.0, 8


@dataclass(frozen=True)
class Evidence:
    """Everything that the checks look at."""

    board: Board
    size_px: tuple[int, int]
    chosen: ModelScore
    scores: tuple[ModelScore, ...]  # of all models, also of those that were not asked for
    cleaned: Cleaned
    sigma: Float64[ndarray, "lens"]
    coverage: Coverage
    mirrored: tuple[bool, ...]  # per picture given

    @property
    def longer_px(self) -> int:
        """Longer side of the picture."""
        return max(self.size_px)


def judge(evidence: Evidence) -> Verdict:
    """All checks."""
    return Verdict(tuple(reason for check in CHECKS for reason in check(evidence)))


def _error(e: Evidence) -> Iterator[Reason]:
    rms = e.chosen.fit.rms_px
    if light := _above(rms, *RMS_PX):
        yield Reason(
            light,
            f"the board's corners lie {rms:.2f} px from where the lens puts them (good: below {RMS_PX[0]:g}); check "
            f"that the board is {e.board.size_text}, flat and held still, and that focus and zoom are locked",
        )
    if e.chosen.held_out_rms_px > HELD_OUT * rms:
        yield Reason(
            "yellow",
            f"on pictures left out the error is {e.chosen.held_out_rms_px:.2f} px instead of {rms:.2f}: the lens was "
            "fitted to these few pictures; take more",
        )


def _views(e: Evidence) -> Iterator[Reason]:
    used = len(e.cleaned.views)
    if light := _below(used, *VIEWS):
        yield Reason(light, f"only {used} different views of the board; take 20 or more, moved and tilted")


def _tilt(e: Evidence) -> Iterator[Reason]:
    seen = e.coverage.tilt_directions
    if light := _below(seen, *TILTS):
        found = (
            "the board is frontal in all pictures"
            if seen == 0
            else f"the board is tilted in {seen} of 8 directions only"
        )
        yield Reason(light, f"{found}, so that focal length and distance are hard to tell apart; {e.coverage.advice()}")


def _coverage(e: Evidence) -> Iterator[Reason]:
    poor = [name for name, least in SHARES_WANTED.items() if getattr(e.coverage, name) < least]
    if poor:
        words = {"picture": "of the picture", "edges": "of its edges", "corners": "of its corners"}
        seen = ", ".join(f"{getattr(e.coverage, name):.0%} {words[name]}" for name in poor)
        yield Reason("yellow", f"the board covered {seen}; distortion is a guess elsewhere: {e.coverage.advice()}")


def _fold(e: Evidence) -> Iterator[Reason]:
    if not reaches_corners(e.chosen.model.kind, e.chosen.fit.lens, e.size_px):
        yield Reason(
            "yellow",
            "the distortion found turns back before the picture's corners, where no lens does; "
            "take pictures with the board in the corners",
        )


def _uncertainty(e: Evidence) -> Iterator[Reason]:
    lens = e.chosen.fit.lens
    focal = float((e.sigma[:2] / lens[:2]).max())
    if light := _above(focal, *FOCAL_SIGMA):
        yield Reason(
            light,
            f"the focal length is known to {min(focal, 9.99):.1%} only (good: {FOCAL_SIGMA[0]:.1%}); "
            "take more pictures with the board tilted by 30 degrees and near the camera",
        )
    center = float(e.sigma[2:4].max()) / e.longer_px
    if center > CENTER_SIGMA:
        yield Reason(
            "yellow", f"the picture's optical centre is known to {min(center, 9.99):.1%} of its size only; tilt more"
        )


def _geometry(e: Evidence) -> Iterator[Reason]:
    lens, sigma = e.chosen.fit.lens, e.sigma
    middle = (np.array(e.size_px) - 1) / 2
    off = np.abs(lens[2:4] - middle)
    if light := _above(float(np.maximum(off - 2 * sigma[2:4], 0).max()) / e.longer_px, *CENTER_OFF):
        yield Reason(
            light,
            f"the optical centre lies {off.max():.0f} px from the picture's middle; is the picture cropped or "
            "digitally stabilised? use the camera's full picture",
        )
    fov = (
        camera_of(e.chosen.model, lens, e.size_px).fov_deg if e.chosen.model.kind == "pinhole" else _fisheye_fov_deg(e)
    )
    widest = FOV_DEG[1] if e.chosen.model.kind == "pinhole" else FOV_DEG[2]
    if not FOV_DEG[0] <= fov <= widest:
        yield Reason(
            "yellow", f"a field of view of {fov:.0f} degrees is unusual; check the board and take more pictures"
        )


def _fisheye_fov_deg(e: Evidence) -> float:
    return float(np.rad2deg(e.longer_px / e.chosen.fit.lens[0]))


def _squares(e: Evidence) -> Iterator[Reason]:
    if _wants_fisheye(e):
        return  # a wrong lens bends and stretches the board
    shape, lens = board_shape(e.cleaned.views, e.chosen), e.chosen.fit.lens
    if shape.bow_px > BOW_PX and shape.bow_sigmas > BOW_SIGMAS:
        yield Reason(
            "red" if shape.bow_px > 5 * BOW_PX else "yellow",
            f"the board seems bent by {shape.bow_m * 1000:.1f} mm ({shape.bow_px:.1f} px); glue it on something flat",
        )
    if abs(shape.stretch) > STRETCH and abs(shape.stretch) > STRETCH_SIGMAS * shape.stretch_sigma:
        yield Reason(
            "yellow",
            f"the squares seem {abs(shape.stretch):.1%} {'longer' if shape.stretch > 0 else 'shorter'} down the "
            "columns than along the rows; measure both and give both",
        )
    aspect = float(lens[0] / lens[1] - 1)
    if abs(aspect) > ASPECT and abs(aspect) > 3 * float((e.sigma[:2] / lens[:2]).max()):
        yield Reason(
            "yellow",
            f"fx and fy differ by {abs(aspect):.1%}; is the picture stretched, or are the board's squares not square?",
        )


def _symmetry(e: Evidence) -> Iterator[Reason]:
    if e.board.symmetric:
        yield Reason(
            "green",
            f"the {e.board.size_text} board looks the same after half a turn: good for one camera, not for two; "
            "for two use one with an odd and an even side",
        )


def _mirror(e: Evidence) -> Iterator[Reason]:
    count = sum(e.mirrored)
    if 0 < count < len(e.mirrored):
        yield Reason(
            "red",
            f"{count} of {len(e.mirrored)} pictures are mirrored; keep those that are not, and switch mirroring off",
        )
    elif count:
        yield Reason(
            "yellow", "the pictures are mirrored, so the lens is that of the mirror's picture; switch mirroring off"
        )
    elif e.board.kind == "chessboard":
        yield Reason(
            "green",
            "a chessboard is its own mirror image, so a mirrored video cannot be told from a plain one here; a ChArUco "
            "board tells, and so does a second camera that is not mirrored",
        )


def _agreement(e: Evidence) -> Iterator[Reason]:
    ratio = disagreement(e.cleaned.views, e.chosen)
    if ratio > DISAGREEMENT and not _wants_fisheye(e):
        yield Reason(
            "yellow",
            f"the pictures do not agree on one lens ({ratio:.0f} times the noise): are they of one camera, with "
            "focus and zoom locked and without stabilisation?",
        )
    if e.cleaned.still_bad:
        yield Reason("yellow", f"{e.cleaned.still_bad} more pictures deviate like those left out; take new ones")


def _two_lenses(e: Evidence) -> Iterator[Reason]:
    views = e.cleaned.views
    if len(views) < SPLIT_VIEWS or _wants_fisheye(e):
        return
    split = best_split(views, e.chosen)
    if split.evidence > SPLIT:
        yield Reason(
            "yellow",
            f"the pictures fall into two groups, {split.counts[0]} and {split.counts[1]}, with focal lengths "
            f"{split.focal:.1%} and optical centres {split.center_px:.0f} px apart: are they of two cameras, or were "
            "focus or zoom changed?",
        )


def _fisheye(e: Evidence) -> Iterator[Reason]:
    if _wants_fisheye(e):
        yield Reason(
            "red" if e.chosen.fit.rms_px > RMS_PX[1] else "yellow",
            f"a fisheye lens fits better ({_best_fisheye_px(e):.2f} px instead of {e.chosen.held_out_rms_px:.2f} on "
            "pictures left out); calibrate it as one",
        )


def _wants_fisheye(e: Evidence) -> bool:
    return e.chosen.model.kind == "pinhole" and _best_fisheye_px(e) < FISHEYE_GAIN * e.chosen.held_out_rms_px


def _best_fisheye_px(e: Evidence) -> float:
    return min((s.held_out_rms_px for s in e.scores if s.model.kind == "fisheye"), default=np.inf)


CHECKS: tuple[Callable[[Evidence], Iterator[Reason]], ...] = (
    _error,
    _views,
    _tilt,
    _coverage,
    _fold,
    _uncertainty,
    _geometry,
    _squares,
    _symmetry,
    _mirror,
    _agreement,
    _two_lenses,
    _fisheye,
)


def _above(value: float, yellow: float, red: float) -> Light | None:
    return "red" if value > red else "yellow" if value > yellow else None


def _below(value: float, yellow: float, red: float) -> Light | None:
    return "red" if value < red else "yellow" if value < yellow else None
