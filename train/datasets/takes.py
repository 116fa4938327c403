"""A labelled take as samples: pictures around the person, cut once and kept in the take's folder.

The part that is learned from; the held-out part comes out only for what judges, the gap between them never.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8
from numpy import ndarray

from engine.crop import box_around
from engine.skeleton import CORE, ROOT
from realtime.progress import Step
from realtime.takes import Take, TakeCamera, open_take
from realtime.takes.arrays import read_arrays, write_arrays
from realtime.takes.video import jpeg_of
from train.datasets.sample import Sample
from train.own_rig.labels import TakeLabels, labels_hash, read_labels
from train.redress import person_mask

EVERY_S = 0.1  # frames nearer in time show the same
AROUND = 2.2  # of the person's box: room for boxes that err, and for those of a search
BOX_PX = 320  # a larger person is stored smaller
BACKGROUND_FRAMES = 25
Part = Literal["learned", "held out"]
FIELDS = ("key", "row", "ends", "jpegs", "mask_ends", "masks", "corner_px", "scale")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A stored piece of a picture: its top left corner in the picture, and how much it was scaled, x and y."""

    jpeg: bytes
    corner_px: Float64[ndarray, "2"]
    scale: Float64[ndarray, "2"]
    person: bytes  # a PNG, 255 where the person is; empty where that cannot be told


def read_take(
    folder: Path, *, step: Step, every_s: float = EVERY_S, labels: TakeLabels | None = None, part: Part = "learned"
) -> list[Sample]:
    """Samples of both cameras in order of time, the first camera's first. LabelError where the take has no labels.

    `labels` may stand in for the take's own; of these, and of the held-out part, nothing is kept in the folder.
    """
    take, own = open_take(folder), labels is None and part == "learned"
    labels = read_labels(folder) if labels is None else labels
    samples = []
    for name in labels.names:
        camera = take.cameras[name]
        rows = taught_rows(take, labels, name, every_s=every_s, part=part)
        cuts = _stored(take, camera, labels, rows, every_s, step) if own else _cut_all(take, camera, labels, rows, step)
        for row, cut in zip(rows, cuts, strict=True):
            label = f"{folder.name}/{name}/{labels.frame[row]}"
            samples.append(_sample(label, labels, int(row), cut))
    return samples


def taught_rows(
    take: Take, labels: TakeLabels, name: str, *, every_s: float = EVERY_S, part: Part = "learned"
) -> Int64[ndarray, "m"]:
    """Rows of the labels that may be learned from: of the learned part, and so far apart in time."""
    camera = take.cameras[name]
    rows = labels.of(name)
    time_s = camera.take_time_s[labels.frame[rows]]
    wanted = (take.parts().train if part == "learned" else take.parts().held_out)(time_s)
    rows, time_s = rows[wanted], time_s[wanted]
    chosen: list[int] = []
    last_s = -np.inf
    for row, now_s in zip(rows, time_s, strict=True):
        if now_s - last_s >= every_s - 1e-3:
            chosen.append(int(row))
            last_s = now_s
    return np.array(chosen, np.int64)


def backgrounds(take: Take, names: tuple[str, ...]) -> list[UInt8[ndarray, "h w 3"]]:
    """Each camera's room without the person: medians over frames of the learned part. Who stood still stays in it."""
    rooms = [_room(take, take.cameras[name]) for name in names]
    return [room for room in rooms if room is not None]


def _room(take: Take, camera: TakeCamera) -> UInt8[ndarray, "h w 3"] | None:
    """None where no frame can be read."""
    rows = np.flatnonzero(take.parts().train(camera.take_time_s))
    chosen = rows[np.linspace(0, len(rows) - 1, min(BACKGROUND_FRAMES, len(rows))).round().astype(int)]
    frames = [next(camera.frames(int(row), int(row) + 1), None) for row in chosen]
    images = [frame.image_bgr for frame in frames if frame is not None]
    return np.median(np.stack(images), axis=0).astype(np.uint8) if images else None


def _stored(
    take: Take, camera: TakeCamera, labels: TakeLabels, rows: Int64[ndarray, "m"], every_s: float, step: Step
) -> list[_Cut]:
    """The cut pictures, from the take's folder where they belong to these labels."""
    path = take.folder / f"pieces_{camera.name}.npz"
    key = f"{labels_hash(take.folder)} {every_s}"
    if path.is_file():
        held = read_arrays(path, FIELDS, again="remove it, it is made anew")
        if str(held["key"]) == key and np.array_equal(held["row"], rows):
            pieces = zip(_split(held["jpegs"], held["ends"]), _split(held["masks"], held["mask_ends"]), strict=True)
            corners, scales = held["corner_px"], held["scale"]
            return [_Cut(jpeg, corners[i], scales[i], mask) for i, (jpeg, mask) in enumerate(pieces)]
    cuts = _cut_all(take, camera, labels, rows, step)
    arrays = {
        "key": key,
        "row": rows,
        **_joined("jpegs", "ends", [cut.jpeg for cut in cuts]),
        **_joined("masks", "mask_ends", [cut.person for cut in cuts]),
        "corner_px": np.array([cut.corner_px for cut in cuts]).reshape(-1, 2),
        "scale": np.array([cut.scale for cut in cuts]).reshape(-1, 2),
    }
    write_arrays(path, arrays)
    return cuts


def _joined(name: str, ends: str, parts: list[bytes]) -> dict[str, ndarray]:
    lengths = np.array([len(part) for part in parts], np.int64)
    return {name: np.frombuffer(b"".join(parts), np.uint8), ends: np.cumsum(lengths)}


def _split(joined: UInt8[ndarray, "bytes"], ends: Int64[ndarray, "m"]) -> list[bytes]:
    whole = joined.tobytes()
    return [whole[a:b] for a, b in itertools.pairwise([0, *ends.tolist()])]


def _cut_all(take: Take, camera: TakeCamera, labels: TakeLabels, rows: Int64[ndarray, "m"], step: Step) -> list[_Cut]:
    wanted = {int(labels.frame[row]): int(row) for row in rows}
    room = _room(take, camera)
    found: dict[int, _Cut] = {}
    for frame in camera.frames(0, max(wanted, default=0) + 1):
        if frame.index in wanted:
            row = wanted[frame.index]
            found[row] = _cut(frame.image_bgr, room, labels.px[row], labels.kept[row])
            step(len(found), len(rows), camera.name)
    missing = [int(labels.frame[row]) for row in rows if int(row) not in found]
    if missing:
        raise ValueError(f"{camera.path}: frame {missing[0]} was labelled and is gone; check it: python run.py take")
    return [found[int(row)] for row in rows]


def _cut(
    image_bgr: UInt8[ndarray, "h w 3"],
    room_bgr: UInt8[ndarray, "h w 3"] | None,
    px: Float64[ndarray, "joints 2"],
    kept: Bool[ndarray, "joints"],
) -> _Cut:
    box = box_around(px[CORE][kept[CORE]])
    height, width = image_bgr.shape[:2]
    reach = box.side_px * AROUND / 2
    low = np.clip(np.floor(box.center_px - reach), 0, (width - 2, height - 2)).astype(int)
    high = np.clip(np.ceil(box.center_px + reach), low + 2, (width, height)).astype(int)
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    piece, mask = image_bgr[window], None
    if room_bgr is not None and room_bgr.shape == image_bgr.shape:
        mask = person_mask(piece, room_bgr[window], px - low, kept)
    scale = min(BOX_PX / box.side_px, 1.0)
    size = [max(round(side * scale), 2) for side in (high - low).tolist()]
    if scale < 1:
        piece = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
        mask = None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    person = b"" if mask is None else cv2.imencode(".png", mask)[1].tobytes()
    shrunk = np.array(size) / (high - low) if scale < 1 else np.ones(2)
    return _Cut(jpeg_of(piece), low.astype(np.float64), shrunk, person)


def _sample(name: str, labels: TakeLabels, row: int, cut: _Cut) -> Sample:
    px = (labels.px[row] + 0.5 - cut.corner_px) * cut.scale - 0.5
    K = labels.K[labels.camera[row]].copy()
    K[:2, :2] *= cut.scale[:, None]
    K[:2, 2] = (K[:2, 2] + 0.5 - cut.corner_px) * cut.scale - 0.5
    z_m = labels.joints_cam_m[row][:, 2]
    return Sample(
        name=name,
        jpeg=cut.jpeg,
        K=K,
        joints_px=px.astype(np.float32),
        relative_depth=((z_m - z_m[ROOT]) / z_m[ROOT]).astype(np.float32),
        weight=labels.weight[row],
        box=box_around(px[CORE][labels.kept[row][CORE]]),
        person=cut.person or None,
    )
