"""From a frame to people in metres: track, smooth, lift, and what each stage cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from calib.camera import Camera
from engine.backends import Engine
from engine.joints import Joints
from realtime.frame import Frame
from realtime.lift import HEIGHT_M, Lifter
from realtime.result import Person, Result
from realtime.smooth import JointSmoother
from realtime.tracker import REMEMBER_S, Following, Tracker

# a person moves by less than this share of the box from one frame to the next
WIDEN_PER_FRAME = 1.1


@dataclass(frozen=True, slots=True)
class Tracked:
    """A frame whose people were found: the next one may begin, and the rest of this one is yet to be done."""

    frame: Frame
    found: list[tuple[int, Joints]]  # ids and unsmoothed joints
    stage_ms: dict[str, float]
    engine: str  # that the frame was handed to


@dataclass(slots=True)
class _Memory:
    """What is kept about one person between frames."""

    smoother: JointSmoother | None
    lifter: Lifter
    seen_s: float


class Pipeline:
    """Everything between a source and the sinks. Call it with each frame, in order.

    Without `track` frames have nothing to do with each other, so nothing is smoothed either. `live` spreads the
    search for people over frames. The engine stays the caller's to close.
    """

    def __init__(
        self,
        engine: Engine,
        camera: Camera,
        *,
        people: int = 1,
        smooth: bool = True,
        track: bool = True,
        live: bool = False,
        height_m: float = HEIGHT_M,
    ) -> None:
        self._engine = engine
        self._camera = camera
        self._smooth = smooth and track
        self._height_m = height_m
        self._tracker = Tracker(engine, camera.K, people=people, track=track, live=live)
        self._memories: dict[int, _Memory] = {}

    @property
    def broken_outputs(self) -> int:
        """How many boxes the engine answered with numbers that are not finite; they counted as nobody."""
        return self._tracker.broken_outputs

    def next_person(self) -> None:
        """Looks for somebody else than those who are followed."""
        self._tracker.next_person()

    def __call__(self, frame: Frame) -> Result:
        """The people in one frame. ValueError where the frame is not of the camera's size.

        `stage_ms` has search, track, engine (the wait for the network in both), smooth and lift, none inside another.
        """
        return self.finish(self.begin(frame))

    def begin(self, frame: Frame, *, ahead: int = 0) -> Following:
        """Hands a frame to the engine; `finish` gives its people. Between the two the caller has time of its own.

        `ahead` is the number of frames that were begun and are not finished: the boxes are that much older.
        """
        height, width = frame.image_bgr.shape[:2]
        if (width, height) != (self._camera.width, self._camera.height):
            wanted = f"{self._camera.width}x{self._camera.height}"
            raise ValueError(f"frame {frame.index} is {width}x{height}, the camera is for {wanted}")
        return self._tracker.begin(frame, widen=WIDEN_PER_FRAME**ahead)

    def finish(self, following: Following) -> Result:
        """The people of the oldest frame that was begun."""
        return self.describe(self.track(following))

    def track(self, following: Following) -> Tracked:
        """Waits for the engine and says who is where: all that the boxes of the next frame need."""
        found = self._tracker.finish(following)
        return Tracked(following.frame, found, self._tracker.stage_ms, following.engine)

    def describe(self, tracked: Tracked) -> Result:
        """Smooths, and lifts into metres. Frames are described in the order in which they were tracked."""
        frame = tracked.frame
        begin = time.perf_counter()
        smoothed = [(id, self._smoothed(id, joints, frame.time_s)) for id, joints in tracked.found]
        middle = time.perf_counter()
        people = [self._lifted(id, joints, frame.time_s) for id, joints in smoothed]
        end = time.perf_counter()
        self._forget(frame.time_s)
        stage_ms = {**tracked.stage_ms, "smooth": (middle - begin) * 1e3, "lift": (end - middle) * 1e3}
        return Result(frame.index, frame.time_s, people, stage_ms, tracked.engine)

    def _smoothed(self, id: int, joints: Joints, time_s: float) -> Joints:
        if id not in self._memories or not self._smooth:
            smoother = JointSmoother(self._camera.K) if self._smooth else None
            lifter = Lifter(self._camera.K, self._height_m, smooth=self._smooth)
            self._memories[id] = _Memory(smoother, lifter, time_s)
        memory = self._memories[id]
        memory.seen_s = time_s
        return memory.smoother(joints, time_s) if memory.smoother else joints

    def _lifted(self, id: int, joints: Joints, time_s: float) -> Person:
        straight = replace(joints, px=self._camera.undistorted(joints.px)) if self._camera.dist.any() else joints
        offsets_m, root_m = self._memories[id].lifter(straight, time_s)
        return Person(id, joints, offsets_m, root_m)

    def _forget(self, time_s: float) -> None:
        gone = [id for id, memory in self._memories.items() if not 0.0 <= time_s - memory.seen_s <= REMEMBER_S]
        for id in gone:
            del self._memories[id]
