"""One synthetic sample: a dressed person in front of a picture, seen by a crop's virtual camera, with exact labels.

The frame. A full camera (640 x 480, its own field of view, pitch and roll) sees the person somewhere in its picture.
`box_around` of the projected joints, jittered as a tracker errs, made `WIDER` = 1.3 times as wide, gives the crop
camera that is rendered. All labels belong to this rendered, wider crop:

- `units` (16, 2): crop units of it, -0.5 ... 0.5 over its whole side (joints may lie outside);
- `depth` (16): (Z - Z_root) / Z_root * f_over_side, Z along its axis, `f_over_side` its own focal length over its side.

A box inside it that is k times narrower has a focal length over side about k times as large, so its depth is about
k times as large too; exactly: recover Z_j / Z_root = 1 + depth / f_over_side, put the joints back in 3D with
`engine.crop.lift` at any root distance, and let `engine.crop.crop_labels` of the new crop camera see them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.crop import Box, CropCamera, box_around, camera_matrix, crop_camera, crop_labels, crop_px_from_units
from engine.skeleton import HEAD_TOP, L_HIP, PELVIS, R_HIP, ROOT, THORAX
from train.synthetic.archetypes import random_archetype
from train.synthetic.body import Body, load_body
from train.synthetic.compose import SUPERSAMPLE, composed, drawn, floor_shadow
from train.synthetic.figure import GAMMA, Figure, Picture, dressed, paint_of, random_light
from train.synthetic.outfit import random_outfit
from train.synthetic.pose import Pose, rotation
from train.synthetic.sources import Sources, random_background, random_occluder

WIDER = 1.3
FRAME_PX = (640, 480)
OUTSIDE_GREY = 127
# a joint counts as seen when its own body's surface is at most this far in front of it, in body heights
SKIN_DEPTH = 0.07
DEEP_JOINTS = {R_HIP: 0.12, L_HIP: 0.12, PELVIS: 0.14, THORAX: 0.12, HEAD_TOP: 0.08}
# mocap poses are drawn in this share of the samples where a recording is given
MOCAP_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A rendered crop and what is true in it."""

    image_bgr: UInt8[ndarray, "s s 3"]
    units: Float32[ndarray, "16 2"]
    depth: Float32[ndarray, "16"]
    visible: Bool[ndarray, "16"]
    f_over_side: float
    root_z_m: float  # distance of the root along the axis


@dataclass(frozen=True, slots=True)
class View:
    """A full camera in the world: x_cam = R x_world + t, and the crop camera inside it."""

    R: Float64[ndarray, "3 3"]
    t: Float64[ndarray, "3"]
    K: Float64[ndarray, "3 3"]
    crop: CropCamera

    def crop_from_world(self) -> tuple[Float64[ndarray, "3 3"], Float64[ndarray, "3"]]:
        """R and t of the crop camera."""
        return self.crop.R_crop_from_cam @ self.R, self.crop.R_crop_from_cam @ self.t


def random_sample(
    rng: Generator, *, size_px: int = 160, sources: Sources | None = None, body: Body | None = None
) -> Synthetic:
    """A random person in a random place. The same generator state gives the same sample."""
    sources, body = sources or Sources(), body or load_body()
    person, pose = body.someone(rng), random_pose(rng, sources)
    posed = person.posed(pose.turned(rotation(np.array([0, rng.uniform(0, 2 * np.pi), 0]))))
    figure = dressed(posed, random_outfit(rng, paint_of(body).marks, sources.textures))
    view = random_view(rng, posed.joints, person.height_m, size_px)
    behind, before = _company(rng, body, sources, posed.joints, view)
    background = random_background(sources, size_px, rng)
    if rng.random() < 0.3:
        background = cv2.GaussianBlur(background, (0, 0), rng.uniform(0.5, 3.0) * size_px / 160)
    mean = (background.reshape(-1, 3).mean(axis=0) / 255) ** GAMMA
    light = random_light(rng, mean)
    figures = [*behind, figure, *before]
    (R, t), size = view.crop_from_world(), (size_px, size_px)
    seen, shadows = drawn(figures, light, view.crop.K, R, t, size)
    level = float(np.exp(rng.normal(0.25, 0.35))) * (0.55 + 0.9 * float(mean.mean()) ** 0.5)
    floor_y = figure.lowest() - (0.0 if pose.grounded else rng.uniform(0.1, 0.9))
    shadow = floor_shadow(shadows, view.crop.K, R, t, floor_y_m=floor_y, size_px=size)
    image = composed(seen, background, 1.0 - shadow * rng.uniform(0.25, 0.75), exposure=level)
    joints_cam = posed.joints @ view.R.T + view.t
    units, depth = crop_labels(view.crop, joints_cam, root=ROOT)
    root_z_m = float(joints_cam[ROOT] @ view.crop.R_crop_from_cam[2])
    visible = _seen(seen, len(behind), view, posed.joints, person.height_m, units, size_px)
    image, hidden = _occluded(image, sources, rng)
    visible &= ~_at(hidden, units, size_px)
    outside = _outside_frame(view.crop)
    if outside.any():
        visible &= ~_at(outside, units, size_px)
        image[outside] = OUTSIDE_GREY if rng.random() < 0.5 else image[outside]
    image = _photographed(image, rng)
    labels = (units.astype(np.float32), depth.astype(np.float32), visible, view.crop.f_over_side, root_z_m)
    return Synthetic(image, *labels)


def random_pose(rng: Generator, sources: Sources) -> Pose:
    """A kind of pose or a recorded one, shaken; recorded ones are sometimes tipped over and mirrored."""
    if sources.motions is None or rng.random() > MOCAP_SHARE:
        return random_archetype(rng).shaken(rng)
    pose = sources.motions.random_pose(rng).shaken(rng)
    if rng.random() < 0.5:
        pose = pose.mirrored()
    if rng.random() < 0.06:
        return Pose(pose.turned(rotation(rng.normal(0, 1.2, 3))).R, grounded=False)
    return pose


def random_view(rng: Generator, joints: Float64[ndarray, "16 3"], height_m: float, size_px: int) -> View:
    """A camera that looks at a person whose pelvis is at the origin, and the crop around the person."""
    K = camera_matrix(*FRAME_PX, fov_deg=rng.uniform(35, 90))
    fill = float(np.exp(rng.uniform(np.log(0.25), np.log(1.25))))
    extent = max(float(np.ptp(joints, axis=0).max()), 0.5 * height_m)
    distance = max(K[1, 1] * extent / (fill * FRAME_PX[1]), 1.1 * extent, 0.9)
    lens_m = rng.uniform(0.4, 2.2) if rng.random() < 0.8 else rng.uniform(2.2, 7.0)
    elevation = float(np.clip(np.arcsin(np.clip((lens_m - 0.55 * height_m) / distance, -0.6, 0.95)), -0.6, 1.25))
    base = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    tilt = rotation(np.array([elevation, 0, 0]))
    roll = rng.normal(0, 0.08) if rng.random() < 0.88 else rng.normal(0, 0.6)
    spread = 0.2 if fill < 0.9 else 0.12
    off = rng.normal(0, spread, 2).clip(-0.42, 0.42) * FRAME_PX
    if rng.random() < 0.1:  # partly outside the picture
        off += rng.choice([-1, 1], 2) * rng.uniform(0.2, 0.5) * np.array(FRAME_PX) * (0.5, 0.8)
    ray = np.linalg.solve(K, np.array([K[0, 2] + off[0], K[1, 2] + off[1], 1.0]))
    aim = rotation(np.array([-np.arctan(ray[1]), 0, 0])) @ rotation(np.array([0, np.arctan(ray[0]), 0]))
    R = rotation(np.array([0, 0, roll])) @ aim @ tilt @ base
    t = R @ base.T @ tilt.T @ np.array([0, 0, distance])
    cam = joints @ R.T + t
    px = cam[:, :2] / np.maximum(cam[:, 2:], 0.05) * K[0, 0] + K[:2, 2]
    inside = np.clip(px, -30, np.array(FRAME_PX) + 30)
    box = box_around(inside)
    box = Box(
        box.center_px + rng.uniform(-0.08, 0.08, 2) * box.side_px, box.side_px * float(np.exp(rng.normal(0, 0.12)))
    )
    return View(R, t, K, crop_camera(Box(box.center_px, box.side_px * WIDER), K, size_px))


def _company(
    rng: Generator, body: Body, sources: Sources, joints: Float64[ndarray, "16 3"], view: View
) -> tuple[list[Figure], list[Figure]]:
    """Other people: mostly none, sometimes one or two further away, rarely one partly in front."""
    behind: list[Figure] = []
    before: list[Figure] = []
    draw = rng.random()
    count = 0 if draw > 0.22 else 1 if draw > 0.06 else 2
    side = np.linalg.solve(view.R, np.array([1.0, 0, 0])) * (1, 0, 1)
    away = np.linalg.solve(view.R, np.array([0, 0, 1.0])) * (1, 0, 1)
    side, away = side / np.linalg.norm(side), away / max(float(np.linalg.norm(away)), 0.2)
    distance = float(np.linalg.norm(view.t))
    for _ in range(count):
        posed = body.someone(rng).posed(
            random_pose(rng, sources).turned(rotation(np.array([0, rng.uniform(0, 6.28), 0])))
        )
        outfit = random_outfit(rng, paint_of(body).marks, sources.textures)
        front = rng.random() < 0.2 and distance > 3.0
        far = -rng.uniform(0.5, 0.9) if front else rng.uniform(0.4, 3.5)
        shift = side * rng.choice([-1, 1]) * rng.uniform(0.45 if front else 0.25, 1.3) + away * far
        # both stand on the same floor
        drop = posed.joints[:, 1].min() - joints[:, 1].min()
        (before if front else behind).append(dressed(posed, outfit, at=shift - np.array([0, drop, 0])))
    return behind, before


def _seen(
    picture: Picture,
    owner: int,
    view: View,
    joints: Float64[ndarray, "16 3"],
    height_m: float,
    units: Float64[ndarray, "16 2"],
    size_px: int,
) -> Bool[ndarray, "16"]:
    """Joints inside the crop with nothing but their own limb's skin in front."""
    n = SUPERSAMPLE * size_px
    px = np.floor(crop_px_from_units(units, n) + 0.5).astype(int)
    inside = ((px >= 0) & (px < n)).all(axis=1)
    z = torch.full((n * n,), torch.inf)
    z[picture.fragments.pixel] = picture.fragments.z
    who = torch.full((n * n,), -1)
    who[picture.fragments.pixel] = picture.owner
    at = torch.from_numpy(np.where(inside, px[:, 1] * n + px[:, 0], 0))
    R, t = view.crop_from_world()
    own_z = (joints @ R.T + t)[:, 2]
    margin = np.array([DEEP_JOINTS.get(j, SKIN_DEPTH) for j in range(16)]) * height_m
    free = own_z - z[at].numpy() < margin
    mine = (who[at] == owner).numpy() | (who[at] < 0).numpy()
    return inside & free & mine


def _occluded(
    image: UInt8[ndarray, "s s 3"], sources: Sources, rng: Generator
) -> tuple[UInt8[ndarray, "s s 3"], Bool[ndarray, "s s"]]:
    """Things in front, in three samples of ten."""
    n = len(image)
    hidden = np.zeros((n, n), bool)
    for _ in range(int(rng.choice(3, p=[0.7, 0.2, 0.1]))):
        thing = random_occluder(sources, n, rng)
        h, w = min(thing.shape[0], n), min(thing.shape[1], n)
        y, x = rng.integers(n - h + 1), rng.integers(n - w + 1)
        alpha = thing[:h, :w, 3:].astype(np.float32) / 255
        part = image[y : y + h, x : x + w]
        image[y : y + h, x : x + w] = part * (1 - alpha) + thing[:h, :w, :3] * alpha
        hidden[y : y + h, x : x + w] |= alpha[:, :, 0] > 0.5
    return image, hidden


def _at(mask: Bool[ndarray, "s s"], units: Float64[ndarray, "16 2"], size_px: int) -> Bool[ndarray, "16"]:
    px = np.clip(np.floor(crop_px_from_units(units, size_px) + 0.5), 0, size_px - 1).astype(int)
    return mask[px[:, 1], px[:, 0]]


def _outside_frame(crop: CropCamera) -> Bool[ndarray, "s s"]:
    frame = np.full((FRAME_PX[1], FRAME_PX[0]), 255, np.uint8)
    size = (crop.size_px, crop.size_px)
    return cv2.warpPerspective(frame, crop.crop_from_px, size, flags=cv2.INTER_NEAREST) == 0


def _photographed(image: UInt8[ndarray, "s s 3"], rng: Generator) -> UInt8[ndarray, "s s 3"]:
    """What a camera does to a picture, mildly: softness, motion, noise, exposure."""
    if rng.random() < 0.45:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.9) * len(image) / 160)
    if rng.random() < 0.08:
        length = int(rng.integers(3, 7))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
        ends = [tuple(int(v) for v in np.round((length - 1) / 2 + s * reach)) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    gain, offset = np.exp(rng.normal(0, 0.08)), rng.normal(0, 4)
    noisy = image.astype(np.float32) * gain + offset
    noisy += rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0.5, 5)
    return np.clip(noisy, 0, 255).astype(np.uint8)
