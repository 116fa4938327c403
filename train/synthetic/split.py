"""Which sources a rendered picture may draw from: people to train on and people to be judged by share none.

A picture, a texture or a clip belongs to the test part if its name says so (a hash of it), a body if its number does.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

Split = Literal["all", "train", "test"]
SPLITS: tuple[Split, ...] = ("all", "train", "test")
TEST_PERCENT = 15
# of the sampled population of bodies, every so many
TEST_BODY_EVERY = 7


def belongs(name: str, split: Split) -> bool:
    """Whether a source of this name may be used."""
    if split == "all":
        return True
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return (number < TEST_PERCENT) == (split == "test")


def bodies_of(count: int, split: Split) -> Int64[ndarray, "n"]:
    """The numbers of the bodies that may be used, of `count`."""
    number = np.arange(count)
    if split == "all":
        return number
    return number[(number % TEST_BODY_EVERY == 0) == (split == "test")]
