"""Photos with 14 joints: LSP extended (Johnson and Everingham, CVPR 2011) and folders of the same layout.

A folder holds `NAME_joints.npz` (`zip`, `image`, `joints (n, 14, 3)` with 1 = labelled) and the zips it names. With
`label_kind` each row says whether a person labelled it ('human', which rows without it are) or a program ('pseudo').
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from engine.crop import box_around
from engine.errors import UserError
from engine.skeleton import (
    BODY25,
    EXTREMITIES,
    HEAD_TOP,
    L_HIP,
    L_SHOULDER,
    LIMB_JOINTS,
    LSP14_TO_MPII16,
    MPII16,
    PELVIS,
    R_HIP,
    R_SHOULDER,
    THORAX,
    TORSO,
    UPPER_NECK,
)
from train.datasets.damage import DAMAGED, said
from train.datasets.photo_points import PhotoPoints, read_photo_points
from train.datasets.sample import Sample, assumed_camera, boxed, decode_jpeg

MIN_JOINTS = 6
# LSP has neither pelvis nor thorax: they are put where the synthetic people have them, and trusted less
DERIVED_WEIGHT = 0.5
# the head of pseudo-labelled photos is computed from face landmarks, median error 0.08-0.09 torso
PSEUDO_HEAD_WEIGHT = 0.4
THORAX_TOWARDS_NECK = 0.3
# frozen lists: the first validation list chooses, the others are reported; people of the test lists are only judged
VALIDATION_LISTS = {"lspet": "lspet_validation_300", "coco": "coco_validation_199"}
TEST_LISTS = ("lspet_test_500", "coco_test_228")
PCK_SHARE = 0.2  # of the torso: nearer is right
# tables whose pictures were brought back to a guessed aspect: by how much of it a person's width may be wrong
UNSURE_WIDTHS = {"people416": 1 / 8}


class DatasetError(UserError):
    """A data set that is not there or not what it should be."""


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos of a folder, by who labelled them."""

    human: list[Sample] = field(default_factory=list)
    pseudo: list[Sample] = field(default_factory=list)

    @property
    def all(self) -> list[Sample]:
        """Whoever labelled them."""
        return self.human + self.pseudo


def read_labelled2d(folder: Path) -> Photos:
    """All photos of one folder, LSP order mapped to `body25`. DatasetError when the folder holds none."""
    tables = sorted(folder.glob("*_joints.npz"))
    if not tables:
        raise DatasetError(f"{folder} holds no *_joints.npz; `docs/datasets.md` shows the layout that is read")
    photos = Photos()
    for table in tables:
        for pseudo, sample in _read_table(folder, table):
            (photos.pseudo if pseudo else photos.human).append(sample)
    return photos


def _read_table(folder: Path, path: Path) -> Iterator[tuple[bool, Sample]]:
    """Whether a program labelled it, and the sample."""
    rows = _rows(path)
    stretch = UNSURE_WIDTHS.get(path.name.removesuffix("_joints.npz"), 0.0)
    with contextlib.ExitStack() as stack:
        archives = {}
        for number, (archive, name) in enumerate(zip(rows.zips, rows.names, strict=True)):
            try:
                if archive not in archives:
                    archives[archive] = stack.enter_context(zipfile.ZipFile(folder / str(archive)))
                sample = _sample(rows, number, archives[archive].read(str(name)))
            except DAMAGED as error:
                where = f"{folder / str(archive)}: {name}, record {number} of {path.name}"
                raise DatasetError(f"{where}, cannot be read ({said(error)})") from None
            if sample is not None:
                yield bool(rows.pseudo[number]), replace(sample, stretch=stretch)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A table of joints and what lies beside it."""

    zips: ndarray
    names: ndarray
    lsp14: Float32[ndarray, "n 14 3"]
    pseudo: Bool[ndarray, "n"]
    more: PhotoPoints


def _rows(path: Path) -> _Rows:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as table:
            zips, names, joints = table["zip"], table["image"], table["joints"]
            kinds = table["label_kind"] if "label_kind" in table.files else np.full(len(names), "human")
        more = read_photo_points(path, names)
    except DAMAGED as error:
        raise DatasetError(f"{path} is no table of joints ({said(error)})") from None
    if len(zips) != len(names) or len(kinds) != len(names) or joints.shape != (len(names), 14, 3):
        raise DatasetError(f"{path}: {len(names)} pictures in {len(zips)} zips, joints {joints.shape}, not (n, 14, 3)")
    if unknown := set(np.unique(kinds)) - {"human", "pseudo"}:
        raise DatasetError(f"{path}: label_kind is human or pseudo, not {', '.join(sorted(map(str, unknown)))}")
    return _Rows(zips, names, joints, kinds == "pseudo", more)


def judged_names() -> frozenset[str]:
    """The photos of all test lists."""
    return frozenset[str]().union(*map(frozen_list, TEST_LISTS))


def exchanged_by(
    limbs_px: Float32[ndarray, "12 2"], joints_px: Float32[ndarray, "joints 2"], labelled: Bool[ndarray, "joints"]
) -> float:
    """By how many of the limb joints another answer would exchange left and right, -1 ... 1; NaN: it cannot be told."""
    known, limbs = labelled[list(LIMB_JOINTS)], list(LIMB_JOINTS)
    if not labelled[list(TORSO)].all() or not np.isfinite(limbs_px).all():
        return float("nan")
    torso_px = float(np.linalg.norm(joints_px[TORSO[0]] - joints_px[TORSO[1]]))
    true = joints_px[limbs]
    other = limbs_px[[limbs.index(MPII16.mirror[joint]) for joint in limbs]]
    fits, fits_other = (np.linalg.norm(px - true, axis=1) < PCK_SHARE * torso_px for px in (limbs_px, other))
    return float((fits_other[known].sum() - fits[known].sum()) / max(known.sum(), 1))


def torso_labelled(sample: Sample) -> bool:
    """Whether PCK can be computed."""
    return bool((sample.weight[list(TORSO), 0] > 0).all())


def frozen_list(name: str) -> frozenset[str]:
    """Names of a committed list: one of `TEST_LISTS` or of `VALIDATION_LISTS`."""
    text = resources.files("train.datasets").joinpath("lists", f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _sample(rows: _Rows, number: int, jpeg: bytes) -> Sample | None:
    """One row; None where too few joints are labelled."""
    lsp14, more = rows.lsp14[number], rows.more
    joints, weight = np.zeros((len(BODY25), 2), np.float32), np.zeros((len(BODY25), 3), np.float32)
    labelled = (lsp14[:, 2] > 0) & np.isfinite(lsp14[:, :2]).all(axis=1)
    index = np.array(LSP14_TO_MPII16)
    joints[index] = np.where(labelled[:, None], lsp14[:, :2], 0)
    weight[index, :2] = labelled[:, None]
    if labelled.sum() < MIN_JOINTS:
        return None
    box = box_around(joints[boxed(weight)].astype(np.float64))
    if rows.pseudo[number]:
        weight[[UPPER_NECK, HEAD_TOP], :2] *= PSEUDO_HEAD_WEIGHT
    derive_trunk(joints, weight)
    joints[list(EXTREMITIES)], weight[list(EXTREMITIES), :2] = more.px[number], more.weight[number][:, None]
    weight[:, 2] = more.depth_weight[number] * (weight[:, 0] > 0)
    height, width = decode_jpeg(jpeg).shape[:2]
    weight[~np.all((joints > -0.5) & (joints < np.array([width, height]) - 0.5), axis=1)] = 0
    K = assumed_camera(width, height)
    relative_depth = more.relative_depth_px[number] / np.float32(K[0, 0])
    exchanged = exchanged_by(more.limbs_px[number], joints, weight[:, 0] > 0)
    return Sample(str(rows.names[number]), jpeg, K, joints, relative_depth, weight, box, exchanged=exchanged)


def derive_trunk(joints: Float32[ndarray, "joints 2"], weight: Float32[ndarray, "joints 3"]) -> None:
    """Puts pelvis and thorax where the joints around them say, in place; half trusted."""
    if weight[[R_HIP, L_HIP], 0].all():
        joints[PELVIS] = joints[[R_HIP, L_HIP]].mean(axis=0)
        weight[PELVIS, :2] = DERIVED_WEIGHT
    if weight[[R_SHOULDER, L_SHOULDER, UPPER_NECK], 0].all():
        middle = joints[[R_SHOULDER, L_SHOULDER]].mean(axis=0)
        joints[THORAX] = middle + THORAX_TOWARDS_NECK * (joints[UPPER_NECK] - middle)
        weight[THORAX, :2] = DERIVED_WEIGHT
