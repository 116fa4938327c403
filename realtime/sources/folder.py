"""A folder of pictures, in the order of their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2

from realtime.frame import Frame
from realtime.sources import SourceError
from realtime.sources.rotation import turned, turned_size

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# pictures carry no rate; taken as a sequence they are played at this one
RATE = Fraction(30)


class FolderSource:
    """Pictures; sizes may differ. Orientation tags of photos are obeyed unless a rotation is given."""

    live = False
    rate: Fraction | None = RATE

    def __init__(self, folder: Path, *, rotate_deg: int | None = None) -> None:
        paths = sorted((p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES), key=_natural)
        if not paths:
            raise SourceError(f"no pictures in {folder}; it needs {' '.join(SUFFIXES)} files")
        self.name = str(folder)
        self.frame_count: int | None = len(paths)
        self.paths = paths
        self._flags = cv2.IMREAD_COLOR if rotate_deg is None else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        self._rotate_deg = rotate_deg or 0
        first = self._read(paths[0])
        self.size_px = turned_size((first.shape[1], first.shape[0]), self._rotate_deg)
        count = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
        self.description = f"{count}, the first {self.size_px[0]}x{self.size_px[1]}"

    def frames(self) -> Iterator[Frame]:
        """One frame per picture."""
        for index, path in enumerate(self.paths):
            yield Frame(index, float(index / RATE), turned(self._read(path), self._rotate_deg))

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, path: Path) -> cv2.typing.MatLike:
        image = cv2.imread(str(path), self._flags)
        if image is None:
            raise SourceError(f"{path} is not a readable picture; remove it or convert it")
        return image


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorts img2 before img10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
