"""MATLAB files up to version 7.2. SciPy's reader runs nothing that is in them."""

from __future__ import annotations

from pathlib import Path

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError


def read_mat(path: Path, *, squeeze: bool = False) -> dict[str, object]:
    """Its variables; structs become objects with fields. DatasetError where it is damaged."""
    try:
        return loadmat(path, squeeze_me=squeeze, struct_as_record=False)
    except (*DAMAGED, MatReadError) as error:
        raise DatasetError(f"{path} is no readable .mat ({said(error)})") from None
