"""A build in a process of its own: it reports how far it is, can be killed at any moment, and ends with its parent.

The job goes in as a line of JSON; reports come out, a line each. Its standard input stays open as long as the parent
lives. Whatever libraries print goes to a log file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.backends import EngineError
from engine.backends.acceptance import RefusedError

if TYPE_CHECKING:
    from engine.backends.tensorrt_build import Job, Say

ROOT = Path(__file__).resolve().parents[2]
MODULE = "engine.backends.tensorrt_build"
# four engines at the highest level take minutes; whoever takes longer hangs
LIMIT_S = 3600.0
END_S = 5.0
NICE = 10  # cameras and windows come first


class Build:
    """A process that fills the folder of a job. `wait` for it, from any thread; `kill` may be called twice."""

    def __init__(self, job: Job, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._killed = False
        with log.open("wb") as text:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=text,
                text=True,
                start_new_session=os.name == "posix",  # Ctrl-C is the parent's to answer
            )
        self._limit = threading.Timer(LIMIT_S, self._process.kill)
        self._limit.daemon = True
        self._limit.start()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it is dead already; `wait` says so
            self._process.stdin.write(json.dumps(asdict(job)) + "\n")
            self._process.stdin.flush()

    def wait(self, say: Say) -> None:
        """Until it is done. RefusedError, or EngineError where it failed or was killed."""
        assert self._process.stdout is not None
        outcome: dict[str, Any] = {}
        with self._process.stdout as reports:
            for line in reports:
                report = json.loads(line)
                if "what" in report:
                    say(report["done"], report["of"], report["what"])
                else:
                    outcome = report
        status = self._process.wait()
        self._let_go()
        if self._killed:
            raise EngineError("building TensorRT engines was ended")
        if status == 0 and outcome == {"built": True}:
            return
        reason = outcome.get("reason", f"the process ended with status {status}")
        kind = RefusedError if outcome.get("refused") else EngineError
        raise kind(f"no TensorRT engine: {reason} (log: {self._log})")

    def kill(self) -> None:
        """End it now; nothing of it is kept."""
        self._killed = self._process.poll() is None or self._killed
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._let_go()

    def _let_go(self) -> None:
        self._limit.cancel()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()


def serve(build: Callable[[Job, Say], None]) -> int:
    """The process' own side: read the job, do it, report; the exit status."""
    from engine.backends.tensorrt_build import Job

    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no report
    if hasattr(os, "nice"):
        os.nice(NICE)
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, args=(Path(job.folder),), daemon=True).start()

    def report(**what: object) -> None:
        channel.write(json.dumps(what) + "\n")

    try:
        build(job, lambda done, of, what: report(done=done, of=of, what=what))
    except EngineError as error:
        report(reason=str(error), refused=isinstance(error, RefusedError))
        return 1
    except Exception as error:  # whatever TensorRT raises: the log has the rest
        text = " ".join(str(error).split())
        report(reason=f"{type(error).__name__}: {text[:300]}", refused=False)
        raise
    report(built=True)
    return 0


def _end_with_parent(folder: Path) -> None:
    sys.stdin.read()  # ends when the parent does
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
