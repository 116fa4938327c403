"""The bundled crops: int8 engines are calibrated with some of them and judged on the rest.

`calibration.npz` holds `schema`, `jpeg` (all files in a row, uint8) and `end` (where each ends). Made by
`python -m train.synthetic.calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.weights import BUNDLED

BUNDLED_CROPS = BUNDLED / "calibration.npz"
CROP_PX = 192
SCHEMA = 1
# every so many crops one is held out: it judges, and never calibrates
HELD_OUT_EVERY = 4


def write_crops(path: Path, jpegs: Sequence[bytes]) -> None:
    """Store JPEG files as one npz."""
    end = np.cumsum([len(jpeg) for jpeg in jpegs])
    np.savez(path, schema=SCHEMA, jpeg=np.frombuffer(b"".join(jpegs), np.uint8), end=end)


def read_crops(size_px: int, *, path: Path = BUNDLED_CROPS) -> UInt8[ndarray, "n s s 3"]:
    """All crops, BGR, at the size that a network wants. ValueError for a file of another schema."""
    with np.load(path, allow_pickle=False) as file:
        if int(file["schema"]) != SCHEMA:
            raise ValueError(f"{path} has schema {int(file['schema'])}, this program reads {SCHEMA}")
        jpegs = np.split(file["jpeg"], file["end"][:-1])
    return np.stack([_decoded(jpeg, size_px) for jpeg in jpegs])


def split_crops(size_px: int) -> tuple[UInt8[ndarray, "n s s 3"], UInt8[ndarray, "m s s 3"]]:
    """Crops to calibrate with, and crops to judge with."""
    crops = read_crops(size_px)
    held_out = np.arange(len(crops)) % HELD_OUT_EVERY == 0
    return crops[~held_out], crops[held_out]


def _decoded(jpeg: UInt8[ndarray, "bytes"], size_px: int) -> UInt8[ndarray, "s s 3"]:
    crop = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    if crop is None:
        raise ValueError("the calibration crops are damaged")
    return cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
