"""Things that hide people: objects cut out of Pascal VOC 2012, as in the paper (4.2; Sarandi et al. 2018).

    FOLDER/Annotations/*.xml   FOLDER/SegmentationObject/*.png   FOLDER/JPEGImages/*.jpg

The three may also lie under FOLDER/VOC2012 or FOLDER/VOCdevkit/VOC2012.

People, and what is marked as truncated or difficult, are left out; so is what covers fewer than 500 px.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from train.datasets.labelled2d import DatasetError
from train.datasets.reading import Reading

MIN_AREA_PX = 500
SOFT_PX = 3  # the border's opacity falls off over so many px


def holds_voc(folder: Path) -> bool:
    """Whether a folder looks like Pascal VOC with segmentation."""
    return _root(folder) is not None


def read_voc_objects(folder: Path) -> tuple[list[UInt8[ndarray, "_ _ 4"]], Reading]:
    """Cut-outs, BGRA, and which records were left out. DatasetError where the folder holds none."""
    root = _root(folder)
    if root is None:
        raise DatasetError(f"{folder} is not Pascal VOC 2012: Annotations/ and SegmentationObject/ are wanted")
    reading = Reading(folder)
    things: list[UInt8[ndarray, "_ _ 4"]] = []
    for path in sorted((root / "SegmentationObject").glob("*.png")):
        things += _things_of(root, path, reading)
    if not things:
        raise DatasetError(f"{folder} has no object to cut out: {'; '.join(reading.lines()) or 'no segmentation'}")
    return things, reading


def _root(folder: Path) -> Path | None:
    places = (folder, folder / "VOC2012", folder / "VOCdevkit" / "VOC2012")
    return next((p for p in places if (p / "SegmentationObject").is_dir() and (p / "Annotations").is_dir()), None)


def _things_of(root: Path, path: Path, reading: Reading) -> list[UInt8[ndarray, "_ _ 4"]]:
    """The i-th object of the XML has number i of the segmentation, counted from 1."""
    try:
        objects = ElementTree.parse(root / "Annotations" / f"{path.stem}.xml").getroot().findall("object")
    except (OSError, ElementTree.ParseError) as error:
        reading.leave(path.stem, f"its annotation cannot be read ({type(error).__name__})")
        return []
    image = cv2.imread(str(root / "JPEGImages" / f"{path.stem}.jpg"), cv2.IMREAD_COLOR)
    colours = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or colours is None or image.shape != colours.shape:
        reading.leave(path.stem, "picture and segmentation are not there or do not fit")
        return []
    things = []
    for number, thing in enumerate(objects, 1):
        if thing.findtext("name") == "person" or "1" in (thing.findtext("truncated"), thing.findtext("difficult")):
            continue
        inside = (colours == _colour(number)).all(axis=2)
        if inside.sum() >= MIN_AREA_PX:
            things.append(_cut_out(image, inside.astype(np.uint8) * 255))
    return things


def _cut_out(image: UInt8[ndarray, "h w 3"], mask: UInt8[ndarray, "h w"]) -> UInt8[ndarray, "_ _ 4"]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SOFT_PX, SOFT_PX))
    soft = cv2.GaussianBlur(cv2.erode(mask, disc), (SOFT_PX, SOFT_PX), 0)
    x, y, w, h = cv2.boundingRect(mask)
    return np.dstack([image, np.minimum(soft, mask)])[y : y + h, x : x + w].copy()


def _colour(number: int) -> UInt8[ndarray, "3"]:
    """BGR of a number in VOC's palette: its bits, three at a time, fill red, green and blue from the top."""
    rgb = [sum(((number >> (3 * k + channel)) & 1) << (7 - k) for k in range(8)) for channel in range(3)]
    return np.array(rgb[::-1], np.uint8)
