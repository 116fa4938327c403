"""Figures on labelled data: photos with 14 joints, or videos with another program's joints. No box is ever made up.

Photos are judged twice: with the label's box, as MPII's protocol gives one, and with no box at all, the way a user's
photo is seen. A video is judged through the live pipeline; a frame in which nobody is found counts as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from engine.backends import Engine
from engine.joints import Joints, read_joints
from engine.skeleton import JOINT_NAMES, LIMB_JOINTS
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.pipeline import Pipeline
from realtime.sources import open_source
from realtime.tracker import Tracker
from train.datasets.labelled2d import frozen_list, read_labelled2d, torso_labelled
from train.datasets.openpose import read_labelled_videos
from train.datasets.sample import ASSUMED_FOV_DEG, Sample
from train.metrics import pck_hits, swap_rate

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """PCK of one list of pictures or frames."""

    name: str
    people: int
    found: int  # in how many somebody was seen
    pck_at_0_2: float  # torso lengths, twelve limb joints, a person not found is wrong
    swap_rate: float
    per_joint: tuple[float, ...]  # PCK of the twelve

    def summary(self) -> dict[str, object]:
        """For a JSON file."""
        joints = {JOINT_NAMES[j]: round(p, 4) for j, p in zip(LIMB_JOINTS, self.per_joint, strict=True)}
        return {
            "people": self.people,
            "found": self.found,
            "pck_at_0.2": round(self.pck_at_0_2, 4),
            "swap_rate": round(self.swap_rate, 4),
            "pck_at_0.2_per_joint": joints,
        }


def evaluate(folder: Path, engine: Engine, *, progress: Progress | None = None) -> list[Figures]:
    """Figures of a data set folder. DatasetError when it holds nothing that can be judged."""
    if any(folder.glob("openpose_*.npz")):
        return evaluate_videos(folder, engine, progress=progress)
    return evaluate_photos(folder, engine, progress=progress)


def evaluate_photos(folder: Path, engine: Engine, *, progress: Progress | None = None) -> list[Figures]:
    """PCK on photos: the frozen test list where the folder has it, else every photo with its torso labelled."""
    samples = [s for s in read_labelled2d(folder) if torso_labelled(s)]
    test = frozen_list("lspet_test_500")
    listed = [s for s in samples if s.name in test]
    chosen = listed or samples
    what = f"{folder.name}, test list of {len(listed)}" if listed else f"{folder.name}, all {len(samples)}"
    with_box, without = [], []
    for i, sample in enumerate(chosen):
        image = sample.image_bgr()
        assert sample.box is not None
        output = engine.infer(image, [sample.box], sample.K)
        with_box.append(read_joints(output, [sample.box], sample.K, engine.score_map)[0].px)
        tracker = Tracker(engine, sample.K, people=1, track=False)
        without.append(_largest([joints for _, joints in tracker(Frame(0, 0.0, image))]))
        if progress:
            progress(i + 1, len(chosen))
    true, labelled = _labels(chosen)
    return [
        _figures(f"{what}, label's box", np.stack(with_box), true, labelled),
        _figures(f"{what}, no box given", np.stack(without), true, labelled),
    ]


def evaluate_videos(folder: Path, engine: Engine, *, progress: Progress | None = None) -> list[Figures]:
    """PCK of each video against the joints beside it, through the live pipeline."""
    figures = []
    for video in read_labelled_videos(folder):
        predicted = []
        with closing(open_source(video=str(video.path))) as source, Capture(source) as capture:
            width, height = source.size_px
            pipeline = Pipeline(engine, Camera.from_fov(width, height, ASSUMED_FOV_DEG))
            for frame in capture.frames():
                predicted.append(_largest([person.joints for person in pipeline(frame).people]))
                if progress:
                    progress(len(predicted), len(video.joints))
        n = min(len(predicted), len(video.joints))
        true, labelled = video.joints[:n, :, :2], video.joints[:n, :, 2] > 0
        name = f"{folder.name} {video.path.stem}, no box given"
        figures.append(_figures(name, np.stack(predicted[:n]), np.nan_to_num(true), labelled))
    return figures


def table(figures: Sequence[Figures]) -> str:
    """The figures for a terminal."""
    width = max(len(f.name) for f in figures)
    lines = [f"{'':<{width}}  PCK@0.2  found   left/right swaps"]
    for f in figures:
        found = f"{f.found}/{f.people}"
        lines.append(f"{f.name:<{width}}  {f.pck_at_0_2:7.3f}  {found:>8}  {100 * f.swap_rate:5.1f} %")
    return "\n".join(lines)


def _largest(people: Sequence[Joints]) -> Float64[ndarray, "16 2"]:
    if not people:
        return np.full((16, 2), np.nan)
    return max(people, key=lambda joints: joints.box.side_px).px


def _labels(samples: Sequence[Sample]) -> tuple[Float64[ndarray, "n 16 2"], ndarray]:
    true = np.stack([s.joints_px for s in samples]).astype(np.float64)
    return true, np.stack([s.weight[:, 0] > 0 for s in samples])


def _figures(name: str, predicted: ndarray, true: ndarray, labelled: ndarray) -> Figures:
    hits, counts = pck_hits(predicted, true, labelled)
    with np.errstate(invalid="ignore"):
        per_joint = tuple(float(x) for x in hits.sum(0) / counts.sum(0))
    return Figures(
        name=name,
        people=len(predicted),
        found=int(np.isfinite(predicted).all(axis=(1, 2)).sum()),
        pck_at_0_2=float(hits.sum() / counts.sum()),
        swap_rate=swap_rate(predicted, true, labelled),
        per_joint=per_joint,
    )
