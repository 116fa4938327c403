"""An engine that gives way to a faster one as soon as that is built, between two frames.

One thread builds, loads, judges and warms up the better engine, while the first one runs. No frame waits for that, and
a better engine that is not to be had costs a line.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, runtime_checkable

from jaxtyping import Float64, UInt8
from numpy import ndarray

from engine.backends import Engine, EngineError, Ticket
from engine.crop import Box
from engine.joints import EngineOutput, ScoreMap
from engine.skeleton import Skeleton

# more than any engine has under way
TICKETS = 8
JOIN_S = 10.0
_log = logging.getLogger(__name__)


@runtime_checkable
class Better(Protocol):
    """How to come by the better engine. Called in the thread."""

    def open(self, say: Callable[[int, int, str], None]) -> Engine:
        """Build where needed, load and judge. EngineError where it is not to be had."""
        ...

    def warm_up(self, engine: Engine, frame_shape: tuple[int, int]) -> None:
        """Record everything for frames of (height, width)."""
        ...

    def cancel(self) -> None:
        """End `open` at once, from any thread."""
        ...


class UpgradingEngine:
    """Runs `first` until the better engine is ready. Both must be of the same weights."""

    def __init__(self, first: Engine, better: Better) -> None:
        self._engine, self._better = first, better
        self._ready: Engine | None = None
        self._old: Engine | None = None
        self._progress = ""
        self._tickets: deque[Ticket] = deque(maxlen=TICKETS)
        self._frame_shape: tuple[int, int] | None = None
        self._frame_came = threading.Event()
        self._swapped = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._upgrade, name="upgrade", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """Of the engine that runs now."""
        return self._engine.name

    @property
    def description(self) -> str:
        """Of the engine that runs now, and how far the better one is."""
        return self._engine.description + self._progress

    @property
    def input_px(self) -> int:
        """Side of the crops."""
        return self._engine.input_px

    @property
    def score_map(self) -> ScoreMap:
        """Of the weights."""
        return self._engine.score_map

    @property
    def skeleton(self) -> Skeleton:
        """Of the weights."""
        return self._engine.skeleton

    @property
    def weights_name(self) -> str:
        """Of the weights."""
        return self._engine.weights_name

    @property
    def weights_sha256(self) -> str:
        """Of the weights."""
        return self._engine.weights_sha256

    def submit(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> Ticket:
        """Hand in a frame to the engine that runs; the better one takes its place here."""
        if not self._frame_came.is_set():
            self._frame_shape = (image_bgr.shape[0], image_bgr.shape[1])
            self._frame_came.set()
        if self._ready is not None:
            self._swap(self._ready)
        ticket = self._engine.submit(image_bgr, boxes, K)
        if not self._swapped.is_set():
            self._tickets.append(ticket)
        return ticket

    def infer(self, image_bgr: UInt8[ndarray, "h w 3"], boxes: list[Box], K: Float64[ndarray, "3 3"]) -> EngineOutput:
        """Submit and result."""
        return self.submit(image_bgr, boxes, K).result()

    def close(self) -> None:
        """End the building, too."""
        self._closed = True
        self._better.cancel()
        self._frame_came.set()
        self._swapped.set()
        self._thread.join(JOIN_S)
        for engine in (self._engine, self._ready, self._old):
            if engine is not None:
                engine.close()

    def __enter__(self) -> UpgradingEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _swap(self, better: Engine) -> None:
        for ticket in self._tickets:  # the old engine has nothing to do after that, and ends in the thread
            ticket.result()
        self._tickets.clear()
        self._old, self._engine, self._ready = self._engine, better, None
        self._swapped.set()

    def _upgrade(self) -> None:
        try:
            better = self._better.open(self._say)
            self._frame_came.wait()
            if self._frame_shape is not None and not self._closed:
                self._better.warm_up(better, self._frame_shape)
        except Exception as error:  # noqa: BLE001 - a thread's: said aloud, and the first engine runs on
            self._progress = ""
            if not self._closed:
                text = " ".join(str(error).split())
                why = text if isinstance(error, EngineError) else f"{type(error).__name__}: {text}"
                _log.warning("%s; %s runs on", why, self._engine.name)
            return
        self._progress = ""
        self._ready = better
        self._swapped.wait()
        if self._old is not None:
            self._old.close()
            self._old = None
            _log.warning("%s took over from the engine before", better.description)

    def _say(self, done: int, of: int, what: str) -> None:
        self._progress = f" (TensorRT: {what}, {done} of {of})"
        _log.info("TensorRT: %s, %d of %d", what, done, of)
