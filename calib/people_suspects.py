"""Why the joints of two cameras do not fit, or fit too well: mirrored, exchanged, the same pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from calib.camera import Camera
from calib.degeneracy import RESIDUAL_PX
from calib.epipolar_fit import linearised, robust_cost
from calib.epipolar_pose import Pose, find_pose, pairs_of
from calib.epipolar_search import NOMINAL_FOCAL_PX
from calib.errors import UserError
from calib.joint_track import Body, Track
from calib.verdict import Reason

SAME_PX = 1.0
BETTER = 0.6  # a suspicion that leaves less than this part of the residual is the reason
LENSES_APART = 0.02  # focal lengths nearer than this are one
EXCHANGED = 0.97  # part of the cost that is left with each other's lenses


@dataclass(frozen=True, slots=True)
class Seen:
    """Both cameras' tracks of the same moments, and their lenses, in order."""

    names: tuple[str, str]
    tracks: tuple[Track, Track]
    cameras: tuple[Camera, Camera]


def suspects(seen: Seen, pose: Pose, body: Body) -> Iterator[Reason]:
    """What was probably mixed up. Each is tried out only where it could be true."""
    a, b = seen.names
    if same_pictures(seen):
        yield Reason("red", f"{a} and {b} show the same pictures: take each camera's own recording")
        return
    nominal_px = pose.fit.sigma_px * NOMINAL_FOCAL_PX / pose.fit.pairs.focal_px
    if nominal_px > RESIDUAL_PX[0] or pose.front_share < 0.97:
        yield from _mirrored(seen, pose, body)
    if _exchanged(seen, pose):
        yield Reason("red", f"the joints of {a} fit the lens of {b}, and the reverse: the recordings are exchanged")


def same_pictures(seen: Seen) -> bool:
    """Whether joints lie at the same pixels: no two cameras see that."""
    a, b = seen.tracks
    both = a.seen & b.seen
    return bool(both.any()) and float(np.median(np.linalg.norm(a.px[both] - b.px[both], axis=-1))) < SAME_PX


def _mirrored(seen: Seen, pose: Pose, body: Body) -> Iterator[Reason]:
    b = seen.tracks[1]
    mirror = list(body.mirror)
    crossed = Track(b.time_s, b.px[:, mirror], b.score[:, mirror])
    labels_only = _tried(seen, crossed)
    if labels_only is None or labels_only.fit.sigma_px > BETTER * pose.fit.sigma_px:
        return
    camera = seen.cameras[1]
    flipped = _tried(seen, replace(crossed, px=np.array([camera.width - 1, 0]) + crossed.px * (-1, 1)))
    names = seen.names
    if flipped is not None and flipped.front_share > labels_only.front_share + 0.02:
        text = f"the video of {names[1]} or of {names[0]} is mirrored; switch off mirroring where it was recorded"
        yield Reason("red", text)
        return
    text = f"left and right of the body are exchanged between {names[0]} and {names[1]}: use another detector of joints"
    yield Reason("red", f"{text}, or do not stand with your back to one camera all the time")


def _tried(seen: Seen, instead: Track) -> Pose | None:
    try:
        return find_pose(pairs_of(seen.tracks[0], instead, seen.cameras))
    except UserError:
        return None


def _exchanged(seen: Seen, pose: Pose) -> bool:
    """Whether the joints fit better through each other's lenses."""
    a, b = seen.cameras
    if (a.width, a.height) != (b.width, b.height) or abs(np.log(a.K[0, 0] / b.K[0, 0])) < LENSES_APART:
        return False
    pairs = pairs_of(seen.tracks[0], seen.tracks[1], (b, a))
    try:
        other = find_pose(pairs)
    except UserError:
        return False
    width_px = min(pose.fit.width_px, other.fit.width_px)
    now = robust_cost(pose.fit.linear.residuals_px, pose.fit.pairs.weight, width_px)
    then = robust_cost(linearised(other.relative, pairs).residuals_px, pairs.weight, width_px)
    return then < EXCHANGED * now
