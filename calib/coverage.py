"""What views of a board cover, of the picture and of directions of tilt, and where the board is wanted next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

GRID = 5
TILT_BINS = ("right", "lower right", "lower", "lower left", "left", "upper left", "upper", "upper right")
TILTS_WANTED = 4  # directions of eight
# least shares of the picture's cells, and of those along its sides and in its corners
SHARES_WANTED = {"picture": 0.8, "edges": 0.75, "corners": 0.5}


@dataclass(frozen=True)
class Coverage:
    """What views show of the picture and of tilts. Shares 0 ... 1 of 25 cells, 12 edge cells, 4 corner cells."""

    cells: Int64[ndarray, "5 5"]  # views with a corner in it; rows from the top
    tilts: Int64[ndarray, "8"]  # views per direction in which the board recedes, as `TILT_BINS`

    @property
    def picture(self) -> float:
        """Share of all cells that were seen."""
        return float((self.cells > 0).mean())

    @property
    def edges(self) -> float:
        """Share of the cells along the four sides, corners apart."""
        return float((self.cells[rim() == 1] > 0).mean())

    @property
    def corners(self) -> float:
        """Share of the four cells in the picture's corners."""
        return float((self.cells[rim() == 2] > 0).mean())

    @property
    def tilt_directions(self) -> int:
        """How many of the eight directions were seen."""
        return int((self.tilts > 0).sum())

    @property
    def enough(self) -> bool:
        """Whether tilts and picture are covered as well as a lens asks for."""
        covered = all(getattr(self, name) >= least for name, least in SHARES_WANTED.items())
        return covered and self.tilt_directions >= TILTS_WANTED

    @property
    def flipped(self) -> Coverage:
        """The same as a mirror shows it: for a preview that is mirrored."""
        return Coverage(self.cells[:, ::-1].copy(), self.tilts[(4 - np.arange(8)) % 8].copy())

    def wanted_tilt(self) -> int | None:
        """The direction farthest from those seen; None where there are enough."""
        if self.tilt_directions >= TILTS_WANTED:
            return None
        seen = np.flatnonzero(self.tilts).tolist()
        distance = [min((min((b - s) % 8, (s - b) % 8) for s in seen), default=4) for b in range(8)]
        return distance.index(max(distance))

    def wanted_cell(self) -> tuple[int, int] | None:
        """Row and column of the cell that is missed most; None where none is."""
        row, column = next(((r, c) for r, c in RIM_ORDER if self.cells[r, c] == 0), (-1, -1))
        return None if row < 0 else (row, column)

    def advice(self) -> str:
        """How and where the board should be held next; empty where nothing is missing."""
        tilt, cell = self.wanted_tilt(), self.wanted_cell()
        if tilt is not None:
            return f"tilt the board so that its {TILT_BINS[tilt]} side is farther away"
        return "" if cell is None else f"bring the board to the {_place(*cell)} of the picture"


def rim() -> Int64[ndarray, "5 5"]:
    """For each cell how many of the picture's sides it touches: 0 inside, 1 at an edge, 2 in a corner."""
    side = np.isin(np.arange(GRID), (0, GRID - 1)).astype(np.int64)
    return side[:, None] + side[None, :]


# corners, edges, inside
RIM_ORDER = [(int(r), int(c)) for level in (2, 1, 0) for r, c in np.argwhere(rim() == level)]


def _place(row: int, column: int) -> str:
    vertical = {0: "top", GRID - 1: "bottom"}.get(row, "")
    horizontal = {0: "left", GRID - 1: "right"}.get(column, "")
    if vertical and horizontal:
        return f"{vertical} {horizontal} corner"
    if vertical or horizontal:
        return f"{vertical or horizontal} edge"
    return "middle"
