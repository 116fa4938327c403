"""Several cameras into one take: warmed up together, begun at one moment, watched until the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from calib.formats import write_rig
from realtime.recorder.cameras import RecordError, StoredAs, Wanted, about_of, again, clock_of, differs, open_all
from realtime.recorder.events import Events
from realtime.recorder.frame_writer import FrameWriter, unwritable
from realtime.recorder.lane import Lane
from realtime.recorder.status import Glimpses, Status, bytes_in, lane_status, room_bytes
from realtime.sources import Source
from realtime.sources.paced import PacedSource
from realtime.takes import ClockMapping, TakeWriter, create_take
from realtime.takes.writer import check_room

if TYPE_CHECKING:
    from calib.rig import Rig
    from realtime.recorder.rig_guard import RigGuard

log = logging.getLogger(__name__)

TURN_S = 1 / 15  # between two looks at everything: a preview is no faster
LEAD_S = 0.1  # files begin to play a little after their threads run
LATE_S = 2.0  # pictures of the last moments are still on their way, on a busy machine so long
# all cameras away: a hub that was touched comes back in a second or two, or not at all
ALL_LOST_S = 3.0
# one camera away while another goes on: time to find the plug
ONE_LOST_S = 30.0
DISK_LOW_S = 120.0  # less than this left at the present rate is warned about


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be recorded."""

    folder: Path
    seconds: float | None = None
    countdown_s: float = 0.0
    stored_as: StoredAs = "mjpeg"
    subject_height_m: float | None = None
    notes: str = ""
    force: bool = False
    rig: Path | None = None  # where the cameras stand: kept with the take, and checked while it records


@dataclass(frozen=True, slots=True)
class Endurance:
    """For how long missing cameras are awaited."""

    all_lost_s: float = ALL_LOST_S
    one_lost_s: float = ONE_LOST_S


class Recorder:
    """A context manager: leaving it, however that comes about, closes cameras and files.

    SourceError or RecordError where a camera does not open, TakeError where the folder cannot be used.
    `look_every_s`: how often pictures are decoded for a display.
    """

    def __init__(
        self,
        wanted: Sequence[Wanted],
        plan: Plan,
        *,
        sources: Sequence[Source] | None = None,
        endurance: Endurance | None = None,
        look_every_s: float = 1.0,
    ) -> None:
        self._plan, self._endurance = plan, endurance or Endurance()
        self._stack = ExitStack()
        self._ended = False
        self._writers: dict[str, FrameWriter] = {}
        self._take: TakeWriter | None = None
        self._zero_s = 0.0
        self._warned: set[str] = set()
        self.glimpses = Glimpses(look_every_s)
        check_room(plan.folder, force=plan.force)  # found out before the cameras are opened
        self.events = self._stack.enter_context(Events())
        try:
            opened = open_all(wanted) if sources is None else sources
            self._devices = [one.device for one in wanted]
            pairs = enumerate(zip(opened, wanted, strict=True))
            self.lanes = [Lane(f"cam{k}", source, again=again(one)) for k, (source, one) in pairs]
            for lane in self.lanes:
                self._stack.callback(lane.close)
            self._rig, self.guard = self._guarded(plan.rig)
        except BaseException:
            self._stack.close()
            raise

    def introduction(self) -> list[str]:
        """What was opened, and where that is not what was asked."""
        return [f"{lane.name}: {lane.source.name}: {lane.source.description}" for lane in self.lanes]

    def run(self) -> Iterator[Status]:
        """Records; gives the state of things some times a second, until `end`, the time is over, or nothing comes.

        RecordError when that is not how it should end: cameras gone, a disk full. What came before is in the take.
        """
        for lane in self.lanes:
            if not isinstance(lane.source, PacedSource):
                lane.start()
        self._zero_s = time.monotonic() + max(self._plan.countdown_s, LEAD_S)
        yield from self._until(self._zero_s - LEAD_S)
        if self._ended:
            return
        self._begin()
        end_s = self._zero_s + (self._plan.seconds + LATE_S if self._plan.seconds is not None else float("inf"))
        yield from self._until(end_s)

    def end(self) -> None:
        """No more is wanted; may come from a signal."""
        self._ended = True

    def close(self) -> None:
        """Completes the take and lets the cameras go; may be called twice. RecordError where it is not complete."""
        stack, self._stack = self._stack, ExitStack()
        with stack:
            take, self._take = self._take, None
            if take is None:
                return
            for lane in self.lanes:
                lane.stop()
            for writer in self._writers.values():
                writer.close()
            self._describe(take)
            broken = next((w.error for w in self._writers.values() if w.error is not None), None)
            try:
                if broken is None:
                    take.close()
                else:
                    take.abandon()
            except OSError as error:
                broken = broken or error
            if broken is not None:
                raise unwritable(broken, self._plan.folder) from broken

    def summary(self) -> list[str]:
        """What came of it, a line per camera."""
        lines = []
        for lane in self.lanes:
            writer = self._writers.get(lane.name)
            if writer is None:
                continue
            dropped = lane.health.rhythm().dropped + writer.dropped
            line = f"{lane.name}: {writer.written} frames, {dropped} dropped"
            line += f", {writer.unusable} unusable" if writer.unusable else ""
            lines.append(line + (f", {lane.segment + 1} segments" if lane.segment else ""))
        return lines + ([f"rig: {self.guard.says}"] if self.guard is not None and lines else [])

    def status(self) -> Status:
        """The recording just now."""
        writers, looks = self._writers, self.glimpses.looks
        lanes = [lane_status(lane, writers.get(lane.name), looks.get(lane.name), self.lanes[0]) for lane in self.lanes]
        elapsed_s = time.monotonic() - self._zero_s
        size = bytes_in(self._plan.folder) if writers else 0
        left_s = room_bytes(self._plan.folder) / (size / elapsed_s) if size and elapsed_s > 1 else None
        phase = "recording" if writers else "getting ready"
        rig, alarm = (self.guard.says, self.guard.alarm) if self.guard is not None else ("", False)
        return Status(phase, elapsed_s, tuple(lanes), size, left_s, self.events.newest, rig, alarm)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _guarded(self, path: Path | None) -> tuple[Rig | None, RigGuard | None]:
        """The rig of a file, and who watches it while two or more cameras record."""
        if path is None:
            return None, None
        from realtime.recorder.rig_guard import RigGuard, own_checker, rig_of

        rig = rig_of(path, self.lanes)
        if len(self.lanes) < 2:
            return rig, None
        guard = RigGuard(partial(own_checker, rig))
        self._stack.callback(guard.close)
        return rig, guard

    def _until(self, end_s: float) -> Iterator[Status]:
        while not self._ended and time.monotonic() < end_s:
            for lane in self.lanes:
                lane.watch()
                self.glimpses.update(lane)
            if self.guard is not None:
                self.guard.offer(self.lanes)
            status = self.status()
            self._warn(status)
            yield status
            if self._over(status):
                return
            time.sleep(min(TURN_S, max(end_s - time.monotonic(), 0.0)))

    def _begin(self) -> None:
        """The take is made only now: a recording that never began leaves nothing behind."""
        self._zero_s = time.monotonic() + LEAD_S
        utc_ns = time.time_ns() + round(LEAD_S * 1e9)
        stored_as, plan = self._plan.stored_as, self._plan
        devices = zip(self.lanes, self._devices, strict=True)
        self._take = create_take(
            plan.folder,
            {lane.name: about_of(lane.source, stored_as=stored_as, device=device) for lane, device in devices},
            made_by="record",
            clock=ClockMapping(start_monotonic_ns=round(self._zero_s * 1e9), start_utc_ns=utc_ns),
            subject_height_m=plan.subject_height_m,
            notes=plan.notes,
            force=plan.force,
        )
        if self._rig is not None:
            write_rig(plan.folder / "rig.toml", self._rig)
        self.events.begin(plan.folder, self._zero_s)
        until_s = self._zero_s + plan.seconds if plan.seconds is not None else float("inf")
        for lane in self.lanes:
            if difference := differs(lane.source):
                log.warning("%s %s", lane.name, difference)
            self._writers[lane.name] = FrameWriter(self._take[lane.name], zero_s=self._zero_s)
            lane.record(self._writers[lane.name], from_s=self._zero_s, until_s=until_s)
            if isinstance(lane.source, PacedSource):
                lane.source.start_s = self._zero_s
                lane.start()

    def _over(self, status: Status) -> bool:
        """Whether it ends here. RecordError where it ends because something is wrong."""
        if any(writer.error is not None for writer in self._writers.values()):
            return True  # closing tells
        if self._writers and not room_bytes(self._plan.folder):
            raise RecordError(f"the disk is full; what was recorded until now is in {self._plan.folder}")
        states = [lane.state for lane in status.lanes]
        if all(state == "ended" or lane.is_through for state, lane in zip(states, self.lanes, strict=True)):
            return True
        failed = [lane for lane in self.lanes if lane.error is not None]
        if failed and all(state in ("ended", "failed") for state in states):
            raise RecordError(f"{failed[0].name}: {failed[0].error}") from failed[0].error
        lost_s = [lane.lost_s for lane in self.lanes if lane.state != "ended"]
        if min(lost_s) > self._endurance.all_lost_s:
            raise RecordError("no camera gives a picture any more; look at cables and hub, then record again")
        if max(lost_s) > self._endurance.one_lost_s:
            name = max(self.lanes, key=lambda lane: lane.lost_s).name
            raise RecordError(f"{name} did not come back in {self._endurance.one_lost_s:g} s; plug it in, record again")
        return False

    def _warn(self, status: Status) -> None:
        """Says once what a person should mend while there is time."""
        for lane in status.lanes:
            if lane.slow and lane.rhythm.rate_hz is not None:
                self._once(f"{lane.name} gives only {lane.rhythm.rate_hz:.0f} pictures a second; more light helps")
            if lane.dropped > lane.written // 20 + 10:
                self._once(f"{lane.name} loses frames; record on a faster disk, or close other programs")
            if lane.look is not None and lane.look.complaint:
                self._once(f"{lane.name} is {lane.look.complaint}")
        if status.disk_left_s is not None and status.disk_left_s < DISK_LOW_S:
            self._once("the disk is nearly full")

    def _once(self, text: str) -> None:
        topic = text.rstrip("0123456789 ").split(" gives only")[0] if "gives only" in text else text
        if topic not in self._warned:
            self._warned.add(topic)
            log.warning("%s", text)

    def _describe(self, take: TakeWriter) -> None:
        for lane in self.lanes:
            about = take.about.cameras[lane.name]
            take.describe(lane.name, replace(about, clock=clock_of(lane.source)))
