"""What a reader took from a data set, and what it left out and why: nothing is skipped in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray

from engine.crop import box_around
from train.datasets.labelled2d import MIN_JOINTS, DatasetError, derive_trunk
from train.datasets.sample import Sample, assumed_camera

NAMED = 3  # records that a line names


@dataclass(slots=True)
class Reading:
    """The samples of one data set, and the names of records that were left out, by reason."""

    folder: Path
    samples: list[Sample] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)  # of a set that is not made of samples

    def leave(self, record: str, reason: str) -> None:
        """Counts and names a record that cannot be used."""
        self.left_out.setdefault(reason, []).append(record)

    def lines(self) -> list[str]:
        """For a terminal: one per reason."""
        return [
            f"{self.folder.name}: {len(names)} left out, {reason}: {', '.join(names[:NAMED])}"
            + (" ..." if len(names) > NAMED else "")
            for reason, names in self.left_out.items()
        ]

    def add_photo(
        self,
        record: str,
        path: Path,
        joints_px: Float64[ndarray, "joints 2"],
        labelled: Bool[ndarray, "joints"],
        *,
        head_xyxy: Float64[ndarray, "4"] | None = None,
        derive: Sequence[int] = (),
    ) -> None:
        """A photo with joints in mpii16, or the reason why not. `derive`: joints that the set does not have at all."""
        if (wrong := fault_of(joints_px, labelled)) is not None:
            self.leave(record, wrong)
            return
        size = self.picture_size(record, path)
        if size is None:
            return
        joints = np.where(labelled[:, None], joints_px, 0).astype(np.float32)
        weight = np.zeros((len(joints), 3), np.float32)
        weight[:, :2] = labelled[:, None]
        box = box_around(joints[labelled].astype(np.float64))
        if derive:
            derive_trunk(joints, weight)
        none = np.zeros(len(joints), np.float32)
        self.samples.append(Sample(record, path, assumed_camera(*size), joints, none, weight, box, head_xyxy))

    def picture_size(self, record: str, path: Path) -> tuple[int, int] | None:
        """Width and height of a picture; where there is none, or it is damaged, the record is left out."""
        if not path.is_file():
            self.leave(record, "its picture is missing")
            return None
        size = jpeg_size(path)
        if size is None:
            self.leave(record, "its picture is no readable JPEG")
        return size

    def checked(self, what: str) -> Reading:
        """Itself. DatasetError where nothing of it can be used."""
        if not self.samples:
            why = "; ".join(self.lines()) or "it is empty"
            raise DatasetError(f"{self.folder} holds no usable record of {what}: {why}")
        return self


def fault_of(joints_px: Float64[ndarray, "joints 2"], labelled: Bool[ndarray, "joints"]) -> str | None:
    """What is wrong with a record's joints."""
    if not np.isfinite(joints_px[labelled]).all():
        return "a labelled joint is not a number"
    if labelled.sum() < MIN_JOINTS:
        return f"fewer than {MIN_JOINTS} joints are labelled"
    return None


def jpeg_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a JPEG, from its header alone; None where it is none."""
    with open(path, "rb") as file:
        if file.read(2) != b"\xff\xd8":
            return None
        while True:
            head = file.read(4)
            if len(head) < 4 or head[0] != 0xFF:
                return None
            if 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):  # a start of frame
                body = file.read(5)
                height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
                return (width, height) if width and height else None
            file.seek(int.from_bytes(head[2:], "big") - 2, 1)
