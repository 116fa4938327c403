"""Photos with what a teacher network says of them, to look at."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.crop import Box, box_around
from realtime.colours import bgr, side_rgb
from realtime.figure import rods_of
from train.teachers.annotation import Annotated
from train.teachers.joints import from_blazepose

TILE_PX, COLUMNS, ROWS = 240, 8, 4
LABEL_BGR = (255, 255, 255)


def sheet(annotated: Annotated, path: Path) -> Path | None:
    """Photos spread over the table: the network's joints in colours, thick where depth is believed, labels as rings.

    None where the network saw nobody.
    """
    seen = np.flatnonzero(np.isfinite(annotated.said.columns["px33"].astype(np.float64)).all(axis=(1, 2)))
    if not len(seen):
        return None
    rows = seen[np.unique(np.linspace(0, len(seen) - 1, min(COLUMNS * ROWS, len(seen))).astype(int))]
    tiles = [_tile(annotated, row, image) for row, image in annotated.photos.pictures(rows)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    picture = np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)])
    cv2.imwrite(str(path), picture)
    return path


def _tile(annotated: Annotated, row: int, image_bgr: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "t t 3"]:
    joints = from_blazepose(annotated.said.columns["px33"][row].astype(np.float64))
    labels = annotated.photos.joints_px[row]
    known = np.concatenate([joints[np.isfinite(joints).all(axis=1)], labels[np.isfinite(labels).all(axis=1)]])
    box = box_around(known)
    to_tile = _tile_from_px(box)
    tile = cv2.warpAffine(image_bgr, to_tile, (TILE_PX, TILE_PX), flags=cv2.INTER_AREA)
    px, rings = joints @ to_tile[:, :2].T + to_tile[:, 2], labels @ to_tile[:, :2].T + to_tile[:, 2]
    deep = np.zeros(len(joints), bool)
    deep[: len(labels)] = annotated.depth_weight[row] > 0
    for child, parent in rods_of(len(joints)):
        if np.isfinite(px[[child, parent]]).all():
            a, b = np.round(16 * px[[child, parent]]).astype(int).tolist()
            thick = 3 if deep[parent] and (deep[child] or child >= len(labels)) else 1
            cv2.line(tile, a, b, bgr(side_rgb(child)), thick, cv2.LINE_AA, shift=4)
    for x, y in rings[np.isfinite(rings).all(axis=1)]:
        cv2.circle(tile, (round(float(x)), round(float(y))), 3, LABEL_BGR, 1, cv2.LINE_AA)
    return tile


def _tile_from_px(box: Box) -> ndarray:
    scale = TILE_PX / box.side_px
    return np.column_stack([scale * np.eye(2), (TILE_PX - 1) / 2 - scale * box.center_px])
