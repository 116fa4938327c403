"""New weights replace old ones only where they are better and nothing is lost."""

from dataclasses import replace

import pytest

from train.own_rig.gate import Judged, gate

BEFORE = Judged(n_mpjpe_mm=100.0, found=0.98, bone_spread=0.10, asymmetry=0.08, regression_mm=90.0)
BETTER = replace(BEFORE, n_mpjpe_mm=80.0, bone_spread=0.09)


def test_better_weights_are_taken():
    assert gate(BEFORE, BETTER).light == "green"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n_mpjpe_mm": 96.0}, "5 % are wanted"),
        ({"n_mpjpe_mm": 120.0}, "5 % are wanted"),
        ({"bone_spread": 0.12}, "bones vary by"),
        ({"asymmetry": 0.09}, "left and right"),
        ({"regression_mm": 93.0}, "may be lost"),
        ({"found": 0.9}, "is found in"),
        ({"n_mpjpe_mm": float("nan")}, "5 % are wanted"),
        ({"regression_mm": float("nan")}, "may be lost"),
        ({"asymmetry": float("nan")}, "left and right"),
        ({"found": float("nan")}, "is found in"),
    ],
)
def test_everything_else_keeps_the_old_ones_and_says_why(change, says):
    verdict = gate(BEFORE, replace(BETTER, **change))
    assert verdict.light == "red"
    assert says in verdict.texts()[0]
