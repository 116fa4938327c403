"""Photos with 14 joints: LSP extended (Johnson and Everingham, CVPR 2011) and folders of the same layout.

A folder holds `NAME_joints.npz` (`zip`, `image`, `joints (n, 14, 3)` with 1 = labelled) and the zips it names.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from engine.crop import box_around
from engine.errors import UserError
from engine.skeleton import (
    HEAD_TOP,
    L_HIP,
    L_SHOULDER,
    LSP14_TO_MPII16,
    PELVIS,
    R_HIP,
    R_SHOULDER,
    THORAX,
    TORSO,
    UPPER_NECK,
)
from train.datasets.damage import DAMAGED, said
from train.datasets.sample import Sample, assumed_camera, decode_jpeg

MIN_JOINTS = 6
# LSP has neither pelvis nor thorax: they are put where the synthetic people have them, and trusted less
DERIVED_WEIGHT = 0.5
# the head of pseudo-labelled photos is computed from face landmarks, median error 0.08-0.09 torso
PSEUDO_HEAD_WEIGHT = 0.4
THORAX_TOWARDS_NECK = 0.3


class DatasetError(UserError):
    """A data set that is not there or not what it should be."""


def read_labelled2d(folder: Path) -> list[Sample]:
    """All photos of one folder, LSP order mapped to mpii16. DatasetError when the folder holds none."""
    tables = sorted(folder.glob("*_joints.npz"))
    if not tables:
        raise DatasetError(f"{folder} holds no *_joints.npz; `docs/datasets.md` shows the layout that is read")
    return [sample for table in tables for sample in _read_table(folder, table)]


def _read_table(folder: Path, path: Path) -> Iterator[Sample]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as table:
            zips, names, joints = table["zip"], table["image"], table["joints"]
            pseudo = "label_kind" in table.files
    except DAMAGED as error:
        raise DatasetError(f"{path} is no table of joints ({said(error)})") from None
    if len(zips) != len(names) or joints.shape != (len(names), 14, 3):
        raise DatasetError(f"{path}: {len(names)} pictures in {len(zips)} zips, joints {joints.shape}, not (n, 14, 3)")
    with contextlib.ExitStack() as stack:
        archives = {}
        for number, (archive, name, lsp14) in enumerate(zip(zips, names, joints, strict=True)):
            try:
                if archive not in archives:
                    archives[archive] = stack.enter_context(zipfile.ZipFile(folder / str(archive)))
                sample = _sample(str(name), archives[archive].read(str(name)), lsp14, pseudo=pseudo)
            except DAMAGED as error:
                where = f"{folder / str(archive)}: {name}, record {number} of {path.name}"
                raise DatasetError(f"{where}, cannot be read ({said(error)})") from None
            if sample is not None:
                yield sample


def torso_labelled(sample: Sample) -> bool:
    """Whether PCK can be computed."""
    return bool((sample.weight[list(TORSO), 0] > 0).all())


def frozen_list(name: str) -> frozenset[str]:
    """Names of a committed list: `lspet_test_500` or `lspet_validation_300`."""
    text = resources.files("train.datasets").joinpath("lists", f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _sample(name: str, jpeg: bytes, lsp14: Float32[ndarray, "14 3"], *, pseudo: bool) -> Sample | None:
    joints, weight = np.zeros((16, 2), np.float32), np.zeros((16, 3), np.float32)
    labelled = (lsp14[:, 2] > 0) & np.isfinite(lsp14[:, :2]).all(axis=1)
    index = np.array(LSP14_TO_MPII16)
    joints[index] = np.where(labelled[:, None], lsp14[:, :2], 0)
    weight[index, :2] = labelled[:, None]
    if labelled.sum() < MIN_JOINTS:
        return None
    box = box_around(joints[weight[:, 0] > 0].astype(np.float64))
    if pseudo:
        weight[[UPPER_NECK, HEAD_TOP], :2] *= PSEUDO_HEAD_WEIGHT
    derive_trunk(joints, weight)
    height, width = decode_jpeg(jpeg).shape[:2]
    return Sample(name, jpeg, assumed_camera(width, height), joints, np.zeros(16, np.float32), weight, box)


def derive_trunk(joints: Float32[ndarray, "16 2"], weight: Float32[ndarray, "16 3"]) -> None:
    """Puts pelvis and thorax where the joints around them say, in place; half trusted."""
    if weight[[R_HIP, L_HIP], 0].all():
        joints[PELVIS] = joints[[R_HIP, L_HIP]].mean(axis=0)
        weight[PELVIS, :2] = DERIVED_WEIGHT
    if weight[[R_SHOULDER, L_SHOULDER, UPPER_NECK], 0].all():
        middle = joints[[R_SHOULDER, L_SHOULDER]].mean(axis=0)
        joints[THORAX] = middle + THORAX_TOWARDS_NECK * (joints[UPPER_NECK] - middle)
        weight[THORAX, :2] = DERIVED_WEIGHT
