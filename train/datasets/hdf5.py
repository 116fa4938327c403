"""HDF5 files (MATLAB 7.3), read in a process of their own.

Beside the other libraries of a long-lived process HDF5's has been seen to end it with a segmentation fault.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray


def read_hdf5(path: Path, names: Sequence[str]) -> list[Float64[ndarray, "..."]]:
    """The arrays of these names as float64. OSError, KeyError, TypeError, ValueError for a file without them."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_read, path, tuple(names)).result()
        except BrokenProcessPool:
            raise OSError("reading it ended the process that did") from None


def _read(path: Path, names: tuple[str, ...]) -> list[ndarray]:
    import h5py

    with h5py.File(path, "r") as file:
        return [np.asarray(file[name], np.float64) for name in names]
