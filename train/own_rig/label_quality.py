"""How good a take's labels are, from the labels themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from calib.label_checks import Flag
from calib.labels import Labels
from engine.skeleton import CORE, skeleton_of
from realtime.take_joints import CameraJoints
from train.own_rig.labels import TakeLabels
from train.own_rig.placing import Placed


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """Figures of one take's labels. None: nothing to measure it by.

    Means and shares are over the joints of `mpii16`, whatever else is known.
    """

    frames: dict[str, int]  # labelled, by camera
    frames_total: dict[str, int]
    kept_share: float  # of joints in frames in which both cameras saw the person
    flagged: dict[str, float]  # share of joints, by reason; a joint may have several
    residual_px: dict[str, dict[str, float | None]]  # median of label against teacher, by camera and joint
    bone_spread: dict[str, float | None]  # robust standard deviation over mean, as triangulated
    noise_mm: float  # estimated, median over joints
    noise_mm_per_joint: dict[str, float | None]
    sigma_px: float  # of the teacher's coordinates
    height_m: float


def quality_of(
    labels: TakeLabels, fitted: Mapping[str, Labels], joints: Mapping[str, CameraJoints], placed: Placed
) -> LabelQuality:
    """Everything that the report says."""
    first = fitted[placed.names[0]]
    return LabelQuality(
        frames={name: len(labels.of(name)) for name in placed.names},
        frames_total={name: len(joints[name].frame) for name in placed.names},
        kept_share=_kept_share(fitted),
        flagged=_flagged(fitted),
        residual_px={name: _residual_px(labels, joints[name], name) for name in placed.names},
        bone_spread=_bone_spread(first),
        noise_mm=float(np.nanmedian(labels.noise_mm[CORE])),
        noise_mm_per_joint=_named(labels.noise_mm),
        sigma_px=first.sigma_px,
        height_m=first.height,
    )


def _seen(labels: Labels) -> ndarray:
    """Joints of `mpii16` in frames in which both views have the person."""
    in_both = (labels.flags[:, CORE] & int(Flag.UNSEEN)) == 0
    return np.broadcast_to(in_both.any(axis=1)[:, None], in_both.shape)


def _kept_share(fitted: Mapping[str, Labels]) -> float:
    kept = sum(float((labels.kept[:, CORE] & _seen(labels)).sum()) for labels in fitted.values())
    return kept / max(sum(int(_seen(labels).sum()) for labels in fitted.values()), 1)


def _flagged(fitted: Mapping[str, Labels]) -> dict[str, float]:
    total = max(sum(int(_seen(labels).sum()) for labels in fitted.values()), 1)
    counts = dict.fromkeys(Flag, 0)
    for labels in fitted.values():
        flags = labels.flags[:, CORE]
        unseen = (flags & int(Flag.UNSEEN)) > 0
        for flag in Flag:  # what was not seen by both cameras is blamed for nothing else
            blamed = (flags & int(flag)) > 0 if flag == Flag.UNSEEN else ((flags & int(flag)) > 0) & ~unseen
            counts[flag] += int((blamed & _seen(labels)).sum())
    return {str(flag.name).lower(): count / total for flag, count in counts.items()}


def _residual_px(labels: TakeLabels, joints: CameraJoints, name: str) -> dict[str, float | None]:
    rows = labels.of(name)
    at = np.searchsorted(joints.frame, labels.frame[rows])
    miss_px = np.linalg.norm(labels.px[rows] - joints.px[at, : labels.px.shape[1]], axis=-1)
    miss_px = np.where(labels.kept[rows], miss_px, np.nan)
    return _named(_median(miss_px))


def _bone_spread(labels: Labels) -> dict[str, float | None]:
    skeleton = skeleton_of(labels.raw.shape[1])
    spread = np.full(len(skeleton.bones), np.nan)
    for i, (child, parent) in enumerate(skeleton.bones):
        both = labels.kept[:, child] & labels.kept[:, parent]
        lengths = np.linalg.norm(labels.raw[both, child] - labels.raw[both, parent], axis=-1)
        if len(lengths) >= 10:
            middle = np.median(lengths)
            spread[i] = 1.4826 * np.median(np.abs(lengths - middle)) / middle
    return {
        f"{skeleton.names[child]}-{skeleton.names[parent]}": _number(s)
        for (child, parent), s in zip(skeleton.bones, spread, strict=True)
    }


def _median(values: ndarray) -> ndarray:
    some = np.isfinite(values).any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[some] = np.nanmedian(values[:, some], axis=0)
    return result


def _named(values: ndarray) -> dict[str, float | None]:
    names = skeleton_of(len(values)).names
    return {name: _number(value) for name, value in zip(names, values, strict=True)}


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
