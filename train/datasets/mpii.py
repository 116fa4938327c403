"""MPII Human Pose (Andriluka et al., CVPR 2014): the release's .mat, or the JSON that HRNet's and other code bases use.

    FOLDER/images/*.jpg   and one of
    FOLDER/mpii_human_pose_v1_u12_1.mat
    FOLDER/annot/train.json, valid.json (and gt_valid.mat: head boxes)

Both count pixels from 1, as MATLAB does; here the first pixel's centre is 0. The JSON's test.json has no joints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import MPII16
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError
from train.datasets.matlab import read_mat
from train.datasets.reading import Reading

RELEASE = "mpii_human_pose_v1_u12_1*.mat"
Part = Literal["train", "valid"]
FIRST_PX = 1.0  # what MATLAB calls the first pixel


def holds_mpii(folder: Path) -> bool:
    """Whether a folder looks like MPII."""
    return any(folder.rglob(RELEASE)) or any((folder / "annot").glob("*.json"))


def read_mpii(folder: Path, part: Part = "train") -> Reading:
    """People with at least six joints. DatasetError where the annotation cannot be read or nobody is left.

    The JSON has its own split. The release has only training pictures with joints, and no split of them: every
    eighth picture, by name, is `valid`.
    """
    table = folder / "annot" / f"{part}.json"
    if table.is_file():
        return _read_json(folder, table, _head_boxes(folder / "annot" / f"gt_{part}.mat")).checked("MPII")
    release = next(iter(sorted(folder.rglob(RELEASE))), None)
    if release is None:
        raise DatasetError(f"{folder} holds neither annot/{part}.json nor {RELEASE}; docs/datasets.md says where")
    return _read_release(folder, release, part).checked("MPII")


def _read_json(folder: Path, table: Path, heads: dict[int, ndarray]) -> Reading:
    reading = Reading(folder)
    try:
        entries = json.loads(table.read_text(encoding="utf-8"))
        entries = [(str(e["image"]), e["joints"], e["joints_vis"]) for e in entries]
    except DAMAGED as error:
        raise DatasetError(f"{table} is not MPII's JSON ({said(error)})") from None
    for number, (image, joints, visible) in enumerate(entries):
        record = f"{image} #{number}"
        try:
            px = np.array(joints, np.float64).reshape(len(MPII16), 2) - FIRST_PX
            labelled = np.array(visible, bool).reshape(len(MPII16)) & ~(px <= -FIRST_PX).all(axis=1)
        except (ValueError, TypeError):
            reading.leave(record, "its joints are not 16 pairs of numbers")
            continue
        reading.add_photo(record, folder / "images" / image, px, labelled, head_xyxy=heads.get(number))
    return reading


def _head_boxes(path: Path) -> dict[int, Float64[ndarray, "4"]]:
    """By the number of the JSON's entry; `headboxes_src` is (2 corners, 2, n)."""
    if not path.is_file():
        return {}
    boxes = read_mat(path).get("headboxes_src")
    if not isinstance(boxes, ndarray) or boxes.ndim != 3 or boxes.shape[:2] != (2, 2):
        raise DatasetError(f"{path} has no headboxes_src of shape (2, 2, n)")
    return {i: boxes[:, :, i].astype(np.float64).ravel() - FIRST_PX for i in range(boxes.shape[2])}


def _read_release(folder: Path, path: Path, part: Part) -> Reading:
    reading = Reading(folder)
    try:
        release = np.atleast_1d(np.asarray(read_mat(path, squeeze=True)["RELEASE"], dtype=object))[0]
        pictures, taught = np.atleast_1d(release.annolist), np.atleast_1d(release.img_train)
    except DAMAGED:
        raise DatasetError(f"{path} has no RELEASE with annolist and img_train; it is not MPII's release") from None
    if len(pictures) != len(taught):
        raise DatasetError(f"{path}: annolist has {len(pictures)} pictures, img_train {len(taught)}")
    names = [str(getattr(getattr(p, "image", None), "name", getattr(p, "image", "?"))) for p in pictures]
    place = {name: i for i, name in enumerate(sorted({n for n, t in zip(names, taught, strict=True) if t}))}
    for name, picture, train in zip(names, pictures, taught, strict=True):
        if train and (place[name] % 8 == 0) == (part == "valid"):
            for number, rect in enumerate(np.atleast_1d(getattr(picture, "annorect", []))):
                _add_person(reading, folder, name, number, rect)
    return reading


def _add_person(reading: Reading, folder: Path, image: str, number: int, rect: object) -> None:
    record = f"{image} #{number}"
    points = getattr(getattr(rect, "annopoints", None), "point", None)
    if points is None:
        reading.leave(record, "no joint is annotated")
        return
    px, labelled = np.zeros((len(MPII16), 2)), np.zeros(len(MPII16), bool)
    try:
        marked = list(_points(points))
    except DAMAGED:
        reading.leave(record, "its joints are not numbers with id, x and y")
        return
    for id, x, y in marked:
        if not 0 <= id < len(MPII16):
            reading.leave(record, "a joint has a number beyond 0 ... 15")
            return
        px[id], labelled[id] = (x - FIRST_PX, y - FIRST_PX), True
    corners = [getattr(rect, side, None) for side in ("x1", "y1", "x2", "y2")]
    known = all(isinstance(v, (int, float, np.integer, np.floating)) for v in corners)
    head = np.array(corners, np.float64) - FIRST_PX if known else None
    reading.add_photo(record, folder / "images" / image, px, labelled, head_xyxy=head)


def _points(points: object) -> Iterator[tuple[int, float, float]]:
    for point in np.atleast_1d(np.asarray(points, dtype=object)):
        yield int(point.id), float(point.x), float(point.y)
