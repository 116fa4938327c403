"""Whether new weights may replace the old: better on what was held out, no worse in body, nothing much forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calib.verdict import Reason, Verdict

GAIN_LEAST = 0.05  # of the held-out agreement
WORSE_BODY = 0.02  # bones and symmetry may seem worse by so much, relative: the noise of some hundred frames
FORGET_MOST = 0.03  # of the regression set
LOST_MOST = 0.01  # of the frames in which somebody was found


@dataclass(frozen=True, slots=True)
class Judged:
    """One network's figures. Those of several takes are means over their frames."""

    n_mpjpe_mm: float  # held-out agreement
    found: float
    bone_spread: float
    asymmetry: float
    regression_mm: float


def gate(before: Judged, after: Judged) -> Verdict:
    """Green: the new weights are taken. Red: the old ones stay, and why."""
    return Verdict(tuple(_reasons(before, after)))


def _reasons(before: Judged, after: Judged) -> Iterator[Reason]:
    gain = 1 - after.n_mpjpe_mm / before.n_mpjpe_mm
    text = f"held-out agreement {before.n_mpjpe_mm:.1f} -> {after.n_mpjpe_mm:.1f} mm ({100 * gain:+.1f} % better)"
    enough = gain >= GAIN_LEAST
    yield Reason("green" if enough else "red", text if enough else f"{text}; {100 * GAIN_LEAST:.0f} % are wanted")
    for what, old, new in (
        ("bones vary by", before.bone_spread, after.bone_spread),
        ("left and right bones differ by", before.asymmetry, after.asymmetry),
    ):
        said = f"{what} {100 * old:.1f} -> {100 * new:.1f} %"
        yield Reason("green" if new <= old * (1 + WORSE_BODY) else "red", said)
    forgot = after.regression_mm / before.regression_mm - 1
    said = f"people it was not taught here {before.regression_mm:.1f} -> {after.regression_mm:.1f} mm"
    much = not forgot < FORGET_MOST
    yield Reason(
        "red" if much else "green", f"{said}; less than {100 * FORGET_MOST:.0f} % may be lost" if much else said
    )
    if not after.found >= before.found - LOST_MOST:
        yield Reason(
            "red", f"the person is found in {100 * after.found:.0f} % of the frames, {100 * before.found:.0f} % before"
        )
