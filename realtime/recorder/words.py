"""The state of a recording in words, the same in terminal and window."""

from __future__ import annotations

import math

from realtime.recorder.status import LaneStatus, Status

COLUMNS = ("camera", "rate", "jitter", "dropped", "picture", "sharp", "grey", "phase", "frames")
GOOD = "good"


def rows(status: Status) -> list[list[str]]:
    """A row per camera, as `COLUMNS`."""
    return [row(lane) for lane in status.lanes]


def row(lane: LaneStatus) -> list[str]:
    """One camera."""
    rhythm, look = lane.rhythm, lane.look
    return [
        lane.name if lane.segments == 1 else f"{lane.name} ({lane.segments})",
        "-" if rhythm.rate_hz is None else f"{rhythm.rate_hz:.1f}",
        "-" if rhythm.jitter_p95_ms is None else f"{rhythm.jitter_p95_ms:.1f} ms",
        str(lane.dropped),
        condition(lane),
        "-" if look is None else f"{look.sharpness:.0f}",
        "-" if look is None else f"{look.grey:.0f}",
        "" if lane.phase_ms is None else f"{lane.phase_ms:+.1f} ms",
        str(lane.written),
    ]


def condition(lane: LaneStatus) -> str:
    """Whether a camera gives pictures, and good ones."""
    if lane.state != "fine":
        return {"gone": "GONE", "silent": "NO PICTURE", "ended": "ended", "failed": "FAILED"}[lane.state]
    if lane.slow:
        return "slow: more light"
    return "-" if lane.look is None else lane.look.complaint or GOOD


def is_well(lane: LaneStatus) -> bool:
    """Whether nothing has to be done about a camera."""
    return lane.state in ("fine", "ended") and not lane.slow and not (lane.look and lane.look.complaint)


def headline(status: Status) -> str:
    """What it does, for how long, and how much room is left."""
    if status.phase == "getting ready":
        return f"begins in {count(status)} s"
    text = f"recording {clock(status.elapsed_s)}, {status.bytes_written / 1e6:.0f} MB"
    return text if status.disk_left_s is None else f"{text}, room for {span(status.disk_left_s)}"


def count(status: Status) -> str:
    """The number of a countdown."""
    return f"{math.ceil(max(-status.elapsed_s, 0.0))}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(max(seconds, 0.0)) // 60}:{int(max(seconds, 0.0)) % 60:02d}"


def span(seconds: float) -> str:
    """How long, roughly."""
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
