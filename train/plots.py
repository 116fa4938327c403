"""Pictures of a training: its curves, its synthetic people, and crops with what the network says about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import crop_px_from_units
from engine.decode import Decoded
from engine.skeleton import skeleton_of
from realtime.colours import bgr, side_rgb
from train.augment import plain
from train.crops_seen import Seen, predict
from train.datasets.sample import Sample, decode_jpeg
from train.synthetic.shards import read_shard

TILE_PX = 192
COLUMNS = 10


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


def contact_sheet(model: Decoded, samples: Sequence[Sample], size_px: int, path: Path) -> Path:
    """Crops with the predicted skeleton, row by row, as one picture."""
    seen = predict(model, samples, size_px)
    crops = [plain(s, size_px).image_bgr for s in samples]
    return _sheet([_tile(crop, joints[:, :2]) for crop, joints in zip(crops, seen.joints, strict=True)], path)


def errors_sheet(samples: Sequence[Sample], seen: Seen, path: Path) -> Path:
    """What a network said of some people, in colours, over what is true, in white; the picture's path."""
    tiles = []
    known = np.where(seen.labelled[..., None], seen.target[..., :2], np.nan)
    for sample, said, true in zip(samples, seen.joints, known, strict=True):
        tile = _tile(plain(sample, TILE_PX).image_bgr, true, colour_bgr=(255, 255, 255))
        tiles.append(_tile(tile, said[:, :2]))
    return _sheet(tiles, path)


def people_sheet(folder: Path, *, people: int = 60) -> Path:
    """The first pictures of a folder of shards, every second person with the joints drawn; the picture's path."""
    shard = read_shard(min(folder.glob("shard_*.npz")))
    tiles = []
    for i in range(min(people, len(shard.jpegs))):
        units = shard.units[i].astype(np.float64) if i % 2 and not shard.empty else None
        tiles.append(_tile(decode_jpeg(shard.jpegs[i]), units))
    return _sheet(tiles, folder / "contact_sheet.jpg")


def labels_sheet(samples: Sequence[Sample], path: Path, *, people: int = 60) -> Path:
    """People spread evenly over a data set, each with the joints that are labelled; the picture's path."""
    shown = [s for s in samples if s.box is not None]
    shown = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, min(people, len(shown))).astype(int))]
    crops = [plain(sample, TILE_PX) for sample in shown]
    return _sheet(
        [_tile(c.image_bgr, np.where(c.weight[:, :1] > 0, c.target[:, :2].astype(np.float64), np.nan)) for c in crops],
        path,
    )


def _sheet(tiles: list[UInt8[ndarray, "t t 3"]], path: Path) -> Path:
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))
    return path


def _tile(
    image_bgr: UInt8[ndarray, "s s 3"],
    units: Float64[ndarray, "joints 2"] | None,
    *,
    colour_bgr: tuple[int, int, int] | None = None,
) -> UInt8[ndarray, "t t 3"]:
    tile = cv2.resize(image_bgr, (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)
    if units is None:
        return tile
    px = crop_px_from_units(units, TILE_PX) * 16  # four fractional bits
    for joint, parent in skeleton_of(len(px)).bones:
        if not np.isfinite(px[[joint, parent]]).all():
            continue
        ends = [tuple(int(v) for v in px[i]) for i in (joint, parent)]
        cv2.line(tile, ends[0], ends[1], colour_bgr or bgr(side_rgb(joint)), 2, cv2.LINE_AA, shift=4)
    return tile
