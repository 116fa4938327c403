"""Pictures that synthetic people are put in front of, and things behind and before them: from folders, or made up.

Every source is optional; with none at all backgrounds and occluders are procedural.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.random import Generator

from engine.errors import UserError
from train.synthetic.fabric import cloth_colour
from train.synthetic.retarget import Motions, read_motions
from train.synthetic.split import Split, belongs

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png"}
# pictures are kept in memory no larger than this
KEPT_PX = 512
PERSON_CATEGORY = 1
MIN_CUTOUT_PX = 24
THING_BEHIND_SHARE = 0.15
PICTURES = ("photos", "textures", "cutouts")  # fields of `Sources`
SOURCES_NAME = "sources.npz"  # in a pack
WEBP_QUALITY = 65


class SourceError(UserError):
    """A folder or file of sources that is not what it should be."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that is not made by program. Pictures are BGR uint8, cut-outs BGRA."""

    photos: tuple[UInt8[ndarray, "_ _ 3"], ...] = ()
    textures: tuple[UInt8[ndarray, "_ _ 3"], ...] = ()
    cutouts: tuple[UInt8[ndarray, "_ _ 4"], ...] = ()
    motions: Motions | None = None
    split: Split = "all"  # also of the bodies


@dataclass(frozen=True, slots=True)
class SourceFolders:
    """Where sources are.

    photos, textures: folders, searched with their sub-folders. coco: a folder with `annotations/instances_*.json` and
    a folder of images per json; its pictures without persons become backgrounds, its other objects occluders.
    mocap: an npz of clips (see `retarget.read_motions`). `split` leaves out what belongs to the other part.
    """

    photos: tuple[Path, ...] = ()
    textures: tuple[Path, ...] = ()
    coco: Path | None = None
    mocap: Path | None = None
    split: Split = "all"
    pack: Path | None = None  # carries all of them in one file (see train/datasets/pack.py)

    def read(self) -> Sources:
        """Read what is there. SourceError when a folder holds nothing of its kind."""
        if self.pack is not None:
            return _packed(self.pack, self.split)
        backgrounds = [image for folder in self.photos for image in _pictures(folder, self.split)]
        cutouts: list[ndarray] = []
        if self.coco is not None:
            tables = sorted((self.coco / "annotations").glob("instances_*.json"))
            if not tables:
                raise SourceError(f"{self.coco} has no annotations/instances_*.json; give a folder in COCO's layout")
            for table in tables:
                empty, objects = _coco(table, self.coco / table.stem.removeprefix("instances_"), self.split)
                backgrounds += empty
                cutouts += objects
        cloth = [image for folder in self.textures for image in _pictures(folder, self.split)]
        motions = read_motions(self.mocap, split=self.split) if self.mocap is not None else None
        return Sources(tuple(backgrounds), tuple(cloth), tuple(cutouts), motions, self.split)


def random_background(sources: Sources, size_px: int, rng: Generator) -> UInt8[ndarray, "s s 3"]:
    """A square picture without a person, sometimes with a thing laid into it."""
    if sources.photos and rng.random() < 0.86:
        image = _cut_at_random(sources.photos[rng.integers(len(sources.photos))], size_px, rng)
    elif sources.textures and rng.random() < 0.4:
        image = _cut_at_random(sources.textures[rng.integers(len(sources.textures))], size_px, rng)
    else:
        image = procedural_background(size_px, rng)
    if rng.random() < THING_BEHIND_SHARE:
        thing = random_occluder(sources, size_px, rng)
        h, w = min(thing.shape[0], size_px), min(thing.shape[1], size_px)
        y, x = rng.integers(size_px - h + 1), rng.integers(size_px - w + 1)
        alpha = thing[:h, :w, 3:].astype(np.float32) / 255
        part = image[y : y + h, x : x + w]
        image[y : y + h, x : x + w] = part * (1 - alpha) + thing[:h, :w, :3] * alpha
    return image


def procedural_background(size_px: int, rng: Generator) -> UInt8[ndarray, "s s 3"]:
    """Walls, a floor and blobs with some noise: a room as simple as can be."""
    n = size_px
    image = np.empty((n, n, 3), np.float32)
    wall, floor = cloth_colour(rng) * 255, cloth_colour(rng) * 255
    shade = np.linspace(rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.1), n)[None, :, None]
    image[:] = wall * shade
    corner = int(n * rng.uniform(0.4, 0.95))
    image[corner:] = floor * np.linspace(0.8, 1.1, n - corner)[:, None, None]
    for _ in range(rng.integers(0, 9)):
        colour = cloth_colour(rng) * 255
        x, y, w, h = rng.uniform(-0.2, 1.0), rng.uniform(-0.2, 0.9), rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.6)
        corners = [(int(x * n), int(y * n)), (int((x + w) * n), int((y + h) * n))]
        if rng.random() < 0.7:
            cv2.rectangle(image, corners[0], corners[1], colour.tolist(), -1)
        else:
            cv2.circle(image, corners[0], int(w * n / 2), colour.tolist(), -1)
    coarse = rng.normal(0, rng.uniform(0, 14), (12, 12, 1)).astype(np.float32)
    image += cv2.resize(coarse, (n, n), interpolation=cv2.INTER_CUBIC)[:, :, None]
    return np.clip(image, 0, 255).astype(np.uint8)


def random_occluder(sources: Sources, size_px: int, rng: Generator) -> UInt8[ndarray, "h w 4"]:
    """Something of 15 to 50 % of the picture's side that may stand in front, with its mask as fourth channel."""
    long_px = int(size_px * rng.uniform(0.15, 0.5))
    if sources.cutouts and rng.random() < 0.7:
        cutout = sources.cutouts[rng.integers(len(sources.cutouts))]
        scale = long_px / max(cutout.shape[:2])
        size = max(int(cutout.shape[1] * scale), 2), max(int(cutout.shape[0] * scale), 2)
        cutout = cv2.resize(cutout, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        return cutout[:, ::-1].copy() if rng.random() < 0.5 else cutout
    n = max(long_px, 6)
    mask = np.zeros((n, n), np.uint8)
    shape = rng.integers(3)
    if shape == 0:
        a, b = int(n * rng.uniform(0.05, 0.5)), int(n * rng.uniform(0.05, 0.5))
        cv2.rectangle(mask, (a, b), (n - 1 - a // 2, n - 1 - b // 3), 255, -1, cv2.LINE_AA)
    elif shape == 1:
        axes = (int(n * rng.uniform(0.15, 0.49)), int(n * rng.uniform(0.15, 0.49)))
        cv2.ellipse(mask, (n // 2, n // 2), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        radius = rng.uniform(0.2, 0.5, len(angles)) * n
        corners = np.column_stack([np.cos(angles) * radius, np.sin(angles) * radius]) + n / 2
        cv2.fillPoly(mask, [corners.astype(np.int32)], 255, cv2.LINE_AA)
    pool = sources.textures or sources.photos
    fill = _cut_at_random(pool[rng.integers(len(pool))], n, rng) if pool and rng.random() < 0.75 else None
    if fill is None:
        fill = np.full((n, n, 3), cloth_colour(rng) * 255).astype(np.uint8)
    return np.dstack([fill, mask])


def _cut_at_random(image: UInt8[ndarray, "h w 3"], size_px: int, rng: Generator) -> UInt8[ndarray, "s s 3"]:
    short = min(image.shape[:2])
    side = int(short * rng.uniform(0.45, 1.0))
    top, left = rng.integers(image.shape[0] - side + 1), rng.integers(image.shape[1] - side + 1)
    part = image[top : top + side, left : left + side]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    way = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(part), (size_px, size_px), interpolation=way)


def _pictures(folder: Path, split: Split) -> list[UInt8[ndarray, "h w 3"]]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise SourceError(f"no pictures in {folder}; give a folder of .jpg or .png files")
    paths = [p for p in paths if belongs(p.name, split)]
    images = [cv2.imread(str(p), cv2.IMREAD_COLOR) for p in paths]
    return [_small(image) for image in images if image is not None and min(image.shape[:2]) >= 64]


def _small(image: UInt8[ndarray, "_ _ c"]) -> UInt8[ndarray, "_ _ c"]:
    scale = KEPT_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _coco(annotations: Path, folder: Path, split: Split) -> tuple[list[ndarray], list[ndarray]]:
    """Pictures without persons, and cut-outs (BGRA) of things in pictures."""
    listed = json.loads(annotations.read_text())
    of_image: dict[int, list[dict]] = {}
    for label in listed["annotations"]:
        of_image.setdefault(label["image_id"], []).append(label)
    empty, cutouts = [], []
    for entry in listed["images"]:
        if not belongs(entry["file_name"], split):
            continue
        image = cv2.imread(str(folder / entry["file_name"]), cv2.IMREAD_COLOR)
        if image is None:
            continue
        labels = of_image.get(entry["id"], [])
        if all(label["category_id"] != PERSON_CATEGORY for label in labels):
            empty.append(_small(image))
        for label in labels:
            if label["category_id"] == PERSON_CATEGORY or label["iscrowd"]:
                continue
            mask = np.zeros(image.shape[:2], np.uint8)
            rings = [np.array(ring).reshape(-1, 2).round().astype(np.int32) for ring in label["segmentation"]]
            cv2.fillPoly(mask, rings, 255, cv2.LINE_AA)
            x, y, w, h = cv2.boundingRect(np.concatenate(rings))
            if min(w, h) >= MIN_CUTOUT_PX:
                cutouts.append(_small(np.dstack([image, mask])[y : y + h, x : x + w].copy()))
    return empty, cutouts


def sources_bytes(sources: Sources) -> bytes:
    """Everything in one npz, pictures as WebP."""
    clips = sources.motions.clips if sources.motions is not None else ()
    arrays = {"split": np.array(sources.split)}
    for name in PICTURES:
        arrays |= blob(name, [webp(image, WEBP_QUALITY) for image in getattr(sources, name)])
    arrays["clips"] = np.concatenate([*clips, np.zeros((0, 17, 3), np.float32)]).astype(np.float16)
    arrays["clip_ends"] = np.cumsum([len(clip) for clip in clips], dtype=np.int64)
    return npz_bytes(arrays)


def _packed(path: Path, split: Split) -> Sources:
    try:
        with zipfile.ZipFile(path) as archive, np.load(io.BytesIO(archive.read(SOURCES_NAME))) as raw:
            held = {name: raw[name] for name in raw.files}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} holds no sources of synthetic people ({error})") from None
    if str(held["split"]) != split:
        raise SourceError(f"{path} carries the sources of --split {held['split']}, not {split}; say so, or pack anew")
    photos, textures, cutouts = (tuple(_image(data, path) for data in unblob(held, name)) for name in PICTURES)
    # a cut-out that fills its rectangle loses its mask in the file
    cutouts = tuple(c if c.shape[2] == 4 else np.dstack([c, np.full(c.shape[:2], 255, np.uint8)]) for c in cutouts)
    clips = [held["clips"][a:b].astype(np.float32) for a, b in itertools.pairwise([0, *held["clip_ends"].tolist()])]
    return Sources(photos, textures, cutouts, Motions(tuple(clips)) if clips else None, split)


def _image(data: bytes, path: Path) -> UInt8[ndarray, "h w c"]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise SourceError(f"{path} holds a damaged picture; pack the sources anew")
    return image


def webp(image: UInt8[ndarray, "h w c"], quality: int) -> bytes:
    """A picture, with its mask as fourth channel if it has one."""
    ok, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])
    assert ok, "OpenCV encodes any uint8 picture"
    return data.tobytes()


def npz_bytes(arrays: dict[str, ndarray]) -> bytes:
    """An npz in memory."""
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def blob(name: str, parts: Sequence[bytes]) -> dict[str, ndarray]:
    """Pieces of any length as two arrays, `NAME_bytes` and `NAME_ends`."""
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {f"{name}_bytes": np.frombuffer(b"".join(parts), np.uint8), f"{name}_ends": ends}


def unblob(held: dict[str, ndarray], name: str) -> list[bytes]:
    """The pieces again."""
    whole = held[f"{name}_bytes"].tobytes()
    return [whole[a:b] for a, b in itertools.pairwise([0, *held[f"{name}_ends"].tolist()])]
