"""Drawing lots for a synthetic picture: who does what where, seen how. Nothing is rendered here.

The frame. A full camera (its own size, field of view, pitch and roll) sees the person somewhere in its picture.
`box_around` of the projected joints, jittered as a tracker errs, made `WIDER` = 1.3 times as wide, gives the crop
camera that is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.crop import Box, CropCamera, box_around, camera_matrix, crop_camera, crop_labels, crop_px_from_units
from engine.skeleton import ROOT, THORAX
from train.synthetic.archetypes import random_archetype
from train.synthetic.body import Body
from train.synthetic.fabric import GAMMA
from train.synthetic.figure import Someone
from train.synthetic.light import Light, random_light
from train.synthetic.outfit import random_outfit
from train.synthetic.photograph import Shot, random_shot
from train.synthetic.pose import Pose, rotation
from train.synthetic.sources import Sources, random_background, random_occluder

WIDER = 1.3
FRAMES_PX = ((640, 480), (640, 360), (480, 640), (360, 640))
FRAME_SHARES = (0.5, 0.3, 0.12, 0.08)
OUTSIDE_GREY = 127
# mocap poses are drawn in this share of the samples where a recording is given
MOCAP_SHARE = 0.45
# somebody at a desk, close to the lens: the picture shows head, arms and chest
DESK_SHARE = 0.07


@dataclass(frozen=True, slots=True)
class View:
    """A full camera in the world: x_cam = R x_world + t, and the crop camera inside it."""

    R: Float64[ndarray, "3 3"]
    t: Float64[ndarray, "3"]
    K: Float64[ndarray, "3 3"]
    crop: CropCamera
    frame_px: tuple[int, int]

    def crop_from_world(self) -> tuple[Float64[ndarray, "3 3"], Float64[ndarray, "3"]]:
        """R and t of the crop camera."""
        return self.crop.R_crop_from_cam @ self.R, self.crop.R_crop_from_cam @ self.t


@dataclass(frozen=True, slots=True)
class Plan:
    """One picture before it is rendered."""

    people: tuple[Someone, ...]
    subject: int  # whose joints are the labels
    height_m: float
    view: View
    light: Light
    background_bgr: UInt8[ndarray, "s s 3"]
    exposure: float  # of the people against the background
    drop_m: float  # from the subject's lowest point to the floor
    shade: float  # how dark a shadow on the floor is
    units: Float64[ndarray, "joints 2"]
    depth: Float64[ndarray, "joints"]
    uncovered: Bool[ndarray, "joints"]  # joints that nothing laid over the picture hides
    laid_over: UInt8[ndarray, "s s 4"] | None  # BGR times alpha, alpha
    shot: Shot
    empty: bool = False  # nobody is there: clothes and things


def random_plan(rng: Generator, *, size_px: int, sources: Sources, body: Body) -> Plan:
    """A random person in a random place. The same generator state gives the same plan."""
    person, pose = body.someone(rng, split=sources.split), random_pose(rng, sources)
    posed = person.posed(pose.turned(_about_y(rng.uniform(0, 2 * np.pi))))
    subject = Someone(posed, random_outfit(rng, sources.textures))
    view = random_view(rng, posed.core, person.height_m, size_px)
    behind, before = _company(rng, body, sources, posed.core, view)
    background = random_background(sources, size_px, rng)
    if rng.random() < 0.3:
        background = cv2.GaussianBlur(background, (0, 0), rng.uniform(0.5, 3.0) * size_px / 160)
    mean = (background.reshape(-1, 3).mean(axis=0) / 255) ** GAMMA
    units, depth = crop_labels(view.crop, posed.joints @ view.R.T + view.t, root=ROOT)
    laid_over = _laid_over(view, sources, rng)
    return Plan(
        people=(*behind, subject, *before),
        subject=len(behind),
        height_m=person.height_m,
        view=view,
        light=random_light(rng, mean),
        background_bgr=background,
        exposure=float(np.exp(rng.normal(0.25, 0.35))) * (0.55 + 0.9 * float(mean.mean()) ** 0.5),
        drop_m=0.0 if pose.grounded else rng.uniform(0.1, 0.9),
        shade=rng.uniform(0.25, 0.75),
        units=units,
        depth=depth,
        uncovered=_uncovered(laid_over, units, size_px),
        laid_over=laid_over,
        shot=random_shot(rng, size_px),
    )


def empty_plan(rng: Generator, *, size_px: int, sources: Sources, body: Body) -> Plan:
    """What is taken for a person and is none: clothes that hang, or lie as somebody sat, and things before them.

    The same generator state gives the same plan.
    """
    plan = random_plan(rng, size_px=size_px, sources=sources, body=body)
    hung = tuple(replace(someone, hanging=True) for someone in plan.people)
    over = things_over(sources, size_px, rng, count=int(rng.integers(1, 4))) if rng.random() < 0.6 else plan.laid_over
    return replace(plan, people=hung, laid_over=over, uncovered=np.zeros_like(plan.uncovered), empty=True)


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
    frame_px = FRAMES_PX[rng.choice(len(FRAMES_PX), p=FRAME_SHARES)]
    size = np.array(frame_px)
    K = camera_matrix(*frame_px, fov_deg=rng.uniform(35, 90))
    desk = rng.random() < DESK_SHARE
    fill = float(np.exp(rng.uniform(np.log(0.25), np.log(1.25)))) if not desk else rng.uniform(1.3, 2.0)
    extent = max(float(np.ptp(joints, axis=0).max()), 0.5 * height_m)
    distance = max(K[1, 1] * extent / (fill * min(frame_px)), 0.75 if desk else 1.1 * extent, 0.7 if desk else 0.9)
    lens_m = rng.uniform(0.4, 2.2) if rng.random() < 0.8 else rng.uniform(2.2, 7.0)
    elevation = float(np.clip(np.arcsin(np.clip((lens_m - 0.55 * height_m) / distance, -0.6, 0.95)), -0.6, 1.25))
    if desk:
        elevation = rng.normal(0, 0.25)
    base = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    tilt = rotation(np.array([elevation, 0, 0]))
    roll = rng.normal(0, 0.08) if rng.random() < 0.88 else rng.normal(0, 0.6)
    off = rng.normal(0, 0.2 if fill < 0.9 else 0.12, 2).clip(-0.42, 0.42) * size
    if rng.random() < 0.1:  # partly outside the picture
        off += rng.choice([-1, 1], 2) * rng.uniform(0.2, 0.5) * size * (0.5, 0.8)
    ray = np.linalg.solve(K, np.array([K[0, 2] + off[0], K[1, 2] + off[1], 1.0]))
    aim = rotation(np.array([-np.arctan(ray[1]), 0, 0])) @ rotation(np.array([0, np.arctan(ray[0]), 0]))
    R = rotation(np.array([0, 0, roll])) @ aim @ tilt @ base
    t = R @ base.T @ tilt.T @ np.array([0, 0, distance]) - R @ (joints[THORAX] if desk else np.zeros(3))
    cam = joints @ R.T + t
    px = cam[:, :2] / np.maximum(cam[:, 2:], 0.05) * K[0, 0] + K[:2, 2]
    box = box_around(np.clip(px, -30, size + 30))
    center_px = box.center_px + rng.uniform(-0.08, 0.08, 2) * box.side_px
    side_px = box.side_px * float(np.exp(rng.normal(0, 0.12)))
    return View(R, t, K, crop_camera(Box(center_px, side_px * WIDER), K, size_px), frame_px)


def _company(
    rng: Generator, body: Body, sources: Sources, joints: Float64[ndarray, "16 3"], view: View
) -> tuple[list[Someone], list[Someone]]:
    """Other people: mostly none, sometimes one or two further away, rarely one partly in front."""
    behind: list[Someone] = []
    before: list[Someone] = []
    draw = rng.random()
    count = 0 if draw > 0.22 else 1 if draw > 0.06 else 2
    side = np.linalg.solve(view.R, np.array([1.0, 0, 0])) * (1, 0, 1)
    away = np.linalg.solve(view.R, np.array([0, 0, 1.0])) * (1, 0, 1)
    side, away = side / np.linalg.norm(side), away / max(float(np.linalg.norm(away)), 0.2)
    distance = float(np.linalg.norm(view.t))
    for _ in range(count):
        turn = _about_y(rng.uniform(0, 2 * np.pi))
        posed = body.someone(rng, split=sources.split).posed(random_pose(rng, sources).turned(turn))
        outfit = random_outfit(rng, sources.textures)
        front = rng.random() < 0.2 and distance > 3.0
        far = -rng.uniform(0.5, 0.9) if front else rng.uniform(0.4, 3.5)
        shift = side * rng.choice([-1, 1]) * rng.uniform(0.45 if front else 0.25, 1.3) + away * far
        # both stand on the same floor
        shift[1] -= posed.core[:, 1].min() - joints[:, 1].min()
        (before if front else behind).append(Someone(posed, outfit, (shift[0], shift[1], shift[2])))
    return behind, before


def _laid_over(view: View, sources: Sources, rng: Generator) -> UInt8[ndarray, "s s 4"] | None:
    """Things in front, in three samples of ten, and the grey outside the frame, in half of those that see it."""
    things = int(rng.choice(3, p=[0.7, 0.2, 0.1]))
    layer = _things(sources, view.crop.size_px, rng, things)
    outside = _outside_frame(view)
    grey = rng.random() < 0.5
    if grey:
        layer[outside] = (OUTSIDE_GREY, OUTSIDE_GREY, OUTSIDE_GREY, 255)
    if not things and not (grey and outside.any()):
        return None
    return (layer + 0.5).astype(np.uint8)


def things_over(sources: Sources, size_px: int, rng: Generator, *, count: int) -> UInt8[ndarray, "s s 4"]:
    """Things at random places: BGR times alpha, alpha."""
    return (_things(sources, size_px, rng, count) + 0.5).astype(np.uint8)


def _things(sources: Sources, n: int, rng: Generator, count: int) -> Float32[ndarray, "s s 4"]:
    layer = np.zeros((n, n, 4), np.float32)
    for _ in range(count):
        thing = random_occluder(sources, n, rng)
        h, w = min(thing.shape[0], n), min(thing.shape[1], n)
        y, x = rng.integers(n - h + 1), rng.integers(n - w + 1)
        alpha = thing[:h, :w, 3:].astype(np.float32) / 255
        part = layer[y : y + h, x : x + w]
        part *= 1 - alpha
        part[..., :3] += thing[:h, :w, :3] * alpha
        part[..., 3:] += 255 * alpha
    return layer


def _uncovered(
    laid_over: UInt8[ndarray, "s s 4"] | None, units: Float64[ndarray, "joints 2"], size_px: int
) -> Bool[ndarray, "joints"]:
    if laid_over is None:
        return np.ones(len(units), bool)
    px = np.clip(np.floor(crop_px_from_units(units, size_px) + 0.5), 0, size_px - 1).astype(int)
    return laid_over[px[:, 1], px[:, 0], 3] < 128


def _outside_frame(view: View) -> Bool[ndarray, "s s"]:
    width, height = view.frame_px
    frame = np.full((height, width), 255, np.uint8)
    size = (view.crop.size_px, view.crop.size_px)
    return cv2.warpPerspective(frame, view.crop.crop_from_px, size, flags=cv2.INTER_NEAREST) == 0


def _about_y(angle_rad: float) -> Float64[ndarray, "3 3"]:
    return rotation(np.array([0.0, angle_rad, 0.0]))
