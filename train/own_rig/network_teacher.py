"""A teacher network on a take: one person followed from frame to frame, each region from the points of the last.

The network sees one region and finds nobody by itself: who is followed, and who else is there, is told by the search
of the live program with the user's own weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from engine.backends import Engine
from engine.joints import Joints
from engine.skeleton import CORE
from realtime.frame import Frame
from realtime.progress import Step
from realtime.search import Search
from realtime.sight import Sight, fitted_box, quality, sure
from realtime.take_joints import LOOK_EVERY_S, OTHER_QUALITY, OTHER_SIDE, CameraJoints, lens_of
from realtime.takes import Take
from realtime.takes.take import TakeCamera
from realtime.tracker import SEARCH_BUDGET
from train.own_rig.detectors import Person, camera_joints, looked_once, scored
from train.own_rig.detectors import sure as somebody
from train.teachers.blazepose import Network, look
from train.teachers.joints import from_blazepose
from train.teachers.region import Region, region_around


@dataclass(frozen=True, slots=True)
class NetworkTeacher:
    """A network of `train.teachers`, and the engine whose weights find the person."""

    network: Network
    engine: Engine

    @property
    def name(self) -> str:
        """With its terms."""
        return self.network.name

    def __call__(self, take: Take, step: Step) -> Mapping[str, CameraJoints]:
        """Joints, also those that were found before by the same network. LabelError where nobody is seen."""
        return looked_once(take, self.name, self._looked, step)

    def _looked(self, camera: TakeCamera, step: Callable[[int], None]) -> CameraJoints:
        search = Search(Sight(self.engine, lens_of(camera).K))
        follower = Follower(self.network, search)
        frames, rows = [], []
        looked, others, last_s = [], [], -np.inf
        for frame in camera.frames():
            person = follower(frame.image_bgr)
            frames.append(frame.index)
            rows.append(person)
            if person is not None and frame.time_s - last_s >= LOOK_EVERY_S:
                last_s = frame.time_s
                looked.append(frame.index)
                others.append(_beside(search, frame))
            step(frame.index + 1)
        return camera_joints(camera, frames, rows, self.name, looked=looked, others=others)


class Follower:
    """One person from frame to frame; call it with each picture in order."""

    def __init__(self, network: Network, search: Search) -> None:
        self._network = network
        self._search = search
        self._last: Person | None = None

    def __call__(self, image_bgr: UInt8[ndarray, "h w 3"]) -> Person | None:
        """Joints of `body25` with scores; None where nobody is seen."""
        if self._last is None:
            # a region by the points of the network itself is the better one: it looks twice
            first = self._found(image_bgr)
            self._last = None if first is None else self._seen(image_bgr, first)
        region = None if self._last is None else region_around(self._last[CORE, :2])
        self._last = None if region is None else self._seen(image_bgr, region)
        return self._last

    def _found(self, image_bgr: UInt8[ndarray, "h w 3"]) -> Region | None:
        people = self._search(image_bgr, wanted=1, budget=SEARCH_BUDGET)
        if not people:
            return None
        told = sure(people[0])[CORE, None]
        return region_around(np.where(told, people[0].px[CORE], np.nan))

    def _seen(self, image_bgr: UInt8[ndarray, "h w 3"], region: Region) -> Person | None:
        points = look(self._network, image_bgr, region)
        person = scored(from_blazepose(np.column_stack([points.px, points.visibility])))
        return person if points.present and somebody(person) else None


def _beside(search: Search, frame: Frame) -> int:
    """How many are there beside the most prominent one."""
    people = search(frame.image_bgr, wanted=2)
    return sum(_as_sure(other, people[0]) for other in people[1:])


def _as_sure(other: Joints, first: Joints) -> bool:
    as_good = quality(other) > OTHER_QUALITY * quality(first)
    return as_good and fitted_box(other).side_px > OTHER_SIDE * fitted_box(first).side_px
