"""Data sets as tars of pictures and an index of labels, in a folder or in object storage (fsspec's URLs).

    URL/index.json         {"schema": 1, "sets": [{"name", "kind", "samples"}]}
    URL/NAME.npz           labels, and of each picture: its tar, offset and size
    URL/NAME-00000.tar ... the pictures, as they were

A picture is read by its range of bytes, so samples are there in any order: the stream of a training stays what it is.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fsspec.core import url_to_fs

from realtime.progress import Step
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError
from train.datasets.pack import PackedSet, labels_of, samples_of
from train.datasets.sample import Sample
from train.synthetic.sources import npz_bytes

SCHEMA = 1
INDEX = "index.json"
TAR_MB = 200.0


@dataclass(frozen=True, slots=True)
class Member:
    """A picture within a tar."""

    url: str
    offset: int
    size: int

    def read_bytes(self) -> bytes:
        """The picture. OSError where the tar is gone."""
        fs, path = url_to_fs(self.url)  # asked for each time: a process that was forked needs a connection of its own
        return fs.cat_file(path, start=self.offset, end=self.offset + self.size)


def tars_url(path: Path) -> str | None:
    """The URL of a DATASET that is made of tars; None where it is something else."""
    text = str(path)
    if (found := re.match(r"([a-z][a-z0-9+.-]+):/+", text)) is not None:
        return f"{found[1]}://{text[found.end() :]}"  # a Path makes one slash of two
    return text if (path / INDEX).is_file() else None


def write_tars(url: str, sets: Sequence[PackedSet], *, step: Step, tar_mb: float = TAR_MB) -> int:
    """Writes data sets to a folder or object storage; the number of tars. The index comes last: half a set is none."""
    fs, root = url_to_fs(url)
    fs.makedirs(root, exist_ok=True)
    total, done, tars = sum(len(s.samples) for s in sets), 0, 0
    for one in (s for s in sets if s.samples):
        places = []
        for number, (data, members) in enumerate(_tars(one.samples, tar_mb)):
            fs.pipe_file(f"{root}/{_name(one)}-{number:05d}.tar", data)
            places += [(number, *member) for member in members]
            tars, done = tars + 1, done + len(members)
            step(done, total, one.name)
        arrays = {**labels_of(one.samples), "place": np.array(places, np.int64)}
        fs.pipe_file(f"{root}/{_name(one)}.npz", npz_bytes(arrays))
    listed = [{"name": s.name, "kind": s.kind, "samples": len(s.samples)} for s in sets if s.samples]
    fs.pipe_file(f"{root}/{INDEX}", json.dumps({"schema": SCHEMA, "sets": listed}, indent=2).encode())
    return tars


def read_tars(url: str) -> list[PackedSet]:
    """The data sets at a URL. DatasetError where there are none, or newer ones."""
    url = url.rstrip("/")
    try:
        fs, root = url_to_fs(url)
        index = json.loads(fs.cat_file(f"{root}/{INDEX}"))
        if index["schema"] != SCHEMA:
            raise DatasetError(f"{url} has schema {index['schema']}, this program reads {SCHEMA}; update the program")
        return [_read(fs, url, root, entry) for entry in index["sets"]]
    except (*DAMAGED, ImportError) as error:
        raise DatasetError(f"{url} holds no tars of this program ({said(error)})") from None


def _read(fs, url: str, root: str, entry: dict) -> PackedSet:
    one = PackedSet(entry["name"], entry["kind"], [])
    with np.load(io.BytesIO(fs.cat_file(f"{root}/{_name(one)}.npz")), allow_pickle=False) as raw:
        held = {name: raw[name] for name in raw.files}
    members = [Member(f"{url}/{_name(one)}-{n:05d}.tar", int(at), int(size)) for n, at, size in held["place"]]
    return PackedSet(one.name, one.kind, samples_of(held, members))


def _name(one: PackedSet) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", one.name)


def _tars(samples: Sequence[Sample], tar_mb: float) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
    """Tars of about this size, and offset and size of each picture within."""
    at = 0
    while at < len(samples):
        file, members = io.BytesIO(), []
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            while at < len(samples) and (not members or file.tell() < tar_mb * 1e6):
                data = samples[at].encoded()
                entry = tarfile.TarInfo(f"{at:09d}.jpg")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
                members.append((file.tell() - -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE, len(data)))
                at += 1
        yield file.getvalue(), members
