"""What a teacher network adds to labelled photos: depth, feet, face and hands (`datasets annotate` writes the tables).

The tables beside `NAME_joints.npz` have its rows. `rel_depth_px` and `depth_weight` (n, 16) are the depth of the joints
of `mpii16` against the pelvis in pixels of the picture and 1 where it may be used; they are columns of the joints' own
table or of `NAME_depth.npz`. `NAME_teacher.npz` holds BlazePose's 33 points (Bazarevsky et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from engine.skeleton import (
    BODY25,
    EXTREMITIES,
    L_EAR,
    LIMB_JOINTS,
    MPII16,
    NOSE,
    R_EAR,
)

# rows of BlazePose's 33 for the limb joints, and for feet, face and hands; a hand is between two knuckles
LIMBS = (28, 26, 24, 23, 25, 27, 16, 14, 12, 11, 13, 15)
POINTS: tuple[tuple[int, ...], ...] = ((30,), (32,), (29,), (31,), (0,), (8,), (7,), (18, 20), (17, 19))
# COCO's first keypoints: nose, eyes, ears
COCO_FACE = ((NOSE, 0), (L_EAR, 3), (R_EAR, 4))
TEACHER_WEIGHT = 0.5
# the answers for picture and mirror image lie at most so far apart, in torso lengths and in metres
APART_MAX_TORSO, APART_MAX_M = 0.12, 0.15


@dataclass(frozen=True, slots=True)
class PhotoPoints:
    """What is known of photos beyond the joints of `mpii16` and their places; rows are photos."""

    relative_depth_px: Float32[ndarray, "n joints"]  # (Z - Z_pelvis) f / Z_pelvis: pixels of the picture
    depth_weight: Float32[ndarray, "n joints"]
    px: Float32[ndarray, "n more 2"]  # of EXTREMITIES
    weight: Float32[ndarray, "n more"]
    limbs_px: Float32[ndarray, "n 12 2"]  # where the teacher sees LIMB_JOINTS; NaN where it does not

    @classmethod
    def unknown(cls, n: int) -> PhotoPoints:
        """Nothing, of n photos."""
        depth, more = np.zeros((n, len(BODY25)), np.float32), np.zeros((n, len(EXTREMITIES)), np.float32)
        return cls(
            depth,
            depth.copy(),
            np.zeros((*more.shape, 2), np.float32),
            more,
            np.full((n, len(LIMBS), 2), np.nan, np.float32),
        )


def read_photo_points(table: Path, names: ndarray) -> PhotoPoints:
    """What lies beside a table of joints. ValueError where a table's rows are other photos, DAMAGED where it is not."""
    columns = _columns(table, names)
    points = PhotoPoints.unknown(len(names))
    if "rel_depth_px" in columns:
        known = np.nan_to_num(columns["depth_weight"]) * np.isfinite(columns["rel_depth_px"])
        points.relative_depth_px[:, : len(MPII16)] = np.nan_to_num(columns["rel_depth_px"])
        points.depth_weight[:, : len(MPII16)] = TEACHER_WEIGHT * known
        if "px33" in columns:
            points.limbs_px[:] = columns["px33"][:, list(LIMBS)]
            _add_extremities(points, columns, known > 0)
    if "coco17" in columns:
        for joint, row in COCO_FACE:
            labelled = columns["coco17"][:, row, 2] > 0
            at = joint - len(MPII16)
            points.px[labelled, at], points.weight[labelled, at] = columns["coco17"][labelled, row, :2], 1.0
    return points


def _columns(table: Path, names: ndarray) -> dict[str, ndarray]:
    """Columns of the joints' table and of those beside it that are photos' rows."""
    stem = table.name.removesuffix("_joints.npz")
    columns: dict[str, ndarray] = {}
    for path in (table, table.with_name(f"{stem}_depth.npz"), table.with_name(f"{stem}_teacher.npz")):
        if not path.is_file():
            continue
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as raw:
            if not np.array_equal(raw["image"], names):
                raise ValueError(f"its rows are not those of {table.name}; make it anew: `datasets annotate`")
            columns |= {key: raw[key] for key in raw.files}
    return columns


def _add_extremities(points: PhotoPoints, columns: dict[str, ndarray], known: Bool[ndarray, "n joints"]) -> None:
    """Feet, face and hands, where the joint that they hang on was placed as the label says."""
    px33, world_m, apart, apart_m = (
        columns[key].astype(np.float32) for key in ("px33", "world33_m", "mirror_px_over_torso", "mirror_depth_m")
    )
    scale = _px_per_m(points.relative_depth_px, world_m[..., 2])
    for at, (joint, rows) in enumerate(zip(EXTREMITIES, POINTS, strict=True)):
        parent = BODY25.parents[joint]
        assert parent is not None
        index = list(rows)
        px, depth_px = px33[:, index].mean(axis=1), scale * world_m[:, index, 2].mean(axis=1)
        good = known[:, parent] & np.isfinite(px).all(axis=1) & (apart[:, index].max(axis=1) < APART_MAX_TORSO)
        points.px[good, at], points.weight[good, at] = px[good], TEACHER_WEIGHT
        deep = good & np.isfinite(depth_px) & (apart_m[:, index].max(axis=1) < APART_MAX_M)
        points.relative_depth_px[deep, joint], points.depth_weight[deep, joint] = depth_px[deep], TEACHER_WEIGHT


def _px_per_m(depth_px: Float32[ndarray, "n joints"], world_z_m: Float32[ndarray, "n 33"]) -> Float32[ndarray, "n"]:
    """How the table made pixels of the teacher's metres, from the limb joints; NaN where it did not."""
    a, b = np.nan_to_num(world_z_m[:, list(LIMBS)]), depth_px[:, list(LIMB_JOINTS)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / (a * a).sum(axis=1), np.float32)
