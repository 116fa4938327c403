"""Arrays that lie in a take's folder: written whole or not at all, read without unpickling."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy import ndarray

from realtime.takes.errors import TakeError

SCHEMA = 1


def write_arrays(path: Path, arrays: dict[str, ndarray | str | float]) -> None:
    """Replaces an npz; its schema goes with it. OSError where the disk is full: then the old file stays."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez_compressed(file, schema=SCHEMA, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_arrays(path: Path, names: Sequence[str], *, again: str) -> dict[str, ndarray]:
    """An npz of ours; TakeError where it lacks something, is damaged or newer. `again` says how to make it anew."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise TakeError(f"{path} is not readable ({' '.join(str(error).split())}); {again}") from None
    schema = int(held.get("schema", 0))
    if schema > SCHEMA:
        raise TakeError(f"{path} has schema {schema}, this program reads up to {SCHEMA}; update the program")
    if missing := [name for name in names if name not in held]:
        raise TakeError(f"{path} holds no {', '.join(missing)}; {again}")
    return held
