"""Looking for a board while a camera runs: in a thread of its own, so that the preview never waits for it.

Of a camera the newest frame is looked at, of a file every one. A picture that the coach wants is looked at again with
all care and written at once: whatever ends the run, what was kept lies on the disk.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
from jaxtyping import Float64
from numpy import ndarray

from calib.board import Board
from calib.coach import Coach
from calib.coverage import Coverage
from calib.detect import detect
from calib.detection import Detection, NotFound
from engine.errors import UserError
from realtime.frame import Frame
from realtime.handover import End, FrameQueue, LatestFrame

EXPLAIN_S = 3.0  # without a board for so long: the reason is looked for, which takes seconds
EXPLAIN_AGAIN_S = 8.0
JOIN_S = 30.0  # a search for the reason in a large picture takes seconds, on a busy machine many
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch knows at a moment."""

    goal: str
    state: str
    reason: str  # why no board was seen for a while; empty where one is, or where nobody knows
    corners_px: Float64[ndarray, "n 2"] | None  # of the board as it was last seen
    coverage: Coverage
    kept: int
    kept_at_s: float | None  # time of the last frame that was kept
    enough: bool


class BoardWatch:
    """Hands frames to the coach and keeps what it wants in `folder`. A context manager."""

    def __init__(self, board: Board, coach: Coach, folder: Path, *, live: bool) -> None:
        self._board, self._coach, self._folder = board, coach, folder
        self._frames = LatestFrame() if live else FrameQueue()
        self._error: BaseException | None = None
        self._asked = threading.Event()
        self._seen_s: float | None = None  # time of the last frame with a board, or of the first one
        self._explained_s = float("-inf")
        self._reason = ""
        self._watched = Watched(coach.goal, "", "", None, coach.coverage, 0, None, False)
        self._thread = threading.Thread(target=self._run, name="board watch", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Hands a frame over. Raises what went wrong in the thread, such as a full disk."""
        self._frames.put(frame)
        if self._error is not None:
            raise self._error

    def take_now(self) -> None:
        """The next picture with a board is kept, whatever the coach says."""
        self._asked.set()

    @property
    def watched(self) -> Watched:
        """The newest of what is known."""
        return self._watched

    def close(self) -> None:
        """Looks at what was handed over and ends; may be called twice. Raises what went wrong in the thread."""
        self._frames.close()
        self._thread.join(JOIN_S)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __enter__(self) -> BoardWatch:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.close()
        except Exception:
            if kind is None:  # else the first error is the one to be told
                raise

    def _run(self) -> None:
        try:
            while not self._coach.enough:
                try:
                    frame = self._frames.take(LOOK_S)
                except TimeoutError:
                    continue
                assert isinstance(frame, Frame)
                self._look(frame)
        except End:
            return
        except BaseException as error:  # noqa: BLE001 - handed over: whoever puts or closes raises it
            self._error = error
        finally:
            self._frames.close()  # nobody looks any more: who puts must not wait

    def _look(self, frame: Frame) -> None:
        seen = self._found(frame)
        hint = self._coach.look(seen, frame.time_s)
        kept_at_s = self._watched.kept_at_s
        if isinstance(seen, Detection):
            self._seen_s, self._reason = frame.time_s, ""
            if (hint.take or self._asked.is_set()) and self._keep(frame):
                kept_at_s = frame.time_s
        self._watched = Watched(
            self._coach.goal,
            hint.state,
            self._reason,
            seen.px if isinstance(seen, Detection) else None,
            self._coach.coverage,
            self._coach.kept,
            kept_at_s,
            self._coach.enough,
        )

    def _found(self, frame: Frame) -> Detection | NotFound:
        """What a quick look sees; where it has seen nothing for a while, the reason."""
        seen = detect(frame.image_bgr, self._board, effort="preview")
        if isinstance(seen, Detection):
            return seen
        if self._seen_s is None:
            self._seen_s = frame.time_s
        unseen_s = frame.time_s - self._seen_s
        if unseen_s > EXPLAIN_S and frame.time_s - self._explained_s > EXPLAIN_AGAIN_S:
            self._explained_s = frame.time_s
            seen = detect(frame.image_bgr, self._board)
            if isinstance(seen, Detection):
                return seen
            self._reason = seen.text
        return NotFound(seen.reason, self._reason or seen.text)

    def _keep(self, frame: Frame) -> bool:
        """Whether the picture was kept: an exact look must see the board as well."""
        seen = detect(frame.image_bgr, self._board, explain=False)
        if not isinstance(seen, Detection) or not self._coach.keep(seen):
            return False
        self._asked.clear()
        write_picture(self._folder / f"{self._coach.kept:03d}.png", frame.image_bgr)
        return True


def write_picture(path: Path, image_bgr: ndarray) -> None:
    """A PNG, whole or not at all. UserError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        written, data = cv2.imencode(".png", image_bgr)
        assert written
        with temporary.open("wb") as file:
            file.write(data.tobytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written ({error.strerror}); the pictures before it are kept") from error
