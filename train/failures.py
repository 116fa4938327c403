"""Where a network errs most, drawn for its model card: `python -m train.failures --out FILE`.

The people are rendered without any source, so the picture may be shown to everybody.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from jaxtyping import Float64
from numpy import ndarray

from engine.weights import load_weights
from realtime.progress import progress
from train.crops_seen import Seen, predict
from train.own_rig.regression import PEOPLE, regression_samples
from train.plots import errors_sheet

SHOWN = 20


def write_failures(name: str, path: Path, *, people: int = PEOPLE) -> Path:
    """The worst of some rendered people, the worst first: what the weights say in colours, what is true in white."""
    weights = load_weights(name)
    with progress("people", people) as step:
        samples = regression_samples(people=people, step=step)
    seen = predict(weights.decoded().eval(), samples, weights.architecture.input_px)
    worst = np.argsort(-mean_errors(seen))[:SHOWN]
    shown = replace(seen, joints=seen.joints[worst], target=seen.target[worst], labelled=seen.labelled[worst])
    return errors_sheet([samples[i] for i in worst], shown, path)


def mean_errors(seen: Seen) -> Float64[ndarray, "n"]:
    """Mean distance of each person's labelled joints in the picture, crop units."""
    distance = np.linalg.norm(seen.joints[..., :2] - seen.target[..., :2], axis=-1)
    return np.asarray(np.where(seen.labelled, distance, 0.0).sum(1) / seen.labelled.sum(1).clip(1))


def main(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture.")],
    weights: Annotated[str, typer.Option(metavar="lite|full|FILE")] = "lite",
) -> None:
    """Draw the worst of the rendered people that no training sees."""
    print(f"wrote {write_failures(weights, out)}")


if __name__ == "__main__":
    typer.run(main)
