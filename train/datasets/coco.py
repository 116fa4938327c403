"""COCO folders (Lin et al., ECCV 2014): here only what shows no person.

Pictures without people teach what a person is not. Of pictures with people, which no training reads, squares beside
the people judge it: `lists/coco_mini_person_free.txt`, chosen by the annotations and looked at one by one.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.crop import Box
from train.datasets.labelled2d import DatasetError
from train.datasets.sample import Sample, assumed_camera, background, decode_jpeg

PERSON = 1  # COCO's category id


def read_person_free(folder: Path) -> list[Sample]:
    """Pictures of `folder` (annotations/instances_SPLIT.json, SPLIT/) in which no person is annotated."""
    samples = []
    for table in sorted(folder.glob("annotations/instances_*.json")):
        split = table.stem.removeprefix("instances_")
        content = json.loads(table.read_text(encoding="utf-8"))
        with_people = {a["image_id"] for a in content["annotations"] if a["category_id"] == PERSON}
        for image in content["images"]:
            path = folder / split / image["file_name"]
            if image["id"] not in with_people and path.is_file():
                samples.append(background(image["file_name"], path.read_bytes()))
    return samples


def listed_pictures() -> frozenset[str]:
    """Names of the pictures whose squares judge presence: no training reads them."""
    return frozenset(line.split()[0] for line in _listed())


def _listed() -> list[str]:
    text = resources.files("train.datasets").joinpath("lists", "coco_mini_person_free.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def read_person_free_squares(folder: Path) -> list[tuple[UInt8[ndarray, "h w 3"], Box, Float64[ndarray, "3 3"]]]:
    """The listed squares that the folder has: picture, box, assumed camera. DatasetError when it has none of them."""
    pictures: dict[str, UInt8[ndarray, "h w 3"]] = {}
    squares = []
    for line in _listed():
        name, *numbers = line.split()
        path = next(iter(folder.glob(f"*/{name}")), None)
        if path is None:
            continue
        if name not in pictures:
            pictures[name] = decode_jpeg(path.read_bytes())
        x_px, y_px, side_px = (float(v) for v in numbers)
        height, width = pictures[name].shape[:2]
        squares.append((pictures[name], Box(np.array([x_px, y_px]), side_px), assumed_camera(width, height)))
    if not squares:
        raise DatasetError(f"{folder} has none of the pictures of the frozen list of squares without people")
    return squares


def read_pictures(folder: Path) -> list[Sample]:
    """Every JPEG under a folder of pictures without people."""
    return [background(path.name, path.read_bytes()) for path in sorted(folder.rglob("*.jpg"))]
