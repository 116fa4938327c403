"""Drawn figures laid over a picture of a place, and the shadow that they throw on its floor.

Figures are drawn at `SUPERSAMPLE` times the size; averaging down makes smooth edges.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from numpy import ndarray

from train.synthetic.figure import GAMMA, Figure, Light, Picture, ShadowMap, picture, shadow_map

SUPERSAMPLE = 2
# floor further away than this gets no shadow: the map is coarse there
FLOOR_REACH_M = 40.0


def supersampled(K: Float64[ndarray, "3 3"]) -> Float64[ndarray, "3 3"]:
    """K of the picture that is `SUPERSAMPLE` times as large; pixel centres stay integers."""
    larger = K.copy()
    larger[:2] *= SUPERSAMPLE
    larger[:2, 2] += (SUPERSAMPLE - 1) / 2
    return larger


def drawn(
    figures: list[Figure],
    light: Light,
    K: Float64[ndarray, "3 3"],
    R: Float64[ndarray, "3 3"],
    t: Float64[ndarray, "3"],
    size_px: tuple[int, int],
) -> tuple[Picture, ShadowMap]:
    """The figures as the camera x_cam = R x_world + t sees them, supersampled, and as the lamp does."""
    matrices = [torch.from_numpy(m.astype(np.float32)) for m in (supersampled(K), R, t)]
    shadows = shadow_map(figures, light)
    width, height = size_px[0] * SUPERSAMPLE, size_px[1] * SUPERSAMPLE
    return picture(figures, light, *matrices, width=width, height=height, shadows=shadows), shadows


def floor_shadow(
    shadows: ShadowMap,
    K: Float64[ndarray, "3 3"],
    R: Float64[ndarray, "3 3"],
    t: Float64[ndarray, "3"],
    *,
    floor_y_m: float,
    size_px: tuple[int, int],
) -> Float32[ndarray, "h w"]:
    """How much of the lamp the floor behind each pixel does not get, found at half size and softened."""
    columns, rows = size_px[0] // 2, size_px[1] // 2
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    px = np.column_stack([column.ravel(), row.ravel()]) * 2 + 0.5
    rays = np.column_stack([(px - K[:2, 2]) / np.diag(K)[:2], np.ones(len(px))]) @ R
    lens = -t @ R
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (floor_y_m - lens[1]) / rays[:, 1]
    shadow = np.zeros(len(px), np.float32)
    hit = (reach > 0) & (reach < FLOOR_REACH_M) & np.isfinite(reach)
    places = lens + rays[hit] * reach[hit, None]
    # the sun's slope below the floor is cut off by the map; a lamp almost at the horizon throws no sharp shadow
    shadow[hit] = 1.0 - shadows.lit(torch.from_numpy(places.astype(np.float32))).numpy()
    soft = cv2.GaussianBlur(shadow.reshape(rows, columns), (0, 0), 1.2)
    return cv2.resize(soft, size_px, interpolation=cv2.INTER_LINEAR)


def composed(
    figures: Picture, background: UInt8[ndarray, "h w 3"], dark: Float32[ndarray, "h w"], *, exposure: float
) -> UInt8[ndarray, "h w 3"]:
    """Figures over the background shaded by `dark` (a factor, 0 ... 1); averaged in the colours that the eye sees."""
    height, width = background.shape[:2]
    layer = torch.zeros((SUPERSAMPLE**2 * width * height, 4))
    layer[figures.fragments.pixel, :3] = (figures.colour * exposure).clamp_(0, 1) ** (1 / GAMMA) * 255
    layer[figures.fragments.pixel, 3] = 1.0
    small = layer.view(height, SUPERSAMPLE, width, SUPERSAMPLE, 4).mean(dim=(1, 3)).numpy()
    ground = background.astype(np.float32) * dark[:, :, None]
    return (small[:, :, :3] + ground * (1 - small[:, :, 3:]) + 0.5).astype(np.uint8)
