"""What fixes the metre of a rig from people: a tape between the lenses, the body's height, bones measured before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calib.rig import Rig
from calib.scale import Cue, Height, Reading, Scale, Tape, combined
from calib.verdict import Reason

USUAL_HEIGHT_M = 1.70  # of a person of whom nothing is known
USUAL_SIGMA = 0.048  # of people's heights
KNOWN_BONES_SIGMA = 0.01


@dataclass(frozen=True, slots=True)
class KnownBones:
    """The same person's bones, from an earlier calibrated recording, and as they come out of this rig."""

    bones_m: Mapping[int, float]  # by number of the bone
    rig_m: Mapping[int, float]
    sigma: float = KNOWN_BONES_SIGMA

    def reading(self, rig: Rig) -> Reading:
        """Against all bones together: long ones count more."""
        shared = sorted(set(self.bones_m) & set(self.rig_m))
        says, has = sum(self.bones_m[k] for k in shared), sum(self.rig_m[k] for k in shared)
        return Reading("the bones known from before", says, has, self.sigma, "is it the same person?")


@dataclass(frozen=True, slots=True)
class Cues:
    """What the user knows; all of it may be missing."""

    tape_m: float | None = None
    height_m: float | None = None
    bones_m: Mapping[int, float] | None = None

    def scale(self, rig: Rig, height: float, bones: Sequence[float]) -> tuple[Scale, bool, list[Reason]]:
        """The scale of a rig in which the body is so high, whether it gives metres, and what to say.

        Without any cue the person is taken to be of usual height.
        """
        cues: list[Cue] = []
        if self.tape_m is not None:
            cues.append(Tape(self.tape_m))
        if self.height_m is not None:
            cues.append(Height(self.height_m, height))
        if self.bones_m:
            cues.append(KnownBones(self.bones_m, {k: float(bones[k]) for k in self.bones_m}))
        if cues:
            scale = combined([cue.reading(rig) for cue in cues])
            return scale, True, scale.reasons
        scale = combined([Height(USUAL_HEIGHT_M, height, USUAL_SIGMA).reading(rig)])
        text = (
            f"lengths are approximate: the person is taken to be {USUAL_HEIGHT_M:.2f} m high; give --height or --tape"
        )
        return scale, False, [Reason("yellow", text)]
