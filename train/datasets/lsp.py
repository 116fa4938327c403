"""Leeds Sports Pose as published: `joints.mat` beside `images/`. LSP (BMVC 2010) and LSP extended (CVPR 2011).

LSP stores (3, 14, 2000) with a third row that is 1 where a joint is HIDDEN; its hidden joints are placed by eye and
count. LSP extended stores (14, 3, 10000) with a third column that is 1 where a joint is LABELLED. Coordinates stay as
published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray

from engine.skeleton import LSP14_TO_MPII16, MPII16, PELVIS, THORAX
from train.datasets.labelled2d import DatasetError
from train.datasets.matlab import read_mat
from train.datasets.reading import Reading


def holds_lsp(folder: Path) -> bool:
    """Whether a folder looks like LSP or LSP extended."""
    return (folder / "joints.mat").is_file()


def read_lsp(folder: Path) -> Reading:
    """All people. DatasetError where the annotation has another shape or nobody is left."""
    path = folder / "joints.mat"
    joints = read_mat(path).get("joints")
    if not isinstance(joints, ndarray) or joints.ndim != 3 or sorted(joints.shape[:2]) != [3, 14]:
        shape = getattr(joints, "shape", None)
        raise DatasetError(f"{path} has no joints of (3, 14, n) or (14, 3, n), but {shape}")
    extended = joints.shape[0] == 14
    people = joints.transpose(2, 0, 1) if extended else joints.transpose(2, 1, 0)
    reading = Reading(folder)
    digits = 5 if extended else 4
    for number, person in enumerate(people.astype(np.float64), 1):
        name = f"im{number:0{digits}d}.jpg"
        px, labelled = _mpii16(person, extended=extended)
        reading.add_photo(name, folder / "images" / name, px, labelled, derive=(PELVIS, THORAX))
    return reading.checked("LSP")


def _mpii16(person: ndarray, *, extended: bool) -> tuple[ndarray, ndarray]:
    px, labelled = np.zeros((len(MPII16), 2)), np.zeros(len(MPII16), bool)
    index = np.array(LSP14_TO_MPII16)
    px[index] = person[:, :2]
    labelled[index] = person[:, 2] > 0 if extended else True
    return px, labelled
