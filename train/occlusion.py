"""Synthetic occlusion as in the paper (4.2; Sarandi et al. 2018): things laid over a part of the person."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.crop import crop_px_from_units
from train.synthetic.sources import Sources, random_occluder

PROBABILITY = 0.5
SHARE_MAX = 0.7  # of the person's box
THINGS_MAX = 8


def occluded(
    image_bgr: UInt8[ndarray, "s s 3"],
    target: Float32[ndarray, "joints 3"],
    weight: Float32[ndarray, "joints 3"],
    rng: Generator,
    *,
    sources: Sources | None = None,
) -> UInt8[ndarray, "s s 3"]:
    """A copy in which 0 to 70 % of the joints' box is covered; without labelled joints the picture itself."""
    size = len(image_bgr)
    known = weight[:, 0] > 0
    if not known.any():
        return image_bgr
    px = crop_px_from_units(target[known, :2].astype(np.float64), size)
    low = np.clip(np.floor(px.min(axis=0)), 0, size - 2).astype(int)
    high = np.clip(np.ceil(px.max(axis=0)) + 1, low + 2, size).astype(int)
    wanted = rng.uniform(0.0, SHARE_MAX)
    image, covered = image_bgr.copy(), np.zeros((size, size), bool)
    for _ in range(THINGS_MAX):
        thing = random_occluder(sources or Sources(), size, rng)
        trial = _laid(image, covered, thing, rng.uniform(low, high))
        if trial[1][low[1] : high[1], low[0] : high[0]].mean() > wanted:
            continue  # too much: perhaps a smaller one
        image, covered = trial
    return image


def _laid(image: ndarray, covered: ndarray, thing: UInt8[ndarray, "h w 4"], center: ndarray) -> tuple[ndarray, ndarray]:
    """Picture and mask with a thing over them, its middle at a place."""
    size = len(image)
    top_left = np.round(center - np.array(thing.shape[1::-1]) / 2).astype(int)
    x0, y0 = np.maximum(top_left, 0)
    x1, y1 = np.minimum(top_left + thing.shape[1::-1], size)
    if x1 <= x0 or y1 <= y0:
        return image, covered
    part = thing[y0 - top_left[1] : y1 - top_left[1], x0 - top_left[0] : x1 - top_left[0]]
    alpha = part[..., 3:].astype(np.float32) / 255
    image, covered = image.copy(), covered.copy()
    image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * (1 - alpha) + part[..., :3] * alpha
    covered[y0:y1, x0:x1] |= part[..., 3] > 127
    return image, covered
