"""Between the old network and the new: how much of what was learned is kept.

Weights on the straight line between a network and its fine-tuned self often do better than either, on what was taught
and on what was not (Wortsman et al., CVPR 2022). The share is chosen by the take's validation part and by synthetic
people that were kept from the training, never by what judges the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from torch import Tensor

from engine.weights import Weights
from realtime.progress import Step
from train.datasets.sample import Sample
from train.own_rig.regression import people_mm

SHARES = (0.0, 0.35, 0.5, 0.7, 1.0)
FORGET = 0.01  # of the kept people: a third of what the gate allows, since of others up to four times as much was lost


@dataclass(frozen=True, slots=True)
class Mix:
    """One point of the line and its figures, mm."""

    share: float  # of the new network
    validation_mm: float  # N-MPJPE against the take's labels
    remembered_mm: float  # of the people that were kept

    def record(self) -> dict[str, float]:
        """For files."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def mixed(old: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """The network that lies `share` of the way from `old` to `new`; whole numbers (counters) are the new one's."""
    return {
        name: old[name] + share * (value - old[name]) if value.is_floating_point() else value
        for name, value in new.items()
    }


def mixes(
    base: Weights, new: Mapping[str, Tensor], validation: Sequence[Sample], kept: Sequence[Sample], step: Step
) -> list[Mix]:
    """The line's points from the old network to the new one."""
    found = []
    for share in SHARES:
        model = replace(base, state=mixed(base.state, new, share)).decoded()
        px = base.architecture.input_px
        found.append(Mix(share, people_mm(model, validation, px), people_mm(model, kept, px)))
        step(len(found), len(SHARES), "old and new mixed")
    return found


def best_mix(found: Sequence[Mix]) -> Mix:
    """The best on the validation part of those that forget little; the first is the old network."""
    bearable = [mix for mix in found if mix.remembered_mm <= found[0].remembered_mm * (1 + FORGET)]
    return min(bearable, key=lambda mix: mix.validation_mm)
