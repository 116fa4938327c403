"""A run's header and a frame's people as plain records, shared by the formats and their reader."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from engine.skeleton import Skeleton
from realtime.result import Header, Result

UNITS = {"joints_px": "px", "joints_m": "m", "root_m": "m", "box_px": "px", "time_s": "s"}

OF_A_PERSON = ("frame", "time_s", "id", "presence", "joints_px", "joints_m", "root_m", "score", "box_px")


def record_of(skeleton: Skeleton) -> np.dtype:
    """The type of a row: one per person, and one for a frame without people."""
    joints = len(skeleton)
    return np.dtype(
        [
            ("frame", "<i8"),
            ("time_s", "<f8"),
            ("first", "?"),  # of its frame
            ("somebody", "?"),  # False: nobody is seen, and what follows is empty
            ("id", "<i4"),
            ("presence", "<f4"),
            ("joints_px", "<f4", (joints, 2)),
            ("joints_m", "<f4", (joints, 3)),  # from the root, camera axes
            ("root_m", "<f4", (3,)),  # NaN where not known
            ("score", "<f4", (joints,)),
            ("box_px", "<f4", (3,)),  # centre x, centre y, side
        ]
    )


def header_record(header: Header, schema: str) -> dict[str, object]:
    """What a file says about the run."""
    return {
        "schema": schema,
        "skeleton": header.skeleton.name,
        "joints": list(header.skeleton.names),
        "units": UNITS,
        "axes": "opencv-camera",
        "source": header.source,
        "size_px": list(header.size_px),
        "rate": None if header.rate is None else str(header.rate),
        "engine": header.engine,
        "weights": header.weights,
        "weights_sha256": header.weights_sha256,
        "assumptions": header.assumptions,
    }


def rows_of(result: Result, record: np.dtype) -> ndarray:
    """The frame's rows, of a `record_of` its skeleton."""
    rows = np.zeros(max(len(result.people), 1), record)
    rows["frame"], rows["time_s"] = result.index, result.time_s
    rows["first"][0] = True
    for row, person in zip(rows, result.people, strict=False):
        joints = person.joints
        row["somebody"], row["id"], row["presence"] = True, person.id, joints.presence
        row["joints_px"], row["joints_m"], row["score"] = joints.px, person.offsets_m, joints.score
        row["root_m"] = np.nan if person.root_m is None else person.root_m
        row["box_px"] = (*joints.box.center_px, joints.box.side_px)
    return rows


def arrays_of(rows: ndarray) -> dict[str, ndarray]:
    """Rows of a `record_of` as one array per field of a person, and the frames that were looked at."""
    people, frames = rows[rows["somebody"]], rows[rows["first"]]
    arrays = {name: np.ascontiguousarray(people[name]) for name in OF_A_PERSON}
    return arrays | {
        "frames_seen": np.ascontiguousarray(frames["frame"]),
        "frames_seen_time_s": np.ascontiguousarray(frames["time_s"]),
    }
