"""The method as the paper writes it: F from corresponding joints, E = K^T F K, four readings, polynomial triangulation.

The paper's Eq. 4, U_i F U_(i+1) = 0, has the first view on the left: its F is the transpose of OpenCV's, for which
x2^T F x1 = 0. Its Eq. 5 assumes one K for both; with two it is E = K2^T F K1. Its Eq. 6 projects by K [R | R T]: T is
where the world's origin lies, t = R T. All of that is OpenCV's order here, held by a test.

As written, F comes from the joints of one frame, and fails: eight unknowns from sixteen noisy joints of one body. What
the paper does not forbid, and what is the default, is to pool the joints of many frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from calib.epipolar import Matrix, Pairs, Relative, voted
from calib.errors import UserError
from calib.triangulate import polynomial

FUNDAMENTAL = {"8point": cv2.FM_8POINT, "lmeds": cv2.FM_LMEDS, "ransac": cv2.FM_RANSAC, "magsac": cv2.USAC_MAGSAC}
THRESHOLD_PX = 3.0


def fundamental(px_a: Float64[ndarray, "n 2"], px_b: Float64[ndarray, "n 2"], method: str = "magsac") -> Matrix | None:
    """F with x_b^T F x_a = 0 (OpenCV's order) of pixels without distortion; None where there is none."""
    if len(px_a) < 8:
        return None
    found, _ = cv2.findFundamentalMat(px_a, px_b, FUNDAMENTAL[method], THRESHOLD_PX, 0.9999)
    if found is None or found.shape[1] != 3 or not np.isfinite(found).all():
        return None
    return found[:3].astype(np.float64)


def essential(F: Matrix, K_a: Matrix, K_b: Matrix) -> Matrix:
    """The paper's Eq. 5 for two lenses, made an essential matrix: two equal singular values and a zero."""
    U, _, Vt = np.linalg.svd(K_b.T @ F @ K_a)
    return U @ np.diag([1.0, 1.0, 0.0]) @ Vt


def paper_pose(pairs: Pairs, cameras: Sequence[Camera], *, method: str = "magsac") -> Relative:
    """Where the second camera is, the paper's way, from all pairs given: of one frame, or pooled.

    UserError where no fundamental matrix is found.
    """
    pixels = [
        np.ascontiguousarray(rays * np.diag(camera.K)[:2] + camera.K[:2, 2])
        for rays, camera in zip((pairs.a, pairs.b), cameras, strict=True)
    ]
    F = fundamental(pixels[0], pixels[1], method)
    if F is None:
        raise UserError(f"no fundamental matrix fits {len(pairs)} pairs of joints; eight are the least")
    return voted(essential(F, cameras[0].K, cameras[1].K), pairs).relative


def paper_labels(pairs: Pairs, relative: Relative) -> Float64[ndarray, "n 3"]:
    """Points in the first camera's axes, in baselines, by polynomial triangulation."""
    return polynomial(np.stack([pairs.a, pairs.b]), np.stack([np.eye(4), relative.b_from_a]))
