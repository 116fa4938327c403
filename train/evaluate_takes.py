"""Before and after on a take: one camera alone, through the live pipeline, on the part that nobody learned from.

Against labels triangulated from two cameras the figure is called agreement: it shares the teacher's errors. Against
`truth.npz` of a synthetic take it is the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from engine.backends import Engine
from engine.skeleton import CORE, skeleton_of
from realtime.pipeline import Pipeline
from realtime.progress import Step
from realtime.take_joints import lens_of
from realtime.takes import Take, TakeCamera, open_take
from train.own_rig.labels import LabelError, TakeLabels, read_labels
from train.own_rig.pose_kinds import pose_kinds
from train.own_rig.truth import Truth, true_joints_m, truth_of
from train.pose_errors import bone_figures, mean_mm, pose_errors

Kind = Literal["agreement", "error"]
Part = Literal["held out", "whole"]


class KindFigures(NamedTuple):
    """Frames in which somebody does one thing, and their MPJPE."""

    kind: str
    frames: int
    mpjpe_mm: float


@dataclass(frozen=True, slots=True)
class TakeFigures:
    """One camera, or all of a take, on the held-out part. Means are over the joints of `mpii16`."""

    name: str
    kind: Kind
    frames: int  # with labels
    found: float  # share of them in which somebody was seen
    mpjpe_mm: float
    n_mpjpe_mm: float
    p_mpjpe_mm: float
    per_joint_mm: tuple[float, ...]  # MPJPE of each, also beyond `mpii16`; NaN where never known
    bone_spread: float
    asymmetry: float
    label_noise_mm: float  # estimated; against truth the labels' own MPJPE
    per_kind: tuple[KindFigures, ...] = ()

    def summary(self) -> dict[str, object]:
        """For a JSON file."""
        names = skeleton_of(len(self.per_joint_mm)).names
        joints = {name: _rounded(mm) for name, mm in zip(names, self.per_joint_mm, strict=True)}
        return {
            "kind": self.kind,
            "frames": self.frames,
            "found": round(self.found, 4),
            "mpjpe_mm": _rounded(self.mpjpe_mm),
            "n_mpjpe_mm": _rounded(self.n_mpjpe_mm),
            "p_mpjpe_mm": _rounded(self.p_mpjpe_mm),
            "mpjpe_mm_per_joint": joints,
            "mpjpe_mm_per_kind": {
                k.kind: {"frames": k.frames, "mpjpe_mm": _rounded(k.mpjpe_mm)} for k in self.per_kind
            },
            "bone_spread": round(self.bone_spread, 4),
            "asymmetry": round(self.asymmetry, 4),
            "label_noise_mm": _rounded(self.label_noise_mm),
        }


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one camera's network said in frames that have labels; NaN where it saw nobody."""

    frame: Int64[ndarray, "n"]
    offsets_m: Float64[ndarray, "n joints 3"]


def evaluate_take(folder: Path, engine: Engine, *, step: Step) -> list[TakeFigures]:
    """Agreement of all cameras together, and the error where the take has its truth. LabelError without labels."""
    take, labels = open_take(folder), read_labels(folder)
    height_m = take.about.subject_height_m or labels.height_m
    truth = truth_of(folder)
    rows = {name: _rows(take, name, "held out") for name in labels.names}
    looked: dict[str, _Looked] = {}
    total, done = sum(len(of_camera) for of_camera in rows.values()), 0
    for name, wanted in rows.items():
        looked[name] = _look(take, name, wanted, engine, height_m, lambda n, at=done, of=name: step(at + n, total, of))
        done += len(wanted)
    agreement = [_against_labels(labels, name, looked[name]) for name in labels.names]
    title = f"{folder.name}, held out"
    figures = [_figures(title, "agreement", agreement, looked, float(np.nanmedian(labels.noise_mm[CORE])))]
    if truth is not None:
        exact = [_against_truth(truth, name, looked[name]) for name in labels.names]
        figures.append(_figures(title, "error", exact, looked, label_error_mm(labels, truth)))
    return figures


def error_of_take(folder: Path, engine: Engine, *, step: Step) -> TakeFigures:
    """The error on the whole of a synthetic take, which needs no labels and no teacher. LabelError without a truth."""
    take, truth = open_take(folder), truth_of(folder)
    if truth is None:
        raise LabelError(f"{folder} has no truth beside it: label it, then evaluate says how far it agrees")
    looked, height_m = {}, take.about.subject_height_m or truth.height_m
    for name, shots in truth.shots.items():
        count = len(shots.time_s)
        looked[name] = _look(
            take, name, _rows(take, name, "whole"), engine, height_m, lambda n, of=name, count=count: step(n, count, of)
        )
    exact = [_against_truth(truth, name, looked[name]) for name in looked]
    return _figures(f"{folder.name}, whole", "error", exact, looked, float("nan"))


def held_out(camera: TakeCamera, take: Take) -> Bool[ndarray, "n"]:
    """Which rows of a camera's table nobody learned from."""
    return take.parts().held_out(camera.take_time_s)


def table(figures: Sequence[TakeFigures]) -> str:
    """The figures for a terminal."""
    width = max((len(f.name) for f in figures), default=0)
    lines = [f"{'':<{width}}             frames  found  MPJPE  N-MPJPE  P-MPJPE  label noise (mm)"]
    for f in figures:
        errors = f"{f.mpjpe_mm:5.1f}  {f.n_mpjpe_mm:7.1f}  {f.p_mpjpe_mm:7.1f}"
        seen = f"{f.frames:6d}  {100 * f.found:3.0f} %"
        lines.append(f"{f.name:<{width}}  {f.kind:<9}  {seen}  {errors}  {f.label_noise_mm:11.1f}")
    return "\n".join(lines)


def table_of_kinds(**networks: Sequence[TakeFigures]) -> str:
    """Each kind of pose for a terminal, a column for each network: figures of the same takes, in the same order."""
    lines = [f"{'MPJPE, mm':<32}  frames  " + "  ".join(f"{name:>6}" for name in networks)]
    for of_take in zip(*networks.values(), strict=True):
        columns = [{k.kind: k.mpjpe_mm for k in f.per_kind} for f in of_take]
        for k in of_take[-1].per_kind:
            errors = "  ".join(f"{column.get(k.kind, float('nan')):6.1f}" for column in columns)
            lines.append(f"{of_take[-1].kind + ', ' + k.kind:<32}  {k.frames:6d}  {errors}")
    return "\n".join(lines)


def _rows(take: Take, name: str, part: Part) -> Int64[ndarray, "n"]:
    camera = take.cameras[name]
    wanted = held_out(camera, take) if part == "held out" else np.ones(len(camera.take_time_s), bool)
    return np.flatnonzero(wanted).astype(np.int64)


def _look(take: Take, name: str, rows: Int64[ndarray, "n"], engine: Engine, height_m: float, step) -> _Looked:
    """The largest person of each of these frames, which follow each other, not smoothed."""
    camera = take.cameras[name]
    lens = replace(lens_of(camera), cam_from_world=None)
    pipeline = Pipeline(engine, lens, smooth=False, height_m=height_m)
    offsets_m = np.full((len(rows), len(engine.skeleton), 3), np.nan)
    for frame in camera.frames(int(rows[0]), int(rows[-1]) + 1) if len(rows) else ():
        people = pipeline(frame).people
        if people:
            offsets_m[frame.index - rows[0]] = max(people, key=lambda p: p.joints.box.side_px).offsets_m
        step(frame.index - int(rows[0]) + 1)
    return _Looked(rows, offsets_m)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """What was predicted and what is true, of the joints that both sides have."""

    predicted_m: Float64[ndarray, "n joints 3"]
    true_m: Float64[ndarray, "n joints 3"]
    known: Bool[ndarray, "n joints"]


def _against_labels(labels: TakeLabels, name: str, looked: _Looked) -> _Pairs:
    rows = labels.of(name)
    _, at_label, at_look = np.intersect1d(labels.frame[rows], looked.frame, return_indices=True)
    rows = rows[at_label]
    return _paired(looked.offsets_m[at_look], labels.joints_cam_m[rows], labels.kept[rows])


def _against_truth(truth: Truth, name: str, looked: _Looked) -> _Pairs:
    true_m = true_joints_m(truth, name, looked.frame)
    return _paired(looked.offsets_m, true_m, np.all(np.isfinite(true_m), axis=-1))


def _paired(predicted_m: ndarray, true_m: ndarray, known: ndarray) -> _Pairs:
    joints = min(predicted_m.shape[1], true_m.shape[1])
    return _Pairs(predicted_m[:, :joints], true_m[:, :joints], known[:, :joints])


def label_error_mm(labels: TakeLabels, truth: Truth) -> float:
    """MPJPE of the kept labels themselves, over the whole take."""
    errors = []
    for name in labels.names:
        rows = labels.of(name)
        true_m = true_joints_m(truth, name, labels.frame[rows])[:, CORE]
        known = labels.kept[rows][:, CORE] & np.isfinite(true_m).all(-1)
        errors.append(pose_errors(labels.joints_cam_m[rows][:, CORE], np.nan_to_num(true_m), known).mpjpe)
    return mean_mm(np.concatenate(errors))


def _figures(
    name: str, kind: Kind, pairs: Sequence[_Pairs], looked: dict[str, _Looked], noise_mm: float
) -> TakeFigures:
    predicted_m, true_m, known = (
        np.concatenate([getattr(p, part) for p in pairs]) for part in ("predicted_m", "true_m", "known")
    )
    seen = np.asarray(np.isfinite(predicted_m).all(axis=(1, 2)))
    predicted_m, true_m, known = predicted_m[seen], np.nan_to_num(true_m[seen]), known[seen]
    errors = pose_errors(predicted_m[:, CORE], true_m[:, CORE], known[:, CORE])
    poses = np.concatenate([one.offsets_m[:, CORE] for one in looked.values()])
    bones = bone_figures(poses[np.isfinite(poses).all((1, 2))])
    return TakeFigures(
        name=name,
        kind=kind,
        frames=seen.size,
        found=float(seen.mean()) if seen.size else 0.0,
        mpjpe_mm=mean_mm(errors.mpjpe),
        n_mpjpe_mm=mean_mm(errors.n_mpjpe),
        p_mpjpe_mm=mean_mm(errors.p_mpjpe),
        per_joint_mm=_per_joint(pose_errors(predicted_m, true_m, known).mpjpe),
        bone_spread=bones.spread,
        asymmetry=bones.asymmetry,
        label_noise_mm=noise_mm,
        per_kind=tuple(_per_kind(errors.mpjpe, true_m)),
    )


def _per_joint(mpjpe_mm: Float64[ndarray, "n joints"]) -> tuple[float, ...]:
    some = np.isfinite(mpjpe_mm).any(axis=0)
    means = np.full(mpjpe_mm.shape[1], np.nan)
    means[some] = np.nanmean(mpjpe_mm[:, some], axis=0)
    return tuple(means.tolist())


def _per_kind(mpjpe_mm: Float64[ndarray, "n core"], true_m: Float64[ndarray, "n joints 3"]) -> Iterator[KindFigures]:
    for kind, frames in pose_kinds(true_m).items():
        of_kind = mpjpe_mm[frames]
        if np.isfinite(of_kind).any():
            yield KindFigures(kind, int(frames.sum()), mean_mm(of_kind))


def _rounded(mm: float) -> float | None:
    return round(mm, 2) if np.isfinite(mm) else None
