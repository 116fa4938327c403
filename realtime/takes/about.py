"""`take.toml`: which cameras, what was asked of them and obtained, on which clock, who is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from calib.formats.source import read_text, write_whole
from calib.formats.toml_text import key, parse_toml, table
from realtime.sources.rotation import turned_size
from realtime.takes.errors import TakeError

SCHEMA = 1
NAME = "take.toml"
Codec = Literal["mjpeg", "h264", "copied"]
# whose times `time_us` are: the driver's, those of arrival, the stand-in file's own, exact ones of a made-up world
ClockName = Literal["driver", "host", "file", "exact"]
MadeBy = Literal["record", "live", "import", "synth"]


@dataclass(frozen=True, slots=True)
class CameraAbout:
    """One camera. Width and height are those of the stored pictures; `rotate_deg` turns them clockwise when read."""

    source: str
    width: int
    height: int
    codec: Codec = "mjpeg"  # "copied": packets of an existing video, as they were
    clock: ClockName = "host"
    rate: Fraction | None = None  # nominal, frames per second
    device: str = ""  # what the hardware calls itself
    asked: str = ""  # mode
    obtained: str = ""
    rotate_deg: int = 0

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise ValueError(f"a camera has pictures of some size, got {self.width = }, {self.height = }")
        if self.rotate_deg not in (0, 90, 180, 270):
            raise ValueError(f"pictures turn by quarter turns, got {self.rotate_deg = }")

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the pictures as they are read, turned."""
        return turned_size((self.width, self.height), self.rotate_deg)


@dataclass(frozen=True, slots=True)
class ClockMapping:
    """The take's zero on the monotonic clock and on the calendar's, and both at the end where it is known.

    Not `shared`: each camera has a zero of its own, as phones do; then only `sync.toml` makes one clock of them.
    """

    shared: bool = True
    start_monotonic_ns: int | None = None
    start_utc_ns: int | None = None
    end_monotonic_ns: int | None = None
    end_utc_ns: int | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Everything in `take.toml`. `complete` is false while a take grows, and where a crash ended it."""

    cameras: Mapping[str, CameraAbout]
    made_by: MadeBy
    clock: ClockMapping = field(default_factory=ClockMapping)
    subject_height_m: float | None = None
    notes: str = ""
    complete: bool = False

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("a take has at least one camera")


def write_about(folder: Path, about: About) -> None:
    """Replaces `take.toml` at once."""
    top = {
        "schema": SCHEMA,
        "made_by": about.made_by,
        "complete": about.complete,
        "subject_height_m": about.subject_height_m,
        "notes": about.notes,
    }
    pieces = [table("top", top).split("\n", 1)[1], table("clock", asdict(about.clock))]
    for name, camera in about.cameras.items():
        rate = None if camera.rate is None else str(camera.rate)
        pieces.append(table(f"cameras.{key(name)}", asdict(camera) | {"rate": rate}))
    write_whole(folder / NAME, "\n".join(pieces))


def read_about(folder: Path) -> About:
    """TakeError where the folder is no take, is damaged, or is newer than this program."""
    path = folder / NAME
    if not path.is_file():
        raise TakeError(f"{folder} is no take: there is no {NAME} in it; make one with `record` or `take import`")
    document = parse_toml(read_text(path), str(path))
    schema = document.pop("schema", None)
    if not isinstance(schema, int) or schema < 1:
        raise TakeError(f"{path}: schema = {schema!r} is none; known: {SCHEMA}")
    if schema > SCHEMA:
        raise TakeError(f"{path} has schema {schema}, this program reads up to {SCHEMA}; update the program")
    try:
        cameras = {name: _camera(record) for name, record in document.pop("cameras").items()}
        clock = ClockMapping(**document.pop("clock", {}))
        return About(cameras, clock=clock, **document)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise TakeError(f"{path} does not fit ({' '.join(str(error).split())}); record or import it again") from error


def completed(about: About, *, end_monotonic_ns: int | None, end_utc_ns: int | None) -> About:
    """The same at its end."""
    clock = replace(about.clock, end_monotonic_ns=end_monotonic_ns, end_utc_ns=end_utc_ns)
    return replace(about, clock=clock, complete=True)


def _camera(record: dict[str, Any]) -> CameraAbout:
    rate = record.pop("rate", None)
    return CameraAbout(**record, rate=None if rate is None else Fraction(rate))
