"""Taking pictures of a board with a running camera: by itself, until they can carry a lens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from calib.board import Board
from calib.coach import VIEWS_WANTED, Coach
from calib.formats.source import make_folder
from calib.intrinsics import VIEWS_MIN
from engine.errors import UserError
from realtime.board_overlay import draw
from realtime.board_watch import BoardWatch, Watched
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.preview import Preview
from realtime.progress import Step
from realtime.signals import once_on_signal
from realtime.sources import Source
from realtime.viewer import NO_SCREEN, has_screen

END_KEYS, TAKE_KEY = ("q", "esc"), "space"


@dataclass(frozen=True, slots=True)
class Collected:
    """Pictures that were kept: a folder with one folder of them, as `calibrate` takes it."""

    place: Path
    kept: int
    enough: bool
    interrupted: bool  # by Ctrl-C or SIGTERM
    window_failure: str | None

    @property
    def says(self) -> str:
        """For a terminal."""
        if self.enough:
            return f"{counted(self.kept)} cover the lens"
        why = "stopped" if self.interrupted else "ended"
        return f"{why} after {self.kept} of {VIEWS_WANTED} or more pictures"

    def refuse_few(self) -> None:
        """UserError where there are too few for any lens."""
        if self.kept < VIEWS_MIN:
            raise UserError(f"{self.kept} pictures of the board are too few for a lens, {VIEWS_WANTED} are good")


def new_place(out: Path) -> Path:
    """A folder for the pictures of a run that starts now, beside those of other runs. UserError where it cannot be."""
    place = out / "pictures" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    make_folder(place)
    return place


def collect(
    source: Source,
    board: Board,
    place: Path,
    *,
    name: str,
    window: bool,
    mirror: bool = False,
    say: Callable[[str], object],
    step: Step,
) -> Collected:
    """Keeps pictures in `place`/`name` until there are enough, the source ends, or the person ends it.

    In a window, or else in words: `say` gets a line for each picture and whenever something else is wanted. A window
    that is closed ends it, one that fails does not. SourceError, or UserError where a picture cannot be written; those
    before it are kept.
    """
    folder = place / name
    make_folder(folder)
    interrupted = False
    with ExitStack() as stack:
        capture = stack.enter_context(Capture(source))

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            capture.end()

        stack.enter_context(once_on_signal(interrupt))
        if window and not has_screen():
            say(NO_SCREEN)
        preview = stack.enter_context(Preview(f"calibrate {source.name}")) if window and has_screen() else None
        watch = stack.enter_context(BoardWatch(board, Coach(board, flipped=mirror), folder, live=source.live))
        teller = Teller(say, step)
        for frame in capture.frames():
            watch.put(frame)
            watched = watch.watched
            teller.tell(watched)
            if watched.enough or (preview is not None and _ended(preview, watch, frame, watched, mirror)):
                break
        watch.close()
        teller.tell(watch.watched)
        failure = preview.failure if preview is not None else None
    watched = watch.watched
    return Collected(place, watched.kept, watched.enough, interrupted, failure)


class Teller:
    """Says in words what the window shows: each picture that is kept, and what is wanted then."""

    def __init__(self, say: Callable[[str], object], step: Step) -> None:
        self._say, self._step = say, step
        self._said: tuple[int, str] | None = None
        self._reason = ""

    def tell(self, watched: Watched) -> None:
        """The newest state; what was said already is not said again."""
        self._step(watched.kept, VIEWS_WANTED, watched.state or watched.goal)
        if (watched.kept, watched.goal) != self._said:
            self._said = watched.kept, watched.goal
            self._say(f"{counted(watched.kept)}: {'enough' if watched.enough else watched.goal}")
        if watched.reason and watched.reason != self._reason:
            self._say(watched.reason)
        self._reason = watched.reason


def counted(pictures: int) -> str:
    """A number of pictures in words."""
    return "1 picture" if pictures == 1 else f"{pictures} pictures"


def _ended(preview: Preview, watch: BoardWatch, frame: Frame, watched: Watched, mirror: bool) -> bool:
    """Shows a frame and obeys the keys; True where the person has had enough."""
    if preview.wants:
        preview.show(draw(frame.image_bgr, watched, frame.time_s, mirror=mirror))
    keys = preview.keys()
    if TAKE_KEY in keys:
        watch.take_now()
    return any(key in keys for key in END_KEYS) or (preview.closed and preview.failure is None)
