"""Pickles of data sets: read with an allow-list of NumPy's types, refused otherwise.

A pickle may call any function that it names. Of those that data sets need, only what rebuilds arrays and numbers is
let through; a file that names anything else is refused before it runs.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError

_CORE = np._core.multiarray  # type: ignore[attr-defined]
# the old name of NumPy's core stands in files written before its second version
ALLOWED = {
    **{
        (f"numpy.{core}.multiarray", name): getattr(_CORE, name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): __import__("_codecs").encode,
}


class _OnlyArrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants {module}.{name}, which no array needs")
        return ALLOWED[module, name]


def read_pickle(path: Path) -> object:
    """Dictionaries, lists, numbers, texts and arrays. DatasetError where the file asks for anything else."""
    return _loaded(path.read_bytes(), path)


def read_object_array(path: Path, name: str) -> object:
    """What `np.savez(path, name=object)` stored. DatasetError where it is not there or asks for more than arrays."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            content = _loaded(file.read(), path)
    except DAMAGED as error:
        raise DatasetError(f"{path} holds no readable {name} ({said(error)})") from None
    return content.item() if isinstance(content, np.ndarray) and content.shape == () else content


def _loaded(data: bytes, path: Path) -> object:
    try:
        return _OnlyArrays(io.BytesIO(data)).load()
    except DAMAGED as error:
        raise DatasetError(f"{path} is no pickle of plain arrays ({said(error)}); it was not read") from None
