"""Rendered people on disk: shards of a few hundred samples that are written atomically and resumed by name."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from engine.errors import UserError
from train.synthetic.body import Body, load_body
from train.synthetic.sample import Synthetic, random_sample
from train.synthetic.sources import Sources

PER_SHARD = 512
JPEG_QUALITY = 92


class ShardError(UserError):
    """A shard that cannot be read."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Samples as `train.synthetic.sample` describes them; pictures as JPEG."""

    size_px: int
    jpegs: list[bytes]
    units: Float32[ndarray, "n 16 2"]
    depth: Float32[ndarray, "n 16"]
    visible: Bool[ndarray, "n 16"]
    f_over_side: Float32[ndarray, "n"]
    root_z_m: Float32[ndarray, "n"]  # along the crop camera's axis; NaN in shards that were written without


def write_shards(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size_px: int = 160,
    sources: Sources | None = None,
    body: Body | None = None,
    per_shard: int = PER_SHARD,
) -> Iterator[int]:
    """Render at least `count` samples into `folder`, giving the number that are there after each.

    Sample i of shard k is drawn from (seed, k, i) alone, so a run that was stopped goes on with the shard it was in and
    ends with the same files. Existing shards are left as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    body = body or load_body()
    done = 0
    for k in range(-(-count // per_shard)):
        path = folder / f"shard_{seed:04d}_{k:05d}.npz"
        if path.is_file():
            done += per_shard
            yield done
            continue
        samples: list[Synthetic] = []
        for i in range(per_shard):
            samples.append(
                random_sample(np.random.default_rng((seed, k, i)), size_px=size_px, sources=sources, body=body)
            )
            done += 1
            yield done
        write_shard(path, samples)


def write_shard(path: Path, samples: list[Synthetic]) -> None:
    """One file; it appears under its name only when it is whole."""
    jpegs = [encode_jpeg(s.image_bgr) for s in samples]
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as file:
        np.savez(
            file,
            schema=1,
            size_px=samples[0].image_bgr.shape[0],
            ends=np.cumsum([len(j) for j in jpegs]),
            jpegs=np.frombuffer(b"".join(jpegs), np.uint8),
            units=np.stack([s.units for s in samples]),
            depth=np.stack([s.depth for s in samples]),
            visible=np.stack([s.visible for s in samples]),
            f_over_side=np.array([s.f_over_side for s in samples], np.float32),
            root_z_m=np.array([s.root_z_m for s in samples], np.float32),
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_shard(path: Path) -> Shard:
    """A shard's content. ShardError when it is damaged or newer than this program."""
    try:
        with np.load(path, allow_pickle=False) as raw:
            held = {name: raw[name] for name in raw.files}
    except (OSError, ValueError, EOFError) as error:
        raise ShardError(f"{path} is not a readable shard ({error}); delete it and render it again") from None
    if int(held.get("schema", 0)) != 1:
        raise ShardError(f"{path} has schema {held.get('schema')}, this program reads 1; update, or render it again")
    blob, ends = held["jpegs"].tobytes(), [0, *held["ends"].tolist()]
    jpegs = [blob[a:b] for a, b in itertools.pairwise(ends)]
    root_z_m = held.get("root_z_m", np.full(len(jpegs), np.nan, np.float32))
    labels = {name: held[name] for name in ("units", "depth", "visible", "f_over_side")}
    return Shard(size_px=int(held["size_px"]), jpegs=jpegs, **labels, root_z_m=root_z_m)


def encode_jpeg(image_bgr: ndarray) -> bytes:
    """A picture as JPEG bytes."""
    ok, data = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert ok, "OpenCV encodes any uint8 picture"
    return data.tobytes()
