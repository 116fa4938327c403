"""Pictures of a training: its curves, and crops with what the network says about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.decode import Decoded
from engine.skeleton import BONES, LEFT_JOINTS, RIGHT_JOINTS
from train.augment import plain
from train.crops_seen import predict
from train.datasets.sample import Sample

TILE_PX = 192
LEFT_BGR, RIGHT_BGR, CENTER_BGR = (0, 140, 255), (255, 130, 30), (225, 225, 225)


def plot_curves(folder: Path) -> Path:
    """PCK on the validation list and the loss against images seen, from metrics.jsonl; the path of curves.png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    figure, left = pyplot.subplots(figsize=(7, 4), layout="constrained")
    images = [line["images"] / 1000 for line in lines]
    left.plot(images, [line.get("val_pck", np.nan) for line in lines], color="tab:blue", label="validation PCK@0.2")
    left.set(xlabel="crops seen, thousands", ylabel="PCK@0.2 (torso)")
    left.grid(alpha=0.3)
    right = left.twinx()
    right.plot(images, [line.get("train_heatmap", np.nan) for line in lines], color="tab:orange", label="heatmap loss")
    right.set_ylabel("heatmap cross-entropy, nats")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    path = folder / "curves.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def contact_sheet(model: Decoded, samples: Sequence[Sample], size_px: int, path: Path, *, columns: int = 10) -> Path:
    """Crops with the predicted skeleton, row by row, as one picture."""
    seen = predict(model, samples, size_px)
    tiles = [_tile(plain(s, size_px).image_bgr, joints) for s, joints in zip(samples, seen.joints, strict=True)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows))
    return path


def _tile(image_bgr: UInt8[ndarray, "s s 3"], joints: Float64[ndarray, "16 6"]) -> UInt8[ndarray, "t t 3"]:
    tile = cv2.resize(image_bgr, (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)
    px = ((joints[:, :2] + 0.5) * TILE_PX - 0.5) * 16  # four fractional bits
    for joint, parent in BONES:
        color = LEFT_BGR if joint in LEFT_JOINTS else RIGHT_BGR if joint in RIGHT_JOINTS else CENTER_BGR
        ends = [tuple(int(v) for v in px[i]) for i in (joint, parent)]
        cv2.line(tile, ends[0], ends[1], color, 2, cv2.LINE_AA, shift=4)
    return tile
