"""While cameras record, a process of its own watches whether they still stand where a stored rig has them.

The recording hands over its newest pictures now and then and never waits: where the process is busy, late or dead, they
are left out. A camera that moved is a warning, which terminal, window and `events.jsonl` show.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from calib.errors import UserError as CalibError
from calib.formats import read_rig
from calib.rig import Rig
from engine.backends import open_engine
from realtime.recorder.cameras import RecordError
from realtime.recorder.lane import Lane
from realtime.recorder.rig_check import Finding, Picture, RigChecker, serve
from realtime.signals import undisturbed

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1  # between two sets of pictures: walking joints are interpolated between them
JOIN_S = 2.0
NICE = 10
WAITING = "checking the rig: let one person walk through the whole space"


def rig_of(path: Path, lanes: Sequence[Lane]) -> Rig:
    """The rig of a file for cameras that are open: by name, else in order. RecordError where it is not theirs."""
    try:
        rig = read_rig(path).rig
    except CalibError as error:
        raise RecordError(str(error)) from None
    names = [lane.name for lane in lanes]
    of = names if set(names) <= set(rig.cameras) else list(rig.cameras)
    if len(of) != len(lanes):
        raise RecordError(f"{path} has cameras {', '.join(rig.cameras)}, recorded are {', '.join(names)}; give its own")
    cameras = {}
    for lane, name in zip(lanes, of, strict=True):
        try:
            cameras[lane.name] = rig.cameras[name].scaled_to(*lane.source.size_px)
        except ValueError as error:
            raise RecordError(f"{path} does not fit {lane.name}: {error}; calibrate in the mode that records") from None
    clocks = {lane.name: rig.clocks[name] for lane, name in zip(lanes, of, strict=True) if name in rig.clocks}
    return Rig(cameras, clocks, rig.quality)


def own_checker(rig: Rig) -> RigChecker:
    """With the weights and the engine that the program takes by itself, on one core; the recording goes first."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    return RigChecker(rig, open_engine(threads=1))


class RigGuard:
    """Hands the newest pictures of all cameras to a checker, which is made in the process. Ends with `close`."""

    def __init__(self, make_checker: Callable[[], RigChecker]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, make_checker), name="rig check", daemon=True)
        with undisturbed():  # inherited: Ctrl-C is for the program
            self._process.start()
        theirs.close()
        self._inbox: queue.Queue[list[Picture]] = queue.Queue(1)
        self._thread = threading.Thread(target=self._carry, name="rig check", daemon=True)
        self._idle, self._closing = threading.Event(), threading.Event()
        self._idle.set()
        self._due_s = 0.0
        self._findings: tuple[Finding, ...] = ()
        self._warned: set[str] = set()
        self.checks = 0
        self.failure = ""
        self._thread.start()

    @property
    def alarm(self) -> bool:
        """Whether a camera moved, by the last check."""
        return any(finding.moved for finding in self._findings)

    @property
    def says(self) -> str:
        """What is known, worst first, as a sentence."""
        if self.failure:
            return self.failure
        order = sorted(self._findings, key=lambda one: (one.moved is None, one.told))
        return order[0].text if order else WAITING

    def offer(self, lanes: Sequence[Lane]) -> None:
        """Hands over the newest pictures if it is time and the process is free. Never waits."""
        if self.failure or not self._idle.is_set() or time.monotonic() < self._due_s:
            return
        newest = [(lane.name, lane.newest) for lane in lanes]
        pictures = [
            (name, frame.time_s, jpeg)
            for name, frame in newest
            if frame is not None and (jpeg := frame.jpeg()) is not None
        ]
        if len(pictures) == len(lanes):
            self._due_s = time.monotonic() + LOOK_EVERY_S
            self._idle.clear()
            self._inbox.put_nowait(pictures)

    def close(self) -> None:
        """Ends the process, whatever it does; may be called twice."""
        self._closing.set()
        self._process.kill()
        self._process.join(JOIN_S)
        self._thread.join(JOIN_S)
        self._pipe.close()

    def _carry(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    pictures = self._inbox.get(timeout=0.2)
                except queue.Empty:
                    continue
                self._pipe.send(pictures)
                answer = self._pipe.recv()
                if isinstance(answer, str):
                    self._fail(answer)
                    return
                if answer is not None:
                    self._tell(answer)
                self._idle.set()
        except (EOFError, OSError):
            self._fail("its process ended")

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        self.checks += 1
        self._findings = findings
        for finding in findings:
            if finding.moved is not None and finding.moved not in self._warned:
                self._warned.add(finding.moved)
                log.warning("%s", finding.text)

    def _fail(self, why: str) -> None:
        if not self._closing.is_set():
            self.failure = f"the rig is not checked any more ({why}); the recording goes on"
            log.warning("%s", self.failure)
