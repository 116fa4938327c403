"""MATLAB files up to version 7.2. SciPy's reader runs nothing that is in them."""

from __future__ import annotations

import zlib
from pathlib import Path

from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from train.datasets.labelled2d import DatasetError


def read_mat(path: Path, *, squeeze: bool = False) -> dict[str, object]:
    """Its variables; structs become objects with fields. DatasetError where it is damaged."""
    try:
        return loadmat(path, squeeze_me=squeeze, struct_as_record=False)
    except (OSError, ValueError, TypeError, NotImplementedError, KeyError, MatReadError, zlib.error) as error:
        raise DatasetError(f"{path} is no readable .mat ({type(error).__name__}: {error})") from None
