"""The rasteriser written as slowly and plainly as possible: what `render.py` must agree with."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray


def rasterise_scalar(
    points: Float64[ndarray, "v 3"], faces: Int64[ndarray, "f 3"], *, width: int, height: int, two_sided: bool = False
) -> tuple[Int64[ndarray, "h w"], Float64[ndarray, "h w"]]:
    """The nearest face at each pixel centre (-1 = none) and its depth (inf = none), one pixel at a time."""
    face_at = np.full((height, width), -1, np.int64)
    inverse_at = np.zeros((height, width))
    for number, face in enumerate(faces):
        a, b, c = points[face]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if min(a[2], b[2], c[2]) <= 0 or area == 0 or (area > 0 and not two_sided):
            continue
        for y in range(height):
            for x in range(width):
                wb = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                wc = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                if wb < 0 or wc < 0 or wb + wc > 1:
                    continue
                inverse = (1 - wb - wc) * a[2] + wb * b[2] + wc * c[2]
                if inverse > inverse_at[y, x]:
                    inverse_at[y, x], face_at[y, x] = inverse, number
    with np.errstate(divide="ignore"):
        return face_at, 1.0 / inverse_at
