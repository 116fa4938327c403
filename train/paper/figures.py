"""The paper's figures, drawn from what was trained here: examples (10), the loss (11), heatmaps (12), joints (13)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from engine.crop import crop_px_from_units
from engine.decode import Decoded
from engine.skeleton import skeleton_of
from engine.weights import Weights
from realtime.colours import side_rgb
from train.augment import plain
from train.crops_seen import predict
from train.datasets.sample import Sample
from train.stream import collate

EXAMPLES = 4
HEATMAP_OPACITY = 0.6


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def examples(weights: Weights, samples: Sequence[Sample], path: Path) -> Path:
    """Figure 10: picture, 2D pose, 3D pose (crop units, seen a little from the side) of a few people."""
    pyplot, size = _pyplot(), weights.architecture.input_px
    chosen = _spread(samples, EXAMPLES)
    seen = predict(weights.decoded(), chosen, size)
    figure = pyplot.figure(figsize=(9, 3 * len(chosen)), layout="constrained")
    for row, (sample, joints) in enumerate(zip(chosen, seen.joints, strict=True)):
        picture = plain(sample, size).image_bgr[..., ::-1]
        for column in (0, 1):
            axes = figure.add_subplot(len(chosen), 3, 3 * row + column + 1)
            axes.imshow(picture)
            axes.axis("off")
        px = crop_px_from_units(joints[:, :2], size)
        _bones(axes, px)
        space = figure.add_subplot(len(chosen), 3, 3 * row + 3, projection="3d")
        _bones(space, joints[:, [0, 2, 1]] * (1, 1, -1))
        space.set_box_aspect((1, 1, 1))
        space.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5), zlim=(-0.5, 0.5), xticklabels=[], yticklabels=[], zticklabels=[])
        space.view_init(elev=10, azim=-60)
    return _saved(pyplot, figure, path)


def epoch_loss(folder: Path, path: Path) -> Path:
    """Figure 11: the training loss of a run folder by epoch."""
    pyplot = _pyplot()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [line["train_loss"] for line in lines if "train_loss" in line]
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(np.arange(1, len(losses) + 1), losses)
    axes.set(xlabel="epoch", ylabel="loss", title=folder.name)
    axes.grid(alpha=0.3)
    return _saved(pyplot, figure, path)


@torch.inference_mode()
def heatmaps(weights: Weights, sample: Sample, path: Path) -> Path:
    """Figure 12: each joint's heatmap, summed over depth, over the picture."""
    pyplot, size = _pyplot(), weights.architecture.input_px
    crop = plain(sample, size)
    volume = _volume(weights.decoded(), collate([crop])["image"])[0]
    maps = torch.softmax(volume.float().flatten(1), dim=1).unflatten(1, volume.shape[1:]).sum(1).numpy()
    side = math.isqrt(len(maps))  # 4 x 4 or 5 x 5
    figure, grid = pyplot.subplots(side, side, figsize=(9, 9.5), layout="constrained")
    for axes, name, plane in zip(grid.flat, weights.skeleton.names, maps, strict=True):
        axes.imshow(crop.image_bgr[..., ::-1], extent=(0, 1, 1, 0))
        axes.imshow(plane, extent=(0, 1, 1, 0), cmap="inferno", alpha=HEATMAP_OPACITY)
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    return _saved(pyplot, figure, path)


def joint_errors(per_joint_mm: dict[str, float], path: Path) -> Path:
    """Figure 13: MPJPE of each joint; the root's is 0 by definition."""
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    bars = axes.bar(list(per_joint_mm), list(per_joint_mm.values()))
    axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.tick_params(axis="x", rotation=60)
    axes.set_ylabel("MPJPE, mm")
    return _saved(pyplot, figure, path)


def _volume(model: Decoded, image: torch.Tensor) -> torch.Tensor:
    """The network's logits, (1, joints, depth, rows, columns)."""
    held: list[torch.Tensor] = []
    hook = model.network.register_forward_hook(lambda _module, _input, output: held.append(output[0]))
    try:
        model.eval()(image.float())
    finally:
        hook.remove()
    return held[0]


def _bones(axes, points: Float64[ndarray, "joints d"]) -> None:
    for joint, parent in skeleton_of(len(points)).bones:
        axes.plot(*points[[joint, parent]].T, color=side_rgb(joint), linewidth=2)


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    return [samples[i] for i in np.unique(np.linspace(0, len(samples) - 1, count).astype(int))]


def _saved(pyplot, figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
