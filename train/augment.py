"""From a sample to a training crop: the box as the live tracker errs, and the same strong colours for every domain.

Everything random comes from the generator that is handed in, so a seed gives the same crop again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.crop import Box, CropCamera, box_around, crop_camera, crop_labels, cut
from engine.skeleton import (
    HEAD_TOP,
    L_ELBOW,
    L_HIP,
    L_SHOULDER,
    L_WRIST,
    R_ELBOW,
    R_HIP,
    R_SHOULDER,
    R_WRIST,
    ROOT,
    THORAX,
    UPPER_NECK,
)
from train.datasets.sample import Sample, boxed, decode_jpeg, resized
from train.occlusion import occluded
from train.redress import redressed
from train.synthetic.sources import Sources

# in this share of crops the person is small, as in the first boxes of a search
SEARCH_SHARE = 0.15
SEARCH_SCALE = (1.2, 2.8)
# of the person's box: crops of the upper body are about half of it, and few are smaller
SMALLEST_CROP = 0.5
# in this share of crops what lies outside the photo shows another photo instead of grey
SURROUND_SHARE = 0.7
# in this share only the upper body is in the box
UPPER_BODY_SHARE = 0.12
UPPER_BODY = np.array(
    [R_HIP, L_HIP, THORAX, UPPER_NECK, HEAD_TOP, R_WRIST, R_ELBOW, R_SHOULDER, L_SHOULDER, L_ELBOW, L_WRIST]
)
# a crop in which the person is smaller than this (tight box over crop) is neither a yes nor a no
PRESENCE_MIN_FILL = 0.28


@dataclass(frozen=True, slots=True)
class Crop:
    """What the network trains on."""

    image_bgr: UInt8[ndarray, "s s 3"]
    target: Float32[ndarray, "joints 3"]  # crop units
    weight: Float32[ndarray, "joints 3"]
    presence: float  # 1, 0, or NaN where it is not to be learnt

    def with_joints(self, count: int) -> Crop:
        """The same for a network of so many joints: what the sample lacks has weight 0."""
        return replace(self, target=resized(self.target, count), weight=resized(self.weight, count))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a crop strays from its sample. `strength` scales colours, noise and occlusion together."""

    strength: float = 1.0
    shift: float = 0.06  # sd, of the box's side
    log_scale: float = 0.12  # sd
    roll_deg: float = 25.0  # sd, in 60 % of the crops
    flip: bool = True
    occlusion: float | None = None  # probability of the paper's; None: a patch now and then
    redress: float = 0.0  # probability of other clothes, where the person's pixels are known


def augmented(
    sample: Sample,
    size_px: int,
    rng: Generator,
    options: Augmentation,
    *,
    pasted: Sample | None = None,
    occluders: Sources | None = None,
) -> Crop:
    """A random crop of a sample. `pasted` lends a patch that hides a part of the person, `occluders` whole things."""
    sample, image = sample.reduced(reduction_for(sample, size_px))
    if sample.person is not None and options.redress and rng.random() < options.redress:
        image = _redressed(sample, image, rng)
    if sample.stretch:
        sample, image = _stretched(sample, image, 1 + sample.stretch * rng.uniform(-1, 1))
    if options.flip and rng.random() < 0.5:
        sample, image = _flipped(sample, image)
    box = _jittered(sample, rng, options) if sample.box else _random_box(image, rng)
    roll = np.deg2rad(rng.normal(0, options.roll_deg)) if rng.random() < 0.6 * bool(options.roll_deg) else 0.0
    camera = crop_camera(box, sample.K, size_px, roll_rad=roll)
    crop_bgr = cut(image, camera)
    if pasted is not None and pasted.box is None and rng.random() < SURROUND_SHARE:
        crop_bgr = _surrounded(crop_bgr, image.shape[:2], camera, pasted, rng)
    if sample.box is not None and options.occlusion is None and rng.random() < 0.3 * options.strength:
        crop_bgr = _occluded(crop_bgr, pasted, rng)
    if sample.box is not None and options.occlusion is not None and rng.random() < options.occlusion:
        crop_bgr = occluded(crop_bgr, *labels_in(camera, sample), rng, sources=occluders)
    crop_bgr = _recoloured(crop_bgr, rng, options.strength)
    if sample.box is None:
        return Crop(crop_bgr, np.zeros_like(sample.weight), np.zeros_like(sample.weight), 0.0)
    target, weight = labels_in(camera, sample)
    fill = sample.box.side_px / 1.25 / box.side_px
    return Crop(crop_bgr, target, weight, 1.0 if fill >= PRESENCE_MIN_FILL else float("nan"))


def reduction_for(sample: Sample, size_px: int) -> int:
    """By how much a picture may be decoded smaller: also the smallest usual crop keeps a pixel for each of its own."""
    if sample.box is None:
        return 1
    room = SMALLEST_CROP * sample.box.side_px / size_px
    return next((factor for factor in (8, 4, 2) if factor <= room), 1)


def plain(sample: Sample, size_px: int) -> Crop:
    """The crop that evaluation uses: the label's box, nothing random. ValueError for a sample without a person."""
    if sample.box is None:
        raise ValueError(f"{sample.name} shows nobody to crop")
    camera = crop_camera(sample.box, sample.K, size_px)
    target, weight = labels_in(camera, sample)
    return Crop(cut(sample.image_bgr(), camera), target, weight, 1.0)


def labels_in(camera: CropCamera, sample: Sample) -> tuple[Float32[ndarray, "joints 3"], Float32[ndarray, "joints 3"]]:
    """A sample's joints in crop units and their weights; joints outside the crop are not taught.

    The labels are lifted to a root at 1 m and seen anew by the virtual camera: exact where depth is known.
    """
    px, K = sample.joints_px.astype(np.float64), sample.K
    rays = np.column_stack([(px - K[:2, 2]) / np.diag(K)[:2], np.ones(len(px))])
    joints_cam = rays * (1.0 + sample.relative_depth[:, None])
    units, depth = crop_labels(camera, joints_cam, root=ROOT)
    if not sample.weight[:, 2].any():
        depth = np.zeros(len(px))
    target = np.column_stack([units, depth]).astype(np.float32)
    inside = np.all(np.abs(target[:, :2]) < 0.5, axis=1)
    weight = np.where(inside[:, None], sample.weight, 0).astype(np.float32)
    weight[:, 2] *= np.abs(target[:, 2]) < 1.0
    return np.where(weight > 0, target, 0).astype(np.float32), weight


def _redressed(sample: Sample, image: UInt8[ndarray, "h w 3"], rng: Generator) -> UInt8[ndarray, "h w 3"]:
    mask = sample.person_mask(image.shape[:2])
    assert mask is not None, "only who is known is redressed"
    return redressed(image, mask, sample.joints_px.astype(np.float64), sample.weight[:, 0] > 0, rng)


def _flipped(sample: Sample, image: UInt8[ndarray, "h w 3"]) -> tuple[Sample, UInt8[ndarray, "h w 3"]]:
    last = image.shape[1] - 1
    mirror = sample.skeleton.mirror
    joints = sample.joints_px[mirror].copy()
    joints[:, 0] = last - joints[:, 0]
    K = sample.K.copy()
    K[0, 2] = last - K[0, 2]
    box = sample.box and Box(np.array([last - sample.box.center_px[0], sample.box.center_px[1]]), sample.box.side_px)
    mirrored = replace(
        sample,
        K=K,
        joints_px=joints,
        relative_depth=sample.relative_depth[mirror],
        weight=sample.weight[mirror],
        box=box,
    )
    return mirrored, np.ascontiguousarray(image[:, ::-1])


def _stretched(sample: Sample, image: UInt8[ndarray, "h w 3"], factor: float) -> tuple[Sample, UInt8[ndarray, "h v 3"]]:
    """The person so many times as wide."""
    height, width = image.shape[:2]
    image = cv2.resize(image, (round(width * factor), height), interpolation=cv2.INTER_AREA)
    factor = image.shape[1] / width
    joints, K = sample.joints_px.copy(), sample.K.copy()
    joints[:, 0] = (joints[:, 0] + 0.5) * factor - 0.5
    K[0, 2] = (K[0, 2] + 0.5) * factor - 0.5
    box = box_around(joints[boxed(sample.weight)].astype(np.float64)) if sample.box else None
    return replace(sample, joints_px=joints, K=K, box=box), image


def _jittered(sample: Sample, rng: Generator, options: Augmentation) -> Box:
    box = _seen_part(sample, rng)
    if rng.random() < SEARCH_SHARE:
        side = box.side_px * rng.uniform(*SEARCH_SCALE)
        shift = rng.uniform(-0.5, 0.5, 2) * (side - box.side_px)
        return Box(box.center_px + shift, side)
    side = box.side_px * float(np.exp(rng.normal(0, options.log_scale)))
    return Box(box.center_px + rng.normal(0, options.shift, 2) * side, side)


def _seen_part(sample: Sample, rng: Generator) -> Box:
    """The person's box, sometimes only that of the upper body: a webcam at a desk sees no more."""
    if sample.box is None:
        raise ValueError(f"{sample.name} shows nobody")
    upper = UPPER_BODY[sample.weight[UPPER_BODY, 0] > 0]
    if rng.random() >= UPPER_BODY_SHARE or len(upper) < 7:
        return sample.box
    return box_around(sample.joints_px[upper].astype(np.float64), margin=1.15)


def _random_box(image: UInt8[ndarray, "h w 3"], rng: Generator) -> Box:
    height, width = image.shape[:2]
    side = max(height, width) * rng.uniform(0.25, 1.0)
    return Box(rng.uniform(0.1, 0.9, 2) * (width, height), side)


def _surrounded(
    crop_bgr: UInt8[ndarray, "s s 3"], shape: tuple[int, int], camera: CropCamera, other: Sample, rng: Generator
) -> UInt8[ndarray, "s s 3"]:
    """A crop whose part outside its photo shows another photo: live, a small person has a real room around."""
    size = (camera.size_px, camera.size_px)
    inside = cv2.warpPerspective(np.full(shape, 255, np.uint8), camera.crop_from_px, size, flags=cv2.INTER_NEAREST)
    if inside.all():
        return crop_bgr
    room = cut(other.image_bgr(), crop_camera(_random_box(other.image_bgr(), rng), other.K, camera.size_px))
    return np.where(inside[..., None] > 0, crop_bgr, room)


def _occluded(image: UInt8[ndarray, "s s 3"], pasted: Sample | None, rng: Generator) -> UInt8[ndarray, "s s 3"]:
    size = len(image)
    w, h = (rng.uniform(0.1, 0.4, 2) * size).astype(int)
    x, y = (rng.uniform(0, 1, 2) * (size - w, size - h)).astype(int)
    image = image.copy()
    if pasted is None or rng.random() < 0.3:
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        return image
    patch = cv2.resize(pasted.image_bgr(), (size, size), interpolation=cv2.INTER_AREA)[y : y + h, x : x + w]
    mask = np.zeros((h, w), np.uint8)
    cv2.ellipse(mask, (w // 2, h // 2), (w // 2, h // 2), rng.uniform(0, 180), 0, 360, 255, -1)
    if rng.random() < 0.5:
        mask[:] = 255
    image[y : y + h, x : x + w][mask > 0] = patch[mask > 0]
    return image


def _recoloured(image: UInt8[ndarray, "s s 3"], rng: Generator, strength: float) -> UInt8[ndarray, "s s 3"]:
    s = strength
    if rng.random() < 0.5 * s:  # saturation, down to grey
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        keep = rng.uniform(1 - s, 1.3)
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0)
    gain = np.exp(rng.normal(0, 0.15 * s)) * np.exp(rng.normal(0, 0.08 * s, 3))
    gamma, offset = np.exp(rng.normal(0, 0.25 * s)), rng.normal(0, 12 * s)
    ramp = (np.arange(256) / 255.0) ** gamma * 255.0
    table = np.clip(ramp[:, None] * gain + offset, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[:, None, :])
    if rng.random() < 0.25 * s:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.4) * len(image) / 128)
    if rng.random() < 0.3 * s:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV draws from a generator of its own
        cv2.randn(noise, np.zeros(3), np.full(3, rng.uniform(2, 14)))  # a plain number would be the first channel alone
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.25 * s:
        quality = int(rng.uniform(20, 70))
        image = decode_jpeg(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
    return image
