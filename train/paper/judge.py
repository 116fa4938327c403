"""Judging on captured people, as the field does and as a user would have it.

"Protocol of the field": the true box, the true distance of the root, the true lens; one crop per picture. "As in use":
the picture alone with its lens; the person is searched for, and the distance comes from an assumed body height.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.backends import Engine
from engine.crop import crop_camera, lift
from engine.joints import Joints, read_joints
from engine.skeleton import CORE, MPII16, PELVIS, ROOT, THORAX
from realtime.frame import Frame
from realtime.pipeline import Pipeline
from train.datasets.sample import SPINE, Captured, Sample
from train.figures import Figures
from train.metrics import Alignment, auc3d, by_action, joint_errors_mm, pck3d

Progress = Callable[[int, int], None]
FIELD, IN_USE = "true box, distance, lens", "as in use"
ALIGNMENTS: dict[str, Alignment] = {"mpjpe": "root", "p_mpjpe": "similarity", "n_mpjpe": "scale"}


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions of captured people, root-relative or not; NaN where nobody was found."""

    samples: tuple[Sample, ...]
    predicted_m: Float64[ndarray, "n 17 3"]  # mpii16 and a spine between pelvis and thorax: the network has none

    def errors_mm(self, alignment: Alignment, *, joints: int) -> Float64[ndarray, "n j"]:
        """Of the first or all 17 joints that the studio has; poses without a person are left out."""
        true_m = np.stack([_captured(s).joints_m for s in self.samples])
        known = [j for j in range(joints) if np.isfinite(true_m[:, j]).all()]
        found = np.isfinite(self.predicted_m).all((1, 2))
        a, b = self.predicted_m[found][:, known], true_m[found][:, known]
        return joint_errors_mm(a, b, root=known.index(ROOT), alignment=alignment)

    @property
    def found(self) -> int:
        """How many people."""
        return int(np.isfinite(self.predicted_m).all((1, 2)).sum())

    def figures(self, name: str) -> Figures:
        """Errors of 16 and of 17 joints, 3DPCK and its area over everybody, errors per joint and per action."""
        numbers: dict[str, float] = {"people": len(self.samples), "found": self.found}
        if not self.found:
            return Figures(name, numbers)
        for key, alignment in ALIGNMENTS.items():
            numbers[f"{key}_mm"] = float(self.errors_mm(alignment, joints=SPINE).mean())
            numbers[f"{key}_17_mm"] = float(self.errors_mm(alignment, joints=SPINE + 1).mean())
        errors = self.errors_mm("root", joints=SPINE)
        share = self.found / len(self.samples)
        numbers |= {"pck3d_at_150mm": pck3d(errors) * share, "auc3d": auc3d(errors) * share}
        seen = [s for s, pose in zip(self.samples, self.predicted_m, strict=True) if np.isfinite(pose).all()]
        actions = by_action(errors, [_captured(s).action for s in seen])
        numbers["mpjpe_of_actions_mm"] = float(np.mean(list(actions.values())))
        known = [j for j in range(SPINE) if np.isfinite(_captured(self.samples[0]).joints_m[j]).all()]
        per_joint = {MPII16.names[j]: float(e) for j, e in zip(known, errors.mean(axis=0), strict=True)}
        return Figures(name, numbers, tables={"mpjpe_mm_per_joint": per_joint, "mpjpe_mm_per_action": actions})


def judge_captured(name: str, samples: Sequence[Sample], engine: Engine, *, step: Progress) -> list[Figures]:
    """A row by the field's protocol and a row as in use."""
    rows = []
    for k, (how, look) in enumerate(((FIELD, by_protocol), (IN_USE, as_in_use))):
        predicted = []
        for i, sample in enumerate(samples):
            predicted.append(look(sample, engine))
            step(k * len(samples) + i + 1, 2 * len(samples))
        rows.append(Judged(tuple(samples), np.stack(predicted)).figures(f"{name}, {how}"))
    return rows


def by_protocol(sample: Sample, engine: Engine) -> Float64[ndarray, "17 3"]:
    """One crop in the true box, lifted with the root's true distance."""
    assert sample.box is not None
    output = engine.infer(sample.image_bgr(), [sample.box], sample.K)
    return _with_spine(lifted(read_joints(output, [sample.box], sample.K, engine.score_map)[0], sample))


def lifted(joints: Joints, sample: Sample) -> Float64[ndarray, "joints 3"]:
    """Metres, camera axes, by the true distance of the root along the crop's axis."""
    camera = crop_camera(joints.box, sample.K, 1)
    root_z_m = float((camera.R_crop_from_cam @ _captured(sample).joints_m[ROOT])[2])
    return lift(camera, camera.to_crop(joints.px), joints.depth, root_z_m=root_z_m)


def as_in_use(sample: Sample, engine: Engine) -> Float64[ndarray, "17 3"]:
    """The largest person that a search of the whole picture finds, in metres by an assumed height; NaN: nobody."""
    pipeline = Pipeline(engine, _captured(sample).lens, track=False, smooth=False)
    people = pipeline(Frame(0, 0.0, sample.image_bgr())).people
    if not people:
        return np.full((SPINE + 1, 3), np.nan)
    return _with_spine(max(people, key=lambda p: p.joints.box.side_px).offsets_m)


def _with_spine(joints_m: Float64[ndarray, "joints 3"]) -> Float64[ndarray, "17 3"]:
    return np.vstack([joints_m[CORE], (joints_m[PELVIS] + joints_m[THORAX]) / 2])


def _captured(sample: Sample) -> Captured:
    assert sample.captured is not None
    return sample.captured
