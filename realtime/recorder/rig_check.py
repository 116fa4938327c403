"""A stored rig against what its cameras see just now: joints of the last seconds, held against it every few seconds.

Runs in a process of its own (`rig_guard`): nothing here can hold up a recording.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from calib.errors import UserError as CalibError
from calib.joint_track import Track
from calib.rig import Rig
from calib.rig_watch import RigCheck, check_rig
from engine.backends import Engine
from engine.errors import UserError
from engine.joints import Joints
from engine.skeleton import CORE, MPII16
from realtime.frame import Frame
from realtime.take_joints import BODY, SCORE_LEAST
from realtime.tracker import Tracker

WINDOW_S = 20.0  # a check looks back so far
LEAST_S = 10.0  # less of a walk says too little
EVERY_S = 4.0
AGREEING = 2  # checks in a row that say the same make an alarm
FRAMES_LEAST = 40  # with the person, of each camera

Picture = tuple[str, float, bytes]  # camera, moment, JPEG


@dataclass(frozen=True, slots=True)
class Finding:
    """Two cameras at the last check. `angle_deg` counts where `told`, `moved` where checks in a row agree."""

    names: tuple[str, str]
    told: bool
    moved: str | None
    angle_deg: float

    @property
    def text(self) -> str:
        """One sentence."""
        if not self.told:
            return f"{' and '.join(self.names)}: cannot tell yet whether one was moved; walk through the whole space"
        if self.moved is None:
            return f"{' and '.join(self.names)} stand where the rig has them, to {self.angle_deg:.1f} degrees"
        return f"camera {self.moved} moved: {self.angle_deg:.1f} degrees; calibrate again"


class RigChecker:
    """Follows one person in every camera of a rig. Cameras are checked in pairs, each with the first one."""

    def __init__(self, rig: Rig, engine: Engine, *, least_s: float = LEAST_S, every_s: float = EVERY_S) -> None:
        self._rig, self._least_s, self._every_s = rig, least_s, every_s
        self._trackers = {name: Tracker(engine, camera.K, live=True) for name, camera in rig.cameras.items()}
        self._seen: dict[str, deque[tuple[float, Joints | None]]] = {name: deque() for name in rig.cameras}
        self._due_s: float | None = None
        self._before: dict[str, str | None] = {}  # by second camera: who moved by the check before
        self._index = 0

    def look(self, name: str, time_s: float, image_bgr: UInt8[ndarray, "h w 3"]) -> None:
        """At a picture of one camera. One that is no newer than the last is left out."""
        seen = self._seen[name]
        if seen and time_s <= seen[-1][0]:
            return
        tracker = self._trackers[name]
        self._index += 1
        people = tracker.finish(tracker.begin(Frame(self._index, time_s, image_bgr)))
        seen.append((time_s, max((j for _, j in people), key=lambda j: j.box.side_px, default=None)))
        while seen[0][0] < time_s - WINDOW_S:
            seen.popleft()

    def findings(self) -> tuple[Finding, ...] | None:
        """One per pair when a check is due, else None."""
        first, *others = self._seen
        if any(not seen for seen in self._seen.values()):
            return None
        newest_s = self._seen[first][-1][0]
        if self._due_s is None:
            self._due_s = newest_s + self._least_s
        if newest_s < self._due_s:
            return None
        self._due_s = newest_s + self._every_s
        return tuple(self._finding(first, other) for other in others)

    def _finding(self, a: str, b: str) -> Finding:
        tracks = {name: self._track(name) for name in (a, b)}
        check: RigCheck | None = None
        if min(int(track.seen.any(1).sum()) for track in tracks.values()) >= FRAMES_LEAST:
            with suppress(CalibError):  # too little was seen by both
                check = check_rig(self._rig, tracks, BODY)
        moved = check.moved if check is not None and check.told else None
        before, self._before[b] = self._before.get(b), moved
        told = check is not None and check.told and (moved is None or moved == before)
        return Finding((a, b), told, moved if told else None, 0.0 if check is None else check.angle_deg)

    def _track(self, name: str) -> Track:
        seen = self._seen[name]
        size_px = np.array([self._rig.cameras[name].width, self._rig.cameras[name].height])
        px, score = np.full((len(seen), len(MPII16), 2), np.nan), np.zeros((len(seen), len(MPII16)))
        for row, (_, joints) in enumerate(seen):
            if joints is None:
                continue
            at, sure = joints.px[CORE], joints.score[CORE]
            inside = np.all((at > -0.5) & (at < size_px - 0.5), axis=1) & (sure >= SCORE_LEAST)
            px[row], score[row] = np.where(inside[:, None], at, np.nan), np.where(inside, sure, 0.0)
        return Track(np.array([time_s for time_s, _ in seen]), px, score)


def serve(pipe: Connection, make_checker: Callable[[], RigChecker]) -> None:
    """The process: for every set of pictures an answer, findings or None; a sentence where it must end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        checker = make_checker()
        for pictures in _asked(pipe):
            for name, time_s, jpeg in pictures:
                image_bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                if image_bgr is not None:
                    checker.look(name, time_s, image_bgr)
            pipe.send(checker.findings())
    except (UserError, CalibError) as error:
        pipe.send(str(error))
    except (EOFError, OSError):
        return  # the recording is over
    except Exception as error:  # noqa: BLE001 - the recording tells it and goes on
        pipe.send(f"{type(error).__name__}: {error}")


def _asked(pipe: Connection) -> Iterator[Sequence[Picture]]:
    while True:
        yield pipe.recv()
