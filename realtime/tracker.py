"""Following people from frame to frame: the last unsmoothed pose gives the next box."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.backends import Engine
from engine.crop import Box
from engine.joints import Joints
from engine.skeleton import LIMB_JOINTS
from realtime.frame import Frame
from realtime.search import Search, clipped, fuller, wider
from realtime.sight import SURE_JOINTS_MIN, Looking, Sight, fitted_box, kept, quality, same_person, sure

# a live search is spread: so many boxes a frame while nobody is followed ...
SEARCH_BUDGET = 8
# ... and so many while somebody is, whose frame rate must not suffer
SPARE_BUDGET = 2
# a file or a folder is searched whole; while somebody is followed and others are wanted, every so many frames
SEARCH_EVERY = 15
# bad frames in a row before a track lets go: 0.17 s at 30 fps, longer than a blurred turn
MISSES_ALLOWED = 5
# live, while everybody is seen but somebody is doubtful, the spare boxes are looked at every so many frames
DOUBT_EVERY = 5
# back near the lost place within this time it is the same person
REMEMBER_S = 1.0
# so long somebody else is looked for before the same person is taken again: two whole searches, spread over frames
PASS_S = 0.4
# a lost person is looked for where they were, and in a box wider by this
WIDER = 1.5
# the box may change its side by these factors from frame to frame; it grows at once when an arm
# goes up and shrinks slowly, so that a swinging arm stays inside
GROWTH = (0.93, 1.2)
SHRINK_GAIN = 0.3
# every so many frames a track is also looked at in a wider box, and that one taken where it shows more: a foot
# that fell out of the box is not seen, so the pose alone would never bring it back
PROBE_EVERY = 15
# ... but who shows all limbs at least this sure has nothing outside: so seldom that the p95 of latency is one look
PROBE_SCORE, PROBE_SELDOM = 0.4, 60
# with this many sure joints the pose alone places the box; with fewer the last box has a say
SURE_JOINTS_FULL = 12
# below this running quality a track is doubtful: the search goes on and may replace it ...
DOUBTFUL_QUALITY = 0.25
# ... by a pose that is surer by this factor
BETTER = 1.5
QUALITY_GAIN = 0.2  # of the running mean, per frame


@dataclass(slots=True)
class _Track:
    id: int
    joints: Joints  # the last good pose
    box: Box  # where to look next
    seen_s: float
    quality: float  # running mean
    misses: int = 0

    @property
    def followed(self) -> bool:
        return self.misses <= MISSES_ALLOWED

    @property
    def certain(self) -> bool:
        return self.misses == 0 and self.quality >= DOUBTFUL_QUALITY


@dataclass(frozen=True, slots=True)
class Following:
    """A frame that was begun: whose boxes the engine is busy with."""

    frame: Frame
    tracks: list[_Track]
    looking: Looking  # a row for each track, then one for each wider look if there are any
    stage_ms: dict[str, float]
    engine: str  # that has it: a better one may take over for the next frame


class Tracker:
    """Who is in the frame, and where: `(id, joints)` for each person seen.

    An id stays with a person, also when they are found again near the lost place within `REMEMBER_S`. With
    `track=False` every frame is searched anew and ids count the people of that frame, most prominent first.
    `live` spreads a search over frames; without it each search is complete.
    """

    def __init__(
        self, engine: Engine, K: Float64[ndarray, "3 3"], *, people: int = 1, track: bool = True, live: bool = False
    ) -> None:
        if people < 1:
            raise ValueError(f"at least one person must be wanted, got {people = }")
        self._sight = Sight(engine, K)
        self._search = Search(self._sight)
        self._people = people
        self._follows = track
        self._live = live
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._since_search = 0
        self._since_probe = 0
        self._passed: list[Joints] = []  # whom `next_person` left
        self._passed_from_s: float | None = None
        self.stage_ms: dict[str, float] = {}  # of the last frame: search, track, engine

    @property
    def broken_outputs(self) -> int:
        """How many boxes the engine answered with numbers that are not finite."""
        return self._sight.broken_outputs

    def __call__(self, frame: Frame) -> list[tuple[int, Joints]]:
        """The people of one frame, ordered by id."""
        return self.finish(self.begin(frame))

    def next_person(self) -> None:
        """Leaves those who are followed and looks for others, for `PASS_S`; then whoever is there will do."""
        self._passed = [t.joints for t in self._tracks if t.followed]
        self._passed_from_s = None
        self._tracks = []

    def begin(self, frame: Frame, *, widen: float = 1.0) -> Following:
        """Hands the boxes of those who are followed to the engine, which computes while the caller goes on.

        A frame may be begun before the last one is finished; its boxes are older then, and `widen` makes up for it.
        """
        begin = time.perf_counter()
        tracks = [t for t in self._tracks if t.followed] if self._follows else []
        boxes = [Box(t.box.center_px, t.box.side_px * widen) for t in tracks]
        wide = self._probes(tracks, boxes, frame.image_bgr)
        looking = self._sight.begin(frame.image_bgr, boxes + wide)
        stage_ms = {"search": 0.0, "track": 0.0, "engine": 0.0}
        following = Following(frame, tracks, looking, stage_ms, self._sight.engine.name)
        self._clock(following, "track", begin)
        return following

    def finish(self, following: Following) -> list[tuple[int, Joints]]:
        """The people of a frame that was begun, ordered by id. Frames are finished in the order of their beginning."""
        frame, begin = following.frame, time.perf_counter()
        self.stage_ms = following.stage_ms
        if not self._follows:
            found = self._search(frame.image_bgr, wanted=self._people)
            self._clock(following, "search", begin)
            return list(enumerate(found))
        self._forget(frame.time_s)
        self._pass_by(frame.time_s)
        self._follow(following)
        self._clock(following, "track", begin)
        begin = time.perf_counter()
        self._find_more(frame)
        self._clock(following, "search", begin)
        return sorted(((t.id, t.joints) for t in self._tracks if t.misses == 0), key=lambda pair: pair[0])

    def _clock(self, following: Following, stage: str, begin_s: float) -> None:
        """Books the time since `begin_s`, the engine's own part apart."""
        engine_s, self._sight.engine_s = self._sight.engine_s, 0.0
        following.stage_ms[stage] += (time.perf_counter() - begin_s - engine_s) * 1e3
        following.stage_ms["engine"] += engine_s * 1e3

    def _forget(self, time_s: float) -> None:
        """Drops tracks lost long ago. A clock that jumps back (a stream that restarts) forgets at once."""
        self._tracks = [t for t in self._tracks if t.followed or 0.0 <= time_s - t.seen_s <= REMEMBER_S]

    def _pass_by(self, time_s: float) -> None:
        if self._passed and self._passed_from_s is None:
            self._passed_from_s = time_s
        if self._passed_from_s is not None and not 0.0 <= time_s - self._passed_from_s <= PASS_S:
            self._passed, self._passed_from_s = [], None

    def _follow(self, following: Following) -> None:
        frame, tracks = following.frame, following.tracks
        seen = following.looking.read()
        close, wide = seen[: len(tracks)], seen[len(tracks) :] or [None] * len(tracks)
        for track, near, far in zip(tracks, close, wide, strict=True):
            joints = far if near is None else fuller(near, far)
            if joints is None or not kept(joints):
                track.misses += 1
                track.quality *= 1.0 - QUALITY_GAIN
                continue
            box = next_box(track.box, joints, frame.image_bgr)
            now = track.quality + QUALITY_GAIN * (quality(joints) - track.quality)
            track.joints, track.box, track.seen_s, track.quality, track.misses = joints, box, frame.time_s, now, 0
        self._part()

    def _probes(self, tracks: list[_Track], boxes: list[Box], image_bgr: UInt8[ndarray, "h w 3"]) -> list[Box]:
        """Now and then a second, wider look at each track, all in one call with the first."""
        if not boxes:
            return []
        self._since_probe += 1
        limbs = list(LIMB_JOINTS)
        unsure = any(t.joints.score[limbs].min() < PROBE_SCORE for t in tracks)
        if self._since_probe < (PROBE_EVERY if unsure else PROBE_SELDOM):
            return []
        self._since_probe = 0
        height, width = image_bgr.shape[:2]
        return [wider(box, width, height) for box in boxes]

    def _part(self) -> None:
        """Two tracks on one person: the less sure one is let go, remembered for a while as lost."""
        for a, b in combinations([t for t in self._tracks if t.misses == 0], 2):
            if a.misses == b.misses == 0 and same_person(a.joints, b.joints):
                min(a, b, key=lambda t: t.quality).misses = MISSES_ALLOWED + 1

    def _find_more(self, frame: Frame) -> None:
        certain = [t for t in self._tracks if t.certain]
        if len(certain) >= self._people:
            return
        self._since_search += 1
        away = [t for t in self._tracks if t.misses]
        if not away and self._tracks and self._since_search < self._patience():
            return
        self._since_search = 0
        budget = SPARE_BUDGET if len(away) < len(self._tracks) else SEARCH_BUDGET
        hints = [Box(t.box.center_px, t.box.side_px * wide) for t in away for wide in (1.0, WIDER)]
        found = self._search(
            frame.image_bgr,
            wanted=self._people - len(certain),
            hints=hints,
            taken=[t.joints for t in certain] + self._passed,
            budget=budget if self._live else None,
        )
        for joints in found:
            self._seat(joints, frame)

    def _patience(self) -> int:
        """Frames between searches while nobody is missing: somebody more is wanted, or somebody is doubtful."""
        if not self._live:
            return SEARCH_EVERY
        return DOUBT_EVERY if len(self._tracks) >= self._people else 1

    def _seat(self, joints: Joints, frame: Frame) -> None:
        """Gives a found person a track: their old one, a free one, or that of somebody less sure."""
        track = self._owner(joints)
        if track is not None and track.misses == 0 and quality(joints) < track.quality * BETTER:
            return
        if track is None and not self._make_room(quality(joints)):
            return
        if track is None:
            track = _Track(self._next_id, joints, joints.box, frame.time_s, 0.0)
            self._next_id += 1
            self._tracks.append(track)
        height, width = frame.image_bgr.shape[:2]
        track.joints, track.box = joints, clipped(fitted_box(joints), width, height)
        track.seen_s, track.quality, track.misses = frame.time_s, quality(joints), 0

    def _owner(self, joints: Joints) -> _Track | None:
        """The nearest track that is lost, missing or doubtful, if it is near enough to be this person's."""
        box = fitted_box(joints)
        doubtful = [t for t in self._tracks if not t.certain and _near(t.box, box)]
        return min(doubtful, key=lambda t: float(np.linalg.norm(t.box.center_px - box.center_px)), default=None)

    def _make_room(self, newcomer: float) -> bool:
        """Whether a newcomer of some quality may have a track; the weakest doubtful one goes for them."""
        followed = [t for t in self._tracks if t.followed]
        if len(followed) < self._people:
            return True
        weakest = min((t for t in followed if not t.certain), key=lambda t: t.quality, default=None)
        if weakest is None or newcomer < weakest.quality * BETTER:
            return False
        self._tracks.remove(weakest)
        return True


def next_box(last: Box, joints: Joints, image_bgr: UInt8[ndarray, "h w 3"]) -> Box:
    """Where to look next: around the pose, as far as its joints are sure, near the last box as far as not."""
    height, width = image_bgr.shape[:2]
    fitted = fitted_box(joints)
    trust = float(np.clip((sure(joints).sum() - SURE_JOINTS_MIN + 1) / (SURE_JOINTS_FULL - SURE_JOINTS_MIN + 1), 0, 1))
    log_change = trust * float(np.log(fitted.side_px / last.side_px))
    if log_change < 0:
        log_change *= SHRINK_GAIN
    center = last.center_px + trust * (fitted.center_px - last.center_px)
    return clipped(Box(center, last.side_px * float(np.clip(np.exp(log_change), *GROWTH))), width, height)


def _near(a: Box, b: Box) -> bool:
    larger, smaller = max(a.side_px, b.side_px), min(a.side_px, b.side_px)
    return float(np.linalg.norm(a.center_px - b.center_px)) < larger / 2 and larger < 2 * smaller
