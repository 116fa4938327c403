"""COCO folders (Lin et al., ECCV 2014): here only the pictures without people, to teach what a person is not."""

from __future__ import annotations

import json
from pathlib import Path

from train.datasets.sample import Sample, background

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


def read_pictures(folder: Path) -> list[Sample]:
    """Every JPEG under a folder of pictures without people."""
    return [background(path.name, path.read_bytes()) for path in sorted(folder.rglob("*.jpg"))]
