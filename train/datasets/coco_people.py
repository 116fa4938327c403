"""People of COCO (Lin et al., ECCV 2014): its 17 keypoints mapped to ours; head top and upper neck stay masked.

The pelvis is derived from the hips; the thorax needs a neck, which COCO lacks, so it stays masked too. Crowds are left
out.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from engine.skeleton import (
    L_ANKLE,
    L_ELBOW,
    L_HIP,
    L_KNEE,
    L_SHOULDER,
    L_WRIST,
    MPII16,
    PELVIS,
    R_ANKLE,
    R_ELBOW,
    R_HIP,
    R_KNEE,
    R_SHOULDER,
    R_WRIST,
)
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError
from train.datasets.reading import Reading

# mpii16 index of COCO's keypoints 5 ... 16; 0 ... 4 are nose, eyes, ears
FROM_SHOULDERS = (
    L_SHOULDER, R_SHOULDER, L_ELBOW, R_ELBOW, L_WRIST, R_WRIST, L_HIP, R_HIP, L_KNEE, R_KNEE, L_ANKLE, R_ANKLE,
)  # fmt: skip


def read_coco_people(folder: Path) -> Reading:
    """Everybody with at least six of our joints in annotations/person_keypoints_SPLIT.json, pictures in SPLIT/."""
    reading = Reading(folder)
    for table in sorted(folder.glob("annotations/person_keypoints_*.json")):
        pictures = folder / table.stem.removeprefix("person_keypoints_")
        try:
            content = json.loads(table.read_text(encoding="utf-8"))
            names = {image["id"]: image["file_name"] for image in content["images"]}
            people = [(a["id"], a["image_id"], a["keypoints"], a.get("iscrowd", 0)) for a in content["annotations"]]
        except DAMAGED as error:
            raise DatasetError(f"{table} is not COCO's JSON ({said(error)})") from None
        for id, image_id, keypoints, crowd in people:
            if not crowd:
                _add(reading, pictures, f"{names.get(image_id, '?')} #{id}", names.get(image_id), keypoints)
    return reading.checked("COCO's people")


def _add(reading: Reading, pictures: Path, record: str, name: str | None, keypoints: list[float]) -> None:
    if name is None:
        reading.leave(record, "its picture is not listed")
        return
    try:
        points = np.array(keypoints, np.float64).reshape(17, 3)
    except (ValueError, TypeError):
        reading.leave(record, "its keypoints are not 17 triples of numbers")
        return
    px, labelled = np.zeros((len(MPII16), 2)), np.zeros(len(MPII16), bool)
    index = np.array(FROM_SHOULDERS)
    px[index], labelled[index] = points[5:, :2], points[5:, 2] > 0
    reading.add_photo(record, pictures / name, px, labelled, derive=(PELVIS,))
