"""What evaluation alone may read of a synthetic take: where the joints really were in each frame of each camera."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float64, Int64
from numpy import ndarray

from train.synthetic.truth import NAME, Truth, read_truth


def truth_of(folder: Path) -> Truth | None:
    """None where the take was filmed. TruthError where its truth is damaged."""
    return read_truth(folder) if (folder / NAME).is_file() else None


def true_joints_m(truth: Truth, name: str, rows: Int64[ndarray, "n"]) -> Float64[ndarray, "n 16 3"]:
    """In a camera's axes, in some of its frames."""
    camera = truth.cameras[name]
    return truth.shots[name].joints_world_m[rows] @ camera.R.T + camera.t
