"""Poses that a run has saved, read back: .npz and .jsonl, also of a run that was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64
from numpy import ndarray

from engine.errors import UserError
from engine.skeleton import Skeleton, skeleton_named
from realtime.sinks import jsonl, npz
from realtime.sinks.growing_zip import first_name
from realtime.sinks.records import arrays_of, record_of


class PosesError(UserError):
    """A file of poses that cannot be read."""


@dataclass(frozen=True, slots=True)
class Poses:
    """All people of all frames, in order: n of them. A person whose distance is not known has a root of NaN."""

    header: dict[str, Any]
    frame: Int64[ndarray, "n"]
    time_s: Float64[ndarray, "n"]
    id: Int32[ndarray, "n"]
    presence: Float32[ndarray, "n"]
    joints_px: Float32[ndarray, "n joints 2"]
    joints_m: Float32[ndarray, "n joints 3"]  # from the root, camera axes
    root_m: Float32[ndarray, "n 3"]
    score: Float32[ndarray, "n joints"]
    box_px: Float32[ndarray, "n 3"]  # centre x, centre y, side
    frames_seen: Int64[ndarray, "frames"]  # all that were looked at, also where nobody is seen
    frames_seen_time_s: Float64[ndarray, "frames"]

    @property
    def skeleton(self) -> Skeleton:
        """Whose joints these are."""
        return skeleton_named(tuple(self.header["joints"]))


def read_poses(path: Path) -> Poses:
    """PosesError where the file is none of ours, or newer than this program."""
    readers: dict[str, Callable[[Path], Poses]] = {".npz": _read_npz, ".jsonl": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise PosesError(f"{path}: poses are read from {' and '.join(readers)}")
    try:
        return readers[path.suffix.lower()](path)
    except OSError as error:
        raise PosesError(f"{path} cannot be read ({error.strerror})") from error
    except (BadZipFile, EOFError, KeyError, ValueError, TypeError) as error:
        raise PosesError(f"{path} is not a file of poses, or it is damaged ({error})") from error


def _read_npz(path: Path) -> Poses:
    with open(path, "rb") as file:  # once: a run that ends now puts another in its place
        unfinished = first_name(file) == f"{npz.UNFINISHED}.npy"
        file.seek(0)
        if unfinished:
            header, rows = npz.read_pieces(file)
            return Poses(_checked(path, json.loads(header), npz.SCHEMA), **arrays_of(rows))
        with np.load(file, allow_pickle=False) as members:
            arrays = dict(members)
    about = _checked(path, json.loads(str(arrays.pop("header"))), npz.SCHEMA)
    del arrays["schema"], arrays["joints"]
    return Poses(about, **arrays)


def _read_jsonl(path: Path) -> Poses:
    rows: list[ndarray] = []
    header, kind = None, np.dtype([])
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                break  # torn by the end of a run
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error.msg}") from error
            if header is None:
                header = _checked(path, record, jsonl.SCHEMA)
                kind = record_of(skeleton_named(tuple(header["joints"])))
                rows.append(np.zeros(0, kind))
            else:
                rows.append(_rows(record, kind))
    if header is None:
        raise ValueError("it has no header")
    return Poses(header, **arrays_of(np.concatenate(rows)))


def _rows(record: dict[str, Any], kind: np.dtype) -> ndarray:
    """One line's rows."""
    rows = np.zeros(max(len(record["people"]), 1), kind)
    rows["frame"], rows["time_s"] = record["frame"], record["time_s"]
    rows["first"][0] = True
    for row, person in zip(rows, record["people"], strict=False):
        row["somebody"] = True
        for name in ("id", "presence", "joints_px", "joints_m", "score", "box_px"):
            row[name] = person[name]
        row["root_m"] = np.nan if person["root_m"] is None else person["root_m"]
    return rows


def _checked(path: Path, header: Any, schema: str) -> dict[str, Any]:
    """The header of a file that this program knows how to read."""
    if not isinstance(header, dict):
        raise ValueError("it has no header")
    found = str(header["schema"])
    kind, _, version = found.partition("/")
    known_kind, _, known = schema.partition("/")
    if kind == known_kind and version.isdigit() and int(version) > int(known):
        raise PosesError(f"{path} has schema {found}, this program reads {schema}; update it")
    if found != schema:
        raise ValueError(f"schema {found}, not {schema}")
    try:
        skeleton_named(tuple(header["joints"]))
    except ValueError as error:
        raise PosesError(f"{path} has {error}; update this program") from None
    return header
