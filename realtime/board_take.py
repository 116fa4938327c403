"""Boards in a take: moments that its cameras share by their clocks, not by the numbers of their frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from calib.board import Board
from calib.detect import detect
from calib.detection import Detection
from engine.errors import UserError
from realtime.board_pictures import EXPLAINED, MOMENTS, Looked
from realtime.progress import Step
from realtime.takes.take import Take


def shared_moments(take: Take, floor: str | None = None) -> tuple[Float64[ndarray, "moments"], int | None]:
    """Moments (take time) spread over the time that all cameras recorded, and which one `floor` names, in seconds.

    Of each stretch of the take the moment at which the cameras' frames lie closest together. TakeError where there is
    no common time, UserError where `floor` is not in it.
    """
    begin_s, end_s = take.common_s
    first, *others = (camera.take_time_s for camera in take.cameras.values())
    shared_s = first[(first >= begin_s) & (first <= end_s)]
    away_s = np.zeros(len(shared_s))
    for other in others:
        away_s = np.maximum(away_s, np.abs(other[_nearest(other, shared_s)] - shared_s))
    stretch = np.minimum((shared_s - begin_s) / (end_s - begin_s) * MOMENTS, MOMENTS - 1).astype(int)
    rows = [np.flatnonzero(stretch == k) for k in range(MOMENTS)]
    best = [int(row[np.argmin(away_s[row])]) for row in rows if len(row)]
    if floor is None:
        return shared_s[best], None
    try:
        floor_s = begin_s + float(floor)
    except ValueError:
        raise UserError(f"--floor {floor}: a take has no pictures with names; give seconds from its start") from None
    if not begin_s <= floor_s <= end_s:
        raise UserError(f"--floor {floor}: the take's cameras share {end_s - begin_s:.1f} s; give seconds in it")
    lying = int(np.argmin(np.abs(shared_s - floor_s)))
    best = sorted({*best, lying})
    return shared_s[best], best.index(lying)


def look_in_take(take: Take, board: Board, times_s: Float64[ndarray, "moments"], *, step: Step) -> list[Looked]:
    """Every camera's frame of each moment; one that is damaged shows no board."""
    total, done, looked = len(times_s) * len(take.cameras), 0, []
    for camera in take.cameras.values():
        moments = [f"{time_s - times_s[0]:.2f} s" for time_s in times_s]
        one = Looked(camera.name, [None] * len(times_s), [], moments, list(range(len(times_s))))
        rows = _nearest(camera.take_time_s, times_s)
        for frame in camera.frames(int(rows.min()), int(rows.max()) + 1):
            for moment in np.flatnonzero(rows == frame.index).tolist():
                explain = len(one.absences) < EXPLAINED
                seen = detect(frame.image_bgr, board, explain=explain)
                if isinstance(seen, Detection):
                    one.detections[moment] = seen
                elif explain:
                    one.absences.append(seen.text)
                done += 1
                step(done, total, f"{camera.name}: {len(one.found)} boards")
        looked.append(one)
    return looked


def _nearest(among_s: Float64[ndarray, "n"], times_s: Float64[ndarray, "m"]) -> Int64[ndarray, "m"]:
    """Which of some rising times lies nearest to each."""
    after = np.clip(np.searchsorted(among_s, times_s), 1, max(len(among_s) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(among_s) - 1)
    nearer = np.abs(among_s[after] - times_s) < np.abs(among_s[before] - times_s)
    return np.where(nearer, after, before).astype(np.int64)
