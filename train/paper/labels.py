"""3D labels for a studio's pictures from two views of each moment, without its 3D and without where its cameras stand.

The paper's upper branch (4.4): a network that knows 2D finds the joints in both views; one essential matrix for each
pair of cameras of a subject, from the joints of many moments (Eqs. 4, 5); its reading that has the joints before both
cameras; polynomial triangulation (Eq. 6). Depths relative to the root's need no unit, so the unknown baseline does not
matter.
Camera i learns from the pair (i, i + 1), the last from (last, first).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera, inverted
from calib.epipolar import Pairs, Relative, in_front, sampson
from calib.epipolar_pose import find_pose
from calib.errors import UserError as CalibError
from calib.triangulate import polynomial
from engine.crop import crop_camera, crop_px_from_units
from engine.joints import fill_of
from engine.skeleton import CORE, MPII16, ROOT
from engine.weights import Weights
from train.crops_seen import predict
from train.datasets.labelled2d import DatasetError
from train.datasets.sample import Captured, Sample

SCORE_MIN = 0.1
POSE_MOMENTS = 400  # of a pair of cameras, spread evenly: more do not move the essential matrix
GATE_PX = 12.0  # of a picture 1000 px wide: a joint whose two views miss each other by more is not learned from
JOINTS_MIN = 8


@dataclass(frozen=True, slots=True)
class Sights:
    """What the 2D network sees: joints in pixels of the picture and without distortion, and how sure it is."""

    rays: Float64[ndarray, "n joints 2"]
    score: Float64[ndarray, "n joints"]


@dataclass(frozen=True, slots=True)
class PairReport:
    """How one pair of cameras did. The turn from the truth is for people to read; nothing is learned from it."""

    subject: str
    cameras: tuple[str, str]
    moments: int
    kept_share: float  # of joints
    turn_deg: float | None
    failed: str | None = None


def epipolar_labels(samples: Sequence[Sample], weights: Weights) -> tuple[list[Sample], list[PairReport]]:
    """The samples again with labels made from two views; those that got none are left out.

    DatasetError where not one pair of cameras gives labels.
    """
    known = [(i, s.captured) for i, s in enumerate(samples) if s.captured is not None]
    sights = look([s for s in samples if s.captured is not None], weights)
    row = {i: k for k, (i, _) in enumerate(known)}
    made: dict[int, Sample] = {}
    reports = []
    for (subject, first, second), moments in _pairs(known).items():
        rows = (np.array([row[a] for a, _ in moments]), np.array([row[b] for _, b in moments]))
        lenses = tuple(c.lens for c in (_captured(samples, moments[0][0]), _captured(samples, moments[0][1])))
        try:
            labels, kept, turn_deg = _triangulated(sights, rows, lenses)
        except CalibError as error:
            reports.append(PairReport(subject, (first, second), len(moments), 0.0, None, str(error)))
            continue
        for (i, _), points, good in zip(moments, labels, kept, strict=True):
            if good[ROOT] and good.sum() >= JOINTS_MIN:
                made[i] = _labelled(samples[i], points, good)
        reports.append(PairReport(subject, (first, second), len(moments), float(kept.mean()), turn_deg))
    if not made:
        why = next((r.failed for r in reports if r.failed), "no joint is seen alike by two cameras")
        raise DatasetError(f"no label came from {len(reports)} pairs of cameras: {why}; train the 2D network longer")
    return [made[i] for i in sorted(made)], reports


def look(samples: Sequence[Sample], weights: Weights) -> Sights:
    """The 2D network's joints in the samples' own boxes."""
    size = weights.architecture.input_px
    seen = predict(weights.decoded(), samples, size)
    rays = np.empty((len(samples), len(MPII16), 2))
    for k, (sample, joints) in enumerate(zip(samples, seen.joints, strict=True)):
        assert sample.box is not None
        assert sample.captured is not None
        px = crop_camera(sample.box, sample.K, size).to_px(crop_px_from_units(joints[CORE, :2], size))
        rays[k] = sample.captured.lens.rays(px)
    return Sights(rays, weights.score_map(seen.joints[:, CORE, 6], fill_of(seen.joints[..., :2])))


def _pairs(known: Sequence[tuple[int, Captured]]) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """Of each subject and each camera with its next: which samples show the same moment."""
    moments: dict[tuple[str, str, int], dict[str, int]] = {}
    for i, c in known:
        moments.setdefault((c.subject, c.recording, c.frame), {})[c.camera] = i
    names = {s: sorted({c.camera for _, c in known if c.subject == s}) for s in {c.subject for _, c in known}}
    pairs: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for (subject, *_), at in sorted(moments.items()):
        ring = names[subject]
        for first, second in zip(ring, ring[1:] + ring[:1], strict=True):
            if first != second and first in at and second in at:
                pairs.setdefault((subject, first, second), []).append((at[first], at[second]))
    return pairs


def _captured(samples: Sequence[Sample], i: int) -> Captured:
    captured = samples[i].captured
    assert captured is not None
    return captured


def _triangulated(
    sights: Sights, rows: tuple[ndarray, ndarray], lenses: tuple[Camera, ...]
) -> tuple[Float64[ndarray, "m joints 3"], ndarray, float | None]:
    """Points in the first camera's axes, in baselines; which may be learned from; how far the pose is turned."""
    a, b = sights.rays[rows[0]], sights.rays[rows[1]]
    score = np.minimum(sights.score[rows[0]], sights.score[rows[1]])
    pairs = _pooled(a, b, score, lenses)
    few = np.unique(np.linspace(0, len(a) - 1, min(POSE_MOMENTS, len(a))).astype(int))
    relative = find_pose(pairs.picked(np.isin(pairs.frame, few) & (pairs.weight >= SCORE_MIN**2))).relative
    away_px = np.abs(sampson(relative.E, a.reshape(-1, 2), b.reshape(-1, 2))) * pairs.focal_px
    gate_px = GATE_PX * lenses[0].width / 1000
    good = (away_px <= gate_px) & (score.ravel() >= SCORE_MIN) & in_front(relative, pairs)
    points = polynomial(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
    good &= np.isfinite(points).all(axis=1)
    return np.nan_to_num(points).reshape(*a.shape[:2], 3), good.reshape(a.shape[:2]), _turn_deg(relative, lenses)


def _pooled(a: ndarray, b: ndarray, score: ndarray, lenses: tuple[Camera, ...]) -> Pairs:
    frame, joint = (index.ravel().astype(np.int64) for index in np.indices(a.shape[:2]))
    focal_px = float(np.mean([np.diag(lens.K)[:2] for lens in lenses]))
    return Pairs(a.reshape(-1, 2), b.reshape(-1, 2), score.ravel() ** 2, frame, joint, frame, focal_px)


def _turn_deg(relative: Relative, lenses: tuple[Camera, ...]) -> float | None:
    if any(lens.cam_from_world is None for lens in lenses):
        return None
    true = Relative.of(lenses[1].cam_from_world @ inverted(lenses[0].cam_from_world))  # type: ignore[operator]
    return relative.apart_deg(true)[0]


def _labelled(sample: Sample, points: Float64[ndarray, "joints 3"], good: ndarray) -> Sample:
    """The sample with the points as its labels: seen through its lens, depths from the root's."""
    assert sample.captured is not None
    ahead = np.where(good[:, None], points, (0.0, 0.0, 1.0))
    z = ahead[:, 2]
    return replace(
        sample,
        joints_px=sample.captured.lens.project(ahead).astype(np.float32),
        relative_depth=np.where(good, (z - z[ROOT]) / z[ROOT], 0).astype(np.float32),
        weight=np.repeat(good[:, None], 3, axis=1).astype(np.float32),
    )
