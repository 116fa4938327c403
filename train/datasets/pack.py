"""One file that carries data sets to another machine: samples of every kind, re-encoded at the size that is trained.

A pack is a zip. `pack.json` lists its data sets (`name`, `kind`, `samples`), each `NAME.npz` holds one: pictures as
WebP and what `Sample` says about them. `sources.npz` and `body.npz`, where there are any, render more people there.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from engine.crop import Box
from engine.errors import UserError
from engine.skeleton import MPII16
from train.datasets.damage import DAMAGED, said
from train.datasets.sample import Readable, Sample
from train.synthetic.body import SKIN_FACES, cache_folder, load_body
from train.synthetic.sources import SOURCES_NAME, Sources, blob, npz_bytes, sources_bytes, unblob, webp

Kind = Literal["labelled", "captured", "pseudo", "synthetic", "background"]
SCHEMA = 1
LIMIT_MB = 60.0
# of the box' side, what is kept around a person: the widest crop of a search
KEPT_AROUND = 2.4
PICTURE_SHARE = 2.0  # longer side of a picture without a person, in sides of the network's input
WEBP_QUALITY = 68
LABEL_BYTES = 350  # of one sample, about


class PackError(UserError):
    """A pack that cannot be written or read."""


@dataclass(frozen=True, slots=True)
class PackedSet:
    """One data set of a pack."""

    name: str
    kind: Kind
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: how many samples of how many, and the file's size."""

    path: Path
    taken: dict[str, tuple[int, int]]
    size_mb: float


def write_pack(
    path: Path,
    sets: Sequence[PackedSet],
    *,
    size_px: int,
    sources: Sources | None = None,
    limit_mb: float = LIMIT_MB,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Pack data sets for a network of input side `size_px`, at most `limit_mb` large.

    Photos are packed whole; of rendered people, which can be made again, as many as fit. PackError where the photos
    alone are too much.
    """
    total, done = sum(len(s.samples) for s in sets), 0
    taken: dict[str, tuple[int, int]] = {}
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        if sources is not None:
            archive.writestr(SOURCES_NAME, sources_bytes(sources))
            archive.writestr("body.npz", _body_bytes())
        for one in sorted(sets, key=lambda s: s.kind == "synthetic"):
            room = limit_mb * 1e6 - _written(archive)
            packed: list[Sample] = []
            for sample in one.samples:
                small = shrunk(sample, size_px)
                room -= len(small.encoded()) + LABEL_BYTES
                if room < 0 and one.kind == "synthetic":
                    break
                packed.append(small)
                done += 1
                if progress:
                    progress(done, total)
            taken[one.name] = (len(packed), len(one.samples))
            if packed:
                archive.writestr(f"{one.name}.npz", _samples_bytes(packed))
        listed = [{"name": s.name, "kind": s.kind, "samples": taken[s.name][0]} for s in sets if taken[s.name][0]]
        archive.writestr("pack.json", json.dumps({"schema": SCHEMA, "size_px": size_px, "sets": listed}, indent=2))
    size_mb = partial.stat().st_size / 1e6
    if size_mb > limit_mb:
        partial.unlink()
        raise PackError(f"the photos alone make {size_mb:.0f} MB of at most {limit_mb:.0f}; give fewer data sets")
    os.replace(partial, path)
    return Packed(path, taken, size_mb)


def read_pack(path: Path) -> list[PackedSet]:
    """The data sets of a pack. PackError where it is damaged or newer than this program."""
    try:
        with zipfile.ZipFile(path) as archive:
            listed = json.loads(archive.read("pack.json"))
            if listed["schema"] != SCHEMA:
                raise PackError(
                    f"{path} has schema {listed['schema']}, this program reads {SCHEMA}; update the program"
                )
            return [PackedSet(s["name"], s["kind"], _samples(archive.read(f"{s['name']}.npz"))) for s in listed["sets"]]
    except DAMAGED as error:
        raise PackError(f"{path} is no readable pack ({said(error)}); make it anew with `pretrain --pack`") from None


def install_packed_body(path: Path) -> None:
    """Puts the baked body of a pack into the cache if it has none. PackError where the pack has none."""
    place = cache_folder() / f"body_{SKIN_FACES}.npz"
    if place.exists():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            body = archive.read("body.npz")
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise PackError(f"{path} holds no body ({error}); pack it with sources of synthetic people") from None
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(".partial")
    partial.write_bytes(body)
    os.replace(partial, place)


def shrunk(sample: Sample, size_px: int) -> Sample:
    """The part of a sample that training looks at, its box at most `size_px` wide; labels and camera follow."""
    image = sample.image_bgr()
    height, width = image.shape[:2]
    low, high = np.zeros(2, int), np.array([width, height])
    scale = PICTURE_SHARE * size_px / max(width, height)
    if sample.box is not None:
        reach = KEPT_AROUND / 2 * sample.box.side_px
        low = np.clip(np.floor(sample.box.center_px - reach), 0, high - 1).astype(int)
        high = np.clip(np.ceil(sample.box.center_px + reach), low + 1, high).astype(int)
        scale = size_px / sample.box.side_px
    image = image[low[1] : high[1], low[0] : high[0]]
    size = (high - low).astype(float)
    if scale < 1:
        new = np.maximum(np.round(size * scale), 1).astype(int)
        image = cv2.resize(image, (int(new[0]), int(new[1])), interpolation=cv2.INTER_AREA)
    ratio = np.array(image.shape[1::-1]) / size
    K = sample.K.copy()
    K[:2, :2] *= ratio[:, None]
    K[:2, 2] = (K[:2, 2] - low + 0.5) * ratio - 0.5
    box = sample.box and Box((sample.box.center_px - low + 0.5) * ratio - 0.5, sample.box.side_px * float(ratio.mean()))
    joints = ((sample.joints_px - low + 0.5) * ratio - 0.5).astype(np.float32)
    return replace(sample, jpeg=webp(image, WEBP_QUALITY), K=K, joints_px=joints, box=box)


def _written(archive: zipfile.ZipFile) -> int:
    return sum(entry.compress_size for entry in archive.infolist())


def _samples_bytes(samples: list[Sample]) -> bytes:
    return npz_bytes({**blob("picture", [s.encoded() for s in samples]), **labels_of(samples)})


def labels_of(samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    """All that samples are but their pictures, as arrays. What a studio knows beside them is not carried."""
    most = max((s.skeleton for s in samples), key=len, default=MPII16)
    samples = [s.with_joints(most) for s in samples]
    nobody = (np.nan, np.nan, np.nan)
    boxes = [nobody if s.box is None else (*s.box.center_px, s.box.side_px) for s in samples]
    return {
        "name": np.array([s.name for s in samples]),
        "K": np.stack([s.K for s in samples]),
        "joints_px": np.stack([s.joints_px for s in samples]),
        "relative_depth": np.stack([s.relative_depth for s in samples]),
        "weight": np.stack([s.weight for s in samples]).astype(np.float16),
        "box": np.array(boxes),
        "stretch": np.array([s.stretch for s in samples], np.float32),
    }


def _samples(data: bytes) -> list[Sample]:
    with np.load(io.BytesIO(data), allow_pickle=False) as raw:
        held = {name: raw[name] for name in raw.files}
    return samples_of(held, unblob(held, "picture"))


def samples_of(held: dict[str, np.ndarray], pictures: Sequence[bytes | Readable]) -> list[Sample]:
    """Samples of `labels_of` and their pictures."""
    columns = zip(held["name"], pictures, held["K"], held["joints_px"], strict=True)
    return [
        Sample(
            name=str(name),
            jpeg=picture,
            K=K,
            joints_px=joints,
            relative_depth=held["relative_depth"][i],
            weight=held["weight"][i].astype(np.float32),
            box=None if np.isnan(held["box"][i, 2]) else Box(held["box"][i, :2], float(held["box"][i, 2])),
            stretch=float(held["stretch"][i]) if "stretch" in held else 0.0,
        )
        for i, (name, picture, K, joints) in enumerate(columns)
    ]


def _body_bytes() -> bytes:
    load_body()  # baked where it was not
    return (cache_folder() / f"body_{SKIN_FACES}.npz").read_bytes()
