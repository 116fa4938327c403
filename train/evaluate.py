"""Figures on labelled data: photos with 14 joints, rendered people, videos with another program's joints.

Photos are judged twice: with the label's box, as MPII's protocol gives one, and with no box at all, the way a user's
photo is seen. Rendered people are judged in 3D, with their own box and lens. A video is judged through the live
pipeline. MPII, Human3.6M and MPI-INF-3DHP are judged by their own protocols (`train.paper.judge`). Somebody who is not
found counts as wrong. No box is ever made up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from engine.backends import Engine
from engine.crop import crop_camera, lift
from engine.joints import Joints, read_joints
from engine.skeleton import LIMB_JOINTS, MPII16, ROOT, Skeleton
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.pipeline import Pipeline
from realtime.result import Person
from realtime.sources import open_source
from realtime.tracker import Tracker
from train.calibrate_score import auroc
from train.datasets.coco import read_person_free_squares
from train.datasets.human36m import holds_human36m, read_human36m
from train.datasets.inf3dhp import holds_inf3dhp, read_inf3dhp
from train.datasets.labelled2d import DatasetError, judged_names, read_labelled2d, torso_labelled
from train.datasets.lsp import holds_lsp, read_lsp
from train.datasets.mpii import holds_mpii, read_mpii
from train.datasets.openpose import LabelledVideo, read_labelled_videos
from train.datasets.sample import ASSUMED_FOV_DEG, Sample, resized
from train.datasets.synthetic import read_people_3d
from train.figures import Figures, figures_2d, head_figures, score_figures
from train.metrics import n_mpjpe_mm, p_mpjpe_mm
from train.paper.judge import judge_captured

Progress = Callable[[int, int], None]


def evaluate(folders: Sequence[Path], engine: Engine, *, progress: Progress | None = None) -> list[Figures]:
    """Figures of data set folders; photos of people beside a COCO folder also judge presence.

    DatasetError when a folder holds nothing that can be judged.
    """
    step = progress or (lambda done, total: None)
    figures: list[Figures] = []
    present: list[float] = []
    absent: list[float] = []
    for folder in folders:
        if any(folder.glob("openpose_*.npz")):
            figures += [_judged_video(folder, video, engine, step) for video in read_labelled_videos(folder)]
        elif any(folder.glob("shard_*.npz")):
            figures.append(_judged_renderings(folder, engine, step))
        elif (published := _judged_by_protocol(folder, engine, step)) is not None:
            figures += published
        elif any(folder.glob("annotations/instances_*.json")):
            absent += _presence_where_nobody_is(folder, engine, step)
        else:
            judged, presence = _judged_photos(folder, engine, step)
            figures, present = figures + judged, present + presence
    if present and absent:
        positive = np.arange(len(present) + len(absent)) < len(present)
        name = f"presence, {len(present)} people against {len(absent)} squares without"
        figures.append(Figures(name, {"presence_auroc": auroc(np.array(present + absent), positive)}))
    if not figures:
        raise DatasetError("COCO pictures judge presence only beside photos of people: give both folders")
    return figures


def _judged_photos(folder: Path, engine: Engine, step: Progress) -> tuple[list[Figures], list[float]]:
    """The frozen test list where the folder has it, else every photo with its torso labelled; presence in each."""
    photos = read_lsp(folder).samples if holds_lsp(folder) else read_labelled2d(folder).all
    samples = [s for s in photos if torso_labelled(s)]
    test = judged_names()
    listed = [s for s in samples if s.name in test]
    chosen = [s.with_joints(engine.skeleton) for s in listed or samples]
    what = f"{folder.name}, test list of {len(listed)}" if listed else f"{folder.name}, all {len(samples)}"
    with_box, without = [], []
    for i, sample in enumerate(chosen):
        image = sample.image_bgr()
        with_box.append(in_own_box(sample, engine))
        tracker = Tracker(engine, sample.K, people=1, track=False)
        without.append(_px(_largest([joints for _, joints in tracker(Frame(0, 0.0, image))]), engine.skeleton))
        step(i + 1, len(chosen))
    true = np.stack([s.joints_px for s in chosen]).astype(np.float64)
    labelled = np.stack([s.weight[:, 0] > 0 for s in chosen])
    px, score = np.stack([j.px for j in with_box]), np.stack([j.score for j in with_box])
    boxed = figures_2d(f"{what}, label's box", px, true, labelled)
    boxed = replace(boxed, numbers=boxed.numbers | score_figures(score, px, true, labelled))
    found = figures_2d(f"{what}, no box given", np.stack(without), true, labelled)
    return [boxed, found], [j.presence for j in with_box]


def _judged_by_protocol(folder: Path, engine: Engine, step: Progress) -> list[Figures] | None:
    """Published sets that have a protocol of their own; None: the folder is none of them."""
    if holds_mpii(folder):
        return judge_mpii(folder, engine, step=step)
    if holds_human36m(folder, "test"):
        samples = read_human36m(folder, "test").samples
        return judge_captured(f"{folder.name}, {len(samples)} of S9 and S11", samples, engine, step=step)
    if holds_inf3dhp(folder):
        samples = read_inf3dhp(folder).samples
        return judge_captured(f"{folder.name}, {len(samples)} of the test set", samples, engine, step=step)
    return None


def judge_mpii(folder: Path, engine: Engine, *, step: Progress) -> list[Figures]:
    """PCKh@0.5 and PCK@0.2 on MPII's validation part, with the box of the labelled joints."""
    samples = [s.with_joints(engine.skeleton) for s in read_mpii(folder, "valid").samples]
    px = []
    for i, sample in enumerate(samples):
        px.append(in_own_box(sample, engine).px)
        step(i + 1, len(samples))
    true = np.stack([s.joints_px for s in samples]).astype(np.float64)
    labelled = np.stack([s.weight[:, 0] > 0 for s in samples])
    heads = np.stack([np.full(4, np.nan) if s.head_xyxy is None else s.head_xyxy for s in samples])
    numbers, tables = head_figures(np.stack(px), true, labelled, heads)
    figures = figures_2d(f"{folder.name}, {len(samples)} of MPII's validation part", np.stack(px), true, labelled)
    return [replace(figures, numbers=figures.numbers | numbers, tables=tables)]


def _presence_where_nobody_is(folder: Path, engine: Engine, step: Progress) -> list[float]:
    """Presence in squares without a person of photos that no training sees."""
    squares = read_person_free_squares(folder)
    presence = []
    for i, (image, box, K) in enumerate(squares):
        presence.append(float(engine.infer(image, [box], K).presence[0]))
        step(i + 1, len(squares))
    return presence


def _judged_renderings(folder: Path, engine: Engine, step: Progress) -> Figures:
    """2D and 3D errors of rendered people; 3D after the best scale (N-MPJPE) and the best similarity (P-MPJPE)."""
    people = read_people_3d(folder)
    if not people:
        raise DatasetError(f"{folder} holds shards without distances; render it again: python run.py synth")
    px, predicted = [], []
    for i, person in enumerate(people):
        sample = person.sample
        joints = in_own_box(sample, engine)
        camera = crop_camera(joints.box, sample.K, 1)
        px.append(joints.px)
        predicted.append(lift(camera, camera.to_crop(joints.px), joints.depth, root_z_m=person.root_z_m))
        step(i + 1, len(people))
    true_px = np.stack([p.sample.with_joints(engine.skeleton).joints_px for p in people]).astype(np.float64)
    inside = np.stack([resized(p.inside, len(engine.skeleton)) for p in people]) > 0
    true = np.stack([p.joints_m for p in people])
    figures = figures_2d(f"{folder.name}, {len(people)} rendered people", np.stack(px), true_px, inside)
    first = slice(len(MPII16))  # errors are of these joints, whatever else the network says
    said, true = np.stack(predicted)[:, first], true[:, first]
    errors = {"n_mpjpe_mm": n_mpjpe_mm(said, true, root=ROOT), "p_mpjpe_mm": p_mpjpe_mm(said, true)}
    return replace(figures, numbers=figures.numbers | errors)


def _judged_video(folder: Path, video: LabelledVideo, engine: Engine, step: Progress) -> Figures:
    """Against the joints beside the video, and against the folder's 3D reference where it has one."""
    people: list[Person | None] = []
    with closing(open_source(video=str(video.path))) as source, Capture(source) as capture:
        width, height = source.size_px
        pipeline = Pipeline(engine, Camera.from_fov(width, height, ASSUMED_FOV_DEG))
        for frame in capture.frames():
            people.append(max(pipeline(frame).people, key=lambda p: p.joints.box.side_px, default=None))
            step(len(people), len(video.joints))
    n = min(len(people), len(video.joints))
    joints = np.stack([resized(np.nan_to_num(of_frame), len(engine.skeleton)) for of_frame in video.joints[:n]])
    true, labelled = joints[..., :2].astype(np.float64), joints[..., 2] > 0
    px = np.stack([_px(None if p is None else p.joints, engine.skeleton) for p in people[:n]])
    figures = figures_2d(f"{folder.name} {video.path.stem}, no box given", px, true, labelled)
    if video.reference_m is None:
        return figures
    limbs = list(LIMB_JOINTS)
    seen = [
        i for i in range(min(n, len(video.reference_m))) if people[i] and np.isfinite(video.reference_m[i, limbs]).all()
    ]
    predicted = np.stack([people[i].offsets_m[limbs] for i in seen])  # type: ignore[union-attr]
    return replace(
        figures, numbers=figures.numbers | {"p_mpjpe_mm": p_mpjpe_mm(predicted, video.reference_m[np.ix_(seen, limbs)])}
    )


def in_own_box(sample: Sample, engine: Engine) -> Joints:
    """What an engine says of somebody in the box of the label."""
    assert sample.box is not None
    output = engine.infer(sample.image_bgr(), [sample.box], sample.K)
    return read_joints(output, [sample.box], sample.K, engine.score_map)[0]


def _largest(people: Sequence[Joints]) -> Joints | None:
    return max(people, key=lambda joints: joints.box.side_px, default=None)


def _px(joints: Joints | None, skeleton: Skeleton) -> Float64[ndarray, "joints 2"]:
    return np.full((len(skeleton), 2), np.nan) if joints is None else joints.px
