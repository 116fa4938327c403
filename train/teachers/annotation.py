"""Depth and further points for photos with hand labels, by a teacher network: `datasets annotate`.

A label says where the person is; the network then says more, and is believed where it agrees with the label and with
itself: a joint's depth is used where the network puts it within 0.25 torso of its label and picture and mirror image
agree within 15 cm, in photos three quarters of whose labelled limb joints it puts there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy import ndarray

from engine.skeleton import L_SHOULDER, LIMB_JOINTS, MPII16, R_SHOULDER, ROOT, THORAX, UPPER_NECK
from realtime.progress import Step
from train.datasets.labelled2d import PCK_SHARE
from train.datasets.photo_points import APART_MAX_M
from train.datasets.photo_points import LIMBS as ROWS
from train.teachers.blazepose import TORSO as TORSO_ROWS
from train.teachers.blazepose import Network, look
from train.teachers.joints import from_blazepose
from train.teachers.photo_tables import Photos, TeacherTable, read_photos, write_table
from train.teachers.region import region_around

NEAR_TORSO, NEAR_SHARE = 0.25, 0.75
# the upper neck lies farther along the trunk than the middle of the shoulders (fitted on LSP extended)
NECK_BEYOND_SHOULDERS = 1.114
KEEP_EVERY = 200  # photos
LIMBS = list(LIMB_JOINTS)


@dataclass(frozen=True, slots=True)
class Annotated:
    """One table of photos, what the network said of them, and how far it may be believed."""

    photos: Photos
    said: TeacherTable
    relative_depth_px: Float32[ndarray, "n 16"]
    depth_weight: Float32[ndarray, "n 16"]
    paths: tuple[Path, ...]

    def summary(self) -> dict[str, float | int]:
        """For a terminal and `--json`."""
        near = _apart_torso(self.photos, self.said)
        labelled = np.isfinite(near)
        apart_m = self.said.columns["mirror_depth_m"][:, list(ROWS)].astype(np.float64)
        seen = np.isfinite(apart_m)
        return {
            "photos": len(near),
            "photos_seen": int(seen.any(axis=1).sum()),
            "photos_counted": int((self.depth_weight > 0).any(axis=1).sum()),
            f"limb_joints_within_{PCK_SHARE}_torso": round(float((near[labelled] < PCK_SHARE).mean()), 4)
            if labelled.any()
            else float("nan"),
            "mirror_apart_cm": round(100 * float(np.median(apart_m[seen])), 2) if seen.any() else float("nan"),
        }


def annotate(folder: Path, network: Network, *, out: Path | None = None, step: Step) -> list[Annotated]:
    """Writes both tables of every table of joints beside it, or into `out`. DatasetError where there is none.

    What was begun is gone on with; photos that the same network has seen are not shown again.
    """
    out = out or folder
    out.mkdir(parents=True, exist_ok=True)
    tables = read_photos(folder)
    total, before = sum(len(photos.images) for photos in tables), 0
    annotated = []
    for photos in tables:
        said = _seen(photos, network, out, lambda n, at=before, of=photos.stem: step(at + n, total, of))
        depth_px, weight = depth_of(photos, said)
        paths = (out / f"{photos.stem}_depth.npz", out / f"{photos.stem}_teacher.npz")
        write_table(paths[0], {"image": photos.images, "rel_depth_px": depth_px, "depth_weight": weight})
        annotated.append(Annotated(photos, said, depth_px, weight, paths))
        before += len(photos.images)
    return annotated


def _seen(photos: Photos, network: Network, out: Path, step) -> TeacherTable:
    """All rows; what is done lies in a file of its own until all is."""
    path, begun = out / f"{photos.stem}_teacher.npz", out / f"{photos.stem}_teacher_begun.npz"
    said = TeacherTable.empty(photos.images, network.name)
    for earlier in (path, begun):
        said.resume(earlier)
    rows = np.flatnonzero(~said.done)
    try:
        for row, image in photos.pictures(rows):
            region = region_around(photos.joints_px[row])
            said.put(row, None if region is None else look(network, image, region))
            step(int(said.done.sum()))
            if said.done.sum() % KEEP_EVERY == 0:
                said.write(begun, done=said.done)
    finally:  # also at Ctrl-C
        if len(rows) and not said.done.all():
            said.write(begun, done=said.done)
    said.write(path)
    begun.unlink(missing_ok=True)
    return said


def depth_of(photos: Photos, said: TeacherTable) -> tuple[Float32[ndarray, "n 16"], Float32[ndarray, "n 16"]]:
    """Depth against the pelvis in pixels of the picture, and 1 where it may be used.

    A pixel is as deep as it is wide: the scale is that which lays the limb joints' metres over their pixels.
    """
    world_m = np.stack([from_blazepose(row)[: len(MPII16)] for row in said.columns["world33_m"].astype(np.float64)])
    px = said.columns["px33"][:, list(ROWS)].astype(np.float64)
    a, b = (places - places.mean(axis=1, keepdims=True) for places in (world_m[:, LIMBS, :2], px))
    with np.errstate(invalid="ignore", divide="ignore"):
        px_per_m = (a * b).sum(axis=(1, 2)) / (a * a).sum(axis=(1, 2))
    depth_px = px_per_m[:, None] * (world_m[..., 2] - world_m[:, [ROOT], 2])
    depth_px[:, UPPER_NECK] = NECK_BEYOND_SHOULDERS * depth_px[:, THORAX]
    good = believed(photos, said) & np.isfinite(depth_px)
    return np.nan_to_num(depth_px).astype(np.float32), good.astype(np.float32)


def believed(photos: Photos, said: TeacherTable) -> Bool[ndarray, "n 16"]:
    """Which joints' depth may be used: of the limb joints, the pelvis, and the trunk above good shoulders."""
    apart = _apart_torso(photos, said)
    near = apart < NEAR_TORSO
    counts = near.sum(axis=1) >= NEAR_SHARE * np.maximum(np.isfinite(apart).sum(axis=1), 1)
    sure = said.columns["mirror_depth_m"][:, list(ROWS)].astype(np.float64) < APART_MAX_M
    good = np.zeros((len(near), len(MPII16)), bool)
    good[:, LIMBS] = near & sure & counts[:, None]
    good[:, ROOT] = counts
    good[:, [THORAX, UPPER_NECK]] = good[:, [R_SHOULDER, L_SHOULDER]].all(axis=1, keepdims=True)
    return good


def _apart_torso(photos: Photos, said: TeacherTable) -> Float64[ndarray, "n 12"]:
    """How far the network puts the limb joints from their labels, in torso lengths; NaN where either is not known.

    The torso is the label's, where that lacks a corner the network's.
    """
    px33 = said.columns["px33"].astype(np.float64)
    own_px = np.linalg.norm(px33[:, TORSO_ROWS[0]] - px33[:, TORSO_ROWS[1]], axis=1)
    labelled_px = photos.torso_px()
    torso_px = np.where(np.isfinite(labelled_px), labelled_px, own_px)
    off_px = np.linalg.norm(px33[:, list(ROWS)] - photos.joints_px[:, LIMBS], axis=2)
    return off_px / np.maximum(torso_px, 1.0)[:, None]


def lines(annotated: Sequence[Annotated]) -> list[str]:
    """For a terminal."""
    said = []
    for one in annotated:
        figures = one.summary()
        share = 100 * figures[f"limb_joints_within_{PCK_SHARE}_torso"]
        said.append(
            f"{one.photos.stem}: {figures['photos_counted']} of {figures['photos']} photos count; {share:.1f} % of the "
            f"limb joints within {PCK_SHARE} torso of their labels; picture and mirror image "
            f"{figures['mirror_apart_cm']:.1f} cm apart in depth (median)"
        )
    return said
