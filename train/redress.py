"""Other clothes for somebody whose pixels are known, as a green screen allows it (Mehta et al., 3DV 2017, 4.1.2).

In a take one person wears one set of clothes for minutes, and a network that is taught with it learns these. The room
behind stands still, so the person's pixels are known without a green screen; joints say which garment a pixel is of.
A garment's own light and shade stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.skeleton import (
    HEAD_TOP,
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
    ROOT,
    THORAX,
    UPPER_NECK,
)
from train.synthetic.fabric import cloth_colour

BARE, SHIRT, SLEEVE, TROUSERS, SHIN = range(5)
LONG_SLEEVES, LONG_TROUSERS, ONE_PIECE, KEPT = 0.5, 0.6, 0.12, 0.12
PATTERNED, TINTED = 0.25, 0.25
SHADE = (0.25, 2.2)
DARKEST = 14.0  # grey levels that are added before light and shade are divided by their mean: noise of black cloth
PIXELS_MIN = 60
ALPHA_MIN = 32
# around bones somebody may be, in torso lengths; within the core somebody is, or the pixels are not known after all
REACH, CORE, CORE_SHARE = 0.42, 0.07, 0.5
NOISE, LEVELS_MIN = 5.0, 14.0  # a pixel differs from the room by so many deviations, and by so many grey levels


@dataclass(frozen=True, slots=True)
class _Limb:
    """A capsule: from `start` to `end` along the way between two joints, its radius in torso lengths."""

    a: int
    b: int
    garment: int
    radius: float
    start: float = 0.0
    end: float = 1.0


def _sides(right: tuple[int, int], left: tuple[int, int], *rest: float) -> list[_Limb]:
    garment, radius, *span = rest
    return [_Limb(*pair, int(garment), radius, *span) for pair in (right, left)]


LIMBS = (
    _Limb(THORAX, ROOT, SHIRT, 0.24),
    _Limb(R_SHOULDER, L_SHOULDER, SHIRT, 0.12),
    _Limb(R_HIP, L_HIP, TROUSERS, 0.2),
    _Limb(UPPER_NECK, HEAD_TOP, BARE, 0.24, 0.25),
    *_sides((R_SHOULDER, R_ELBOW), (L_SHOULDER, L_ELBOW), SHIRT, 0.12),
    *_sides((R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST), SLEEVE, 0.09, 0.0, 0.85),
    *_sides((R_ELBOW, R_WRIST), (L_ELBOW, L_WRIST), BARE, 0.09, 0.95, 1.5),
    *_sides((R_HIP, R_KNEE), (L_HIP, L_KNEE), TROUSERS, 0.17),
    *_sides((R_KNEE, R_ANKLE), (L_KNEE, L_ANKLE), SHIN, 0.12, 0.0, 0.9),
    *_sides((R_KNEE, R_ANKLE), (L_KNEE, L_ANKLE), BARE, 0.12, 1.0, 1.15),
)


def person_mask(
    image_bgr: UInt8[ndarray, "h w 3"],
    room_bgr: UInt8[ndarray, "h w 3"],
    joints_px: Float64[ndarray, "joints 2"],
    known: Bool[ndarray, "joints"],
) -> UInt8[ndarray, "h w"] | None:
    """255 where somebody stands before the room, near bones between known joints; None where that cannot be told."""
    torso_px = _torso_px(joints_px, known)
    if torso_px is None:
        return None
    near = _capsules(image_bgr.shape[:2], joints_px, known, REACH * torso_px)
    beside = (near == 0) & (room_bgr.min(axis=2) > 8)
    # exposure drifts: as bright as the room around the person
    gain = np.median(image_bgr[beside] / room_bgr[beside].astype(np.float32), axis=0) if beside.any() else np.ones(3)
    difference = np.abs(image_bgr - room_bgr * gain.astype(np.float32)).max(axis=2)
    noise = float(np.median(difference[near == 0])) if beside.any() else 0.0
    differs = (difference > max(NOISE * noise, LEVELS_MIN)).astype(np.uint8) * 255
    mask = cv2.bitwise_and(cv2.medianBlur(differs, 3), near)
    side = 2 * max(round(0.04 * torso_px), 1) + 1
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))  # at the edge a pixel is half the room's
    core = _capsules(image_bgr.shape[:2], joints_px, known, CORE * torso_px) > 0
    return mask if core.any() and (mask[core] > 0).mean() >= CORE_SHARE else None


def redressed(
    image_bgr: UInt8[ndarray, "h w 3"],
    alpha: UInt8[ndarray, "h w"],
    joints_px: Float64[ndarray, "joints 2"],
    known: Bool[ndarray, "joints"],
    rng: Generator,
) -> UInt8[ndarray, "h w 3"]:
    """A copy with shirt and trousers of other colours, longer or shorter; `alpha` is 255 on the person.

    The picture itself where too little is known of the person. Head, hands and feet stay as they are.
    """
    torso_px = _torso_px(joints_px, known)
    rows, columns = np.nonzero(alpha > ALPHA_MIN)
    if torso_px is None or len(rows) < PIXELS_MIN:
        return image_bgr
    places = np.column_stack([columns, rows]).astype(np.float32)
    garment = _garments(places, joints_px, known, torso_px)
    worn = _outfit(rng)
    image = image_bgr.copy()
    for cloth in sorted(set(worn.values())):
        mine = np.isin(garment, [part for part, of in worn.items() if of == cloth])
        if mine.sum() >= PIXELS_MIN:
            at = rows[mine], columns[mine]
            new = _coloured(image_bgr[at].astype(np.float32), places[mine], torso_px, rng)
            share = alpha[at].astype(np.float32)[:, None] / 255
            image[at] = np.clip(image_bgr[at] * (1 - share) + new * share, 0, 255)
    return image


def _outfit(rng: Generator) -> dict[int, int]:
    """What is made anew: parts of the body by the cloth that they get."""
    worn = {SHIRT: 0, TROUSERS: 0 if rng.random() < ONE_PIECE else 1}
    if rng.random() < LONG_SLEEVES:
        worn[SLEEVE] = worn[SHIRT]
    if rng.random() < LONG_TROUSERS:
        worn[SHIN] = worn[TROUSERS]
    kept = int(rng.integers(2)) if rng.random() < KEPT else None
    return {part: cloth for part, cloth in worn.items() if cloth != kept}


def _coloured(
    pixels: Float32[ndarray, "n 3"], places: Float32[ndarray, "n 2"], torso_px: float, rng: Generator
) -> Float32[ndarray, "n 3"]:
    """One garment's pixels in a new colour, some with stripes or checks, some with what was printed on them."""
    colour = cloth_colour(rng).astype(np.float32) * 255
    if rng.random() < TINTED:
        return pixels * ((colour + DARKEST) / (pixels.mean(axis=0) + DARKEST))
    grey = pixels.mean(axis=1)
    shade = np.clip((grey + DARKEST) / (grey.mean() + DARKEST), *SHADE)
    cloth = np.broadcast_to(colour, pixels.shape)
    if rng.random() < PATTERNED:
        period, turn = torso_px * np.exp(rng.uniform(np.log(0.06), np.log(0.35))), rng.uniform(0, np.pi)
        across, along = (np.array([np.cos(a), np.sin(a)], np.float32) for a in (turn, turn + np.pi / 2))
        other = (places @ across / period) % 1 < rng.uniform(0.2, 0.8)
        if rng.random() < 0.4:
            other ^= (places @ along / period) % 1 < 0.5
        cloth = np.where(other[:, None], cloth_colour(rng).astype(np.float32) * 255, cloth)
    return cloth * shade[:, None]


def _garments(
    places: Float32[ndarray, "n 2"],
    joints_px: Float64[ndarray, "joints 2"],
    known: Bool[ndarray, "joints"],
    torso_px: float,
) -> Int64[ndarray, "n"]:
    """Which garment each place is of: that of the capsule that it lies deepest in."""
    limbs = [limb for limb in LIMBS if known[limb.a] and known[limb.b]]
    a, way = (np.float32(v) for v in _spans(limbs, joints_px))
    from_a = places[:, None] - a  # (n, limbs, 2)
    along = np.clip((from_a * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-6), 0, 1)
    away = np.linalg.norm(from_a - along[..., None] * way, axis=-1) - [limb.radius * torso_px for limb in limbs]
    return np.array([limb.garment for limb in limbs])[away.argmin(axis=1)]


def _spans(limbs: list[_Limb], joints_px: Float64[ndarray, "joints 2"]) -> tuple[ndarray, ndarray]:
    """Where each capsule begins, and its way."""
    a, b = (np.array([joints_px[getattr(limb, end)] for limb in limbs]) for end in ("a", "b"))
    start, end = (np.array([[getattr(limb, name)] for limb in limbs]) for name in ("start", "end"))
    return a + (b - a) * start, (b - a) * (end - start)


def _capsules(
    shape: tuple[int, int], joints_px: Float64[ndarray, "joints 2"], known: Bool[ndarray, "joints"], radius_px: float
) -> UInt8[ndarray, "h w"]:
    mask = np.zeros(shape, np.uint8)
    limbs = [limb for limb in LIMBS if known[limb.a] and known[limb.b]]
    for a, way in zip(*_spans(limbs, joints_px), strict=True):
        ends = [tuple(np.clip(np.round(p), -9999, 9999).astype(int).tolist()) for p in (a, a + way)]
        cv2.line(mask, ends[0], ends[1], 255, max(round(2 * radius_px), 1))
    return mask


def _torso_px(joints_px: Float64[ndarray, "joints 2"], known: Bool[ndarray, "joints"]) -> float | None:
    """How long the torso is in the picture, also where it is seen from above; None where it is not known."""
    corners = [R_SHOULDER, L_SHOULDER, R_HIP, L_HIP]
    if not known[corners].all():
        return None
    trunk = np.linalg.norm(joints_px[[R_SHOULDER, L_SHOULDER]] - joints_px[[R_HIP, L_HIP]], axis=1).max()
    limbs = [limb for limb in LIMBS if limb.end == 1.0 and limb.garment != BARE and known[limb.a] and known[limb.b]]
    longest = max(float(np.linalg.norm(joints_px[limb.a] - joints_px[limb.b])) for limb in limbs)
    return float(max(trunk, longest, 1.0))
