"""Pictures of a board, from a folder of pictures or videos per camera: which boards are seen in which moment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calib.board import Board
from calib.detect import detect
from calib.detection import Detection, NotFound
from engine.errors import UserError
from realtime.capture import Capture
from realtime.frame import Frame
from realtime.progress import Step
from realtime.sources import Source, open_source
from realtime.sources.folder import SUFFIXES as PICTURES
from realtime.sources.folder import FolderSource

VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
EXPLAINED = 3  # pictures without a board whose reason is looked for, per camera: seconds each
MOMENTS = 60  # of a video are looked at, spread over its length


@dataclass(frozen=True, slots=True)
class Looked:
    """What one camera saw: a detection per moment, or None."""

    name: str
    detections: list[Detection | None]
    absences: list[str]  # why a board was not found, for the first moments of that kind
    moments: list[str]  # what a person calls them
    frames: list[int]  # their numbers

    @property
    def found(self) -> list[Detection]:
        """The detections alone."""
        return [one for one in self.detections if one is not None]

    @property
    def commonest_absence(self) -> str | None:
        """Why most of the others show no board."""
        return Counter(self.absences).most_common(1)[0][0] if self.absences else None


def cameras_in(place: Path) -> dict[str, Path]:
    """Where each camera's pictures lie, by name: a video, a folder of pictures, or several of either in a folder.

    UserError where there are none.
    """
    if place.is_file():
        return {place.stem: place}
    if not place.is_dir():
        raise UserError(
            f"there is no {place}; give a folder of pictures, or a folder with one folder or video per camera"
        )
    entries = sorted(place.iterdir())
    pictures = [entry for entry in entries if entry.suffix.lower() in PICTURES]
    if pictures:
        _refuse_mixed(place, pictures)
        return {place.resolve().name: place}
    found = {entry.stem: entry for entry in entries if entry.suffix.lower() in VIDEOS}
    found |= {entry.name: entry for entry in entries if entry.is_dir() and _holds_pictures(entry)}
    if not found:
        raise UserError(f"{place} holds neither pictures nor videos, nor folders of pictures; one of each per camera")
    return found


def find_floor(places: Mapping[str, Path], floor: str | None) -> int | None:
    """Number of the frame in which the board lies on the floor: of a picture by its name, of a video by seconds.

    Without a name a picture called floor* is meant, if there is one. UserError where a name or time is not there.
    """
    for name, path in places.items():
        with closing(open_source(video=str(path))) as source:
            if isinstance(source, FolderSource):
                found = [k for k, picture in enumerate(source.paths) if _is_floor(picture, floor)]
                if found:
                    return found[0]
            elif floor is not None:
                return _frame_at(source, name, floor)
    if floor is not None:
        raise UserError(f"--floor {floor}: none of {', '.join(places)} has a picture of this name")
    return None


def look_for_boards(places: Mapping[str, Path], board: Board, *, also: int | None = None, step: Step) -> list[Looked]:
    """Every camera's pictures in turn. Moments of videos are the same in all of them; frame `also` is among them."""
    every = _every(places)
    total = sum(_moments(path, every) for path in places.values())
    looked, done = [], 0
    for name, path in places.items():
        one = Looked(name, [], [], [], [])
        for moment, frame in _frames(path, every, also):
            explain = len(one.absences) < EXPLAINED
            seen = detect(frame.image_bgr, board, explain=explain)
            one.moments.append(moment)
            one.frames.append(frame.index)
            one.detections.append(seen if isinstance(seen, Detection) else None)
            if isinstance(seen, NotFound) and explain:
                one.absences.append(seen.text)
            done += 1
            step(done, max(total, done), f"{name}: {len(one.found)} boards")
        looked.append(one)
    return looked


def _is_floor(picture: Path, floor: str | None) -> bool:
    if floor is None:
        return picture.name.lower().startswith("floor")
    return floor in (picture.name, picture.stem)


def _frame_at(source: Source, name: str, seconds: str) -> int:
    """The frame of a video at this time."""
    try:
        time_s = float(seconds)
    except ValueError:
        raise UserError(f"--floor {seconds}: {name} is a video; give the seconds from its start") from None
    frame, count = round(time_s * float(source.rate or 30)), source.frame_count
    if not (0 <= frame < (count or frame + 1)):
        raise UserError(f"--floor {seconds}: {name} has no such second")
    return frame


def _refuse_mixed(place: Path, pictures: Sequence[Path]) -> None:
    """left01.jpg, right01.jpg ...: two cameras in one folder would become one impossible lens."""
    numbers: dict[str, set[str]] = {}
    for picture in pictures:
        if parts := re.fullmatch(r"(.*?)[-_ ]*(\d+)", picture.stem):
            numbers.setdefault(parts[1], set()).add(parts[2])
    series = [name for name, seen in numbers.items() if len(seen) > 1]
    if len(series) > 1 and all(numbers[name] == numbers[series[0]] for name in series):
        said = " and ".join(sorted(series))
        raise UserError(f"{place} holds pictures of {said}: put each camera's pictures into a folder of its own")


def _holds_pictures(folder: Path) -> bool:
    return any(entry.suffix.lower() in PICTURES for entry in folder.iterdir())


def _every(places: Mapping[str, Path]) -> int:
    """Every so many frames of videos: one number for all cameras, so that moments stay pairs."""
    counts = [_frame_count(path) for path in places.values() if path.is_file()]
    return max(int(np.ceil(min(counts) / MOMENTS)), 1) if counts else 1


def _frame_count(path: Path) -> int:
    with closing(open_source(video=str(path))) as source:
        return source.frame_count or MOMENTS


def _moments(path: Path, every: int) -> int:
    return -(-_frame_count(path) // (every if path.is_file() else 1))


def _frames(path: Path, every: int, also: int | None) -> Iterator[tuple[str, Frame]]:
    step = every if path.is_file() else 1
    with closing(open_source(video=str(path))) as source, Capture(source) as capture:
        names = [picture.name for picture in source.paths] if isinstance(source, FolderSource) else None
        for frame in capture.frames():
            if frame.index % step == 0 or frame.index == also:
                yield names[frame.index] if names else f"{path.name} {frame.index}", frame
