"""Both views of a take side by side, with the labels seen by each camera and what the teacher saw."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.crop import box_around
from realtime.overlay import draw_skeleton
from realtime.takes import Take
from train.own_rig.labelling import Labelled

MOMENTS = 6
HEIGHT_PX = 360
RING_BGR = (60, 230, 60)


def label_pictures(done: Labelled) -> Iterator[bytes]:
    """JPEGs of moments spread over the take; of a refused take with the teacher's joints alone."""
    a, b = done.placed.names
    for row_a, row_b in _moments(done):
        views = [_view(done, name, row) for name, row in ((a, row_a), (b, row_b))]
        whole = [view for view in views if view is not None]
        if len(whole) == 2:
            ok, data = cv2.imencode(".jpg", np.hstack(whole), [cv2.IMWRITE_JPEG_QUALITY, 85])
            if ok:
                yield data.tobytes()


def _moments(done: Labelled) -> list[tuple[int, int]]:
    """Rows of both cameras' tables that belong together, and that both have labels where there are any."""
    a, b = done.placed.names
    pairs = done.take.pairs(a, b)
    if done.labels is not None:
        labelled = [done.labels.frame[done.labels.of(name)] for name in (a, b)]
        pairs = pairs[np.isin(pairs[:, 0], labelled[0]) & np.isin(pairs[:, 1], labelled[1])]
    if not len(pairs):
        return []
    chosen = np.unique(np.linspace(0, len(pairs) - 1, MOMENTS + 2).round().astype(int))[1:-1]
    return [(int(i), int(j)) for i, j in pairs[chosen]]


def _view(done: Labelled, name: str, row: int) -> UInt8[ndarray, "h w 3"] | None:
    image = picture(done.take, name, row)
    if image is None:
        return None
    scale = HEIGHT_PX / image.shape[0]
    image = cv2.resize(image, (round(image.shape[1] * scale), HEIGHT_PX), interpolation=cv2.INTER_AREA)
    labels = done.labels
    if labels is not None:
        at = labels.of(name)[np.flatnonzero(labels.frame[labels.of(name)] == row)]
        for i in at:
            px = (labels.px[i] + 0.5) * scale - 0.5
            score = labels.kept[i].astype(np.float64)
            draw_skeleton(image, px, score, box_side_px=box_around(px).side_px)
    joints = done.joints[name]
    for i in np.flatnonzero(joints.frame == row):
        for x, y in (joints.px[i][np.isfinite(joints.px[i]).all(-1)] + 0.5) * scale - 0.5:
            cv2.circle(image, (round(float(x)), round(float(y))), 4, RING_BGR, 1, cv2.LINE_AA)
    return image


def picture(take: Take, name: str, row: int) -> UInt8[ndarray, "h w 3"] | None:
    """One picture of a take; None where it is damaged."""
    frame = next(take.cameras[name].frames(row, row + 1), None)
    return None if frame is None else frame.image_bgr
