"""Reading a take: cameras, frames and their moments, which frames belong together, which part is held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from calib.camera import Camera
from calib.clock import Cadence, cadence_of
from calib.errors import UserError as CalibError
from calib.formats import read_rig
from calib.rig import Clock, Rig
from realtime.frame import Frame
from realtime.sources.rotation import turned
from realtime.takes.about import About, CameraAbout, read_about
from realtime.takes.errors import TakeError
from realtime.takes.repair import repair
from realtime.takes.sync import Sync, read_sync
from realtime.takes.table import UNKNOWN, Flag, FrameTable, read_table
from realtime.takes.video import pictures
from realtime.takes.writer import table_path, video_path

HELD_OUT_SHARE, GAP_S = 0.2, 1.0
SCATTERED = ("driver", "host")  # clocks whose stamps have waited for programs


@dataclass(frozen=True, slots=True)
class TakeCamera:
    """One camera of a take. Row i of the table and `Frame.index` i are the same frame."""

    name: str
    path: Path  # the video
    about: CameraAbout
    table: FrameTable
    lens: Camera | None  # of the take's rig.toml, at the size of the pictures; None: not calibrated
    clock: Clock  # take time = camera time + offset + drift * camera time; zeros where nobody synced the take

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the pictures that `frames` gives."""
        return self.about.size_px

    @property
    def time_s(self) -> Float64[ndarray, "n"]:
        """Each frame's moment as it was stamped, on the camera's own clock."""
        return self.table.time_us / 1e6

    @property
    def cadence(self) -> Cadence:
        """What the stamps say about the camera's readouts: steady moments, dropped frames."""
        return cadence_of(self.time_s, self.table.segment)

    @property
    def dropped(self) -> int:
        """Frames that are missing, by the stamps and by the source's own count; the time of an absence has none."""
        missing = self.cadence.dropped_after[:-1]
        known = self.table.sequence != UNKNOWN
        counted = known[1:] & known[:-1] & (np.diff(self.table.segment) == 0)
        steps = np.diff(np.where(known, self.table.sequence, 0))
        return int(np.maximum(missing, np.where(counted, steps - 1, 0)).sum())

    @property
    def steady_s(self) -> Float64[ndarray, "n"]:
        """Each frame's moment on the camera's own clock, without the scatter of live stamps."""
        return self.cadence.steady_s if self.about.clock in SCATTERED else self.time_s

    @property
    def take_time_s(self) -> Float64[ndarray, "n"]:
        """Each frame's steady moment on the clock that the take's cameras share."""
        return on_take_clock(self.steady_s, self.clock)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Decoded pictures of rows start ... stop, turned upright; `time_s` is on the camera's own clock.

        A picture that is damaged is left out: its index is missing.
        """
        count = len(self.table)
        stop = count if stop is None else min(stop, count)
        if not 0 <= start < stop:
            return
        since_us = self.table.time_us - self.table.time_us[0]
        keys = np.flatnonzero(self.table.flags[: start + 1] & int(Flag.KEY))
        from_us = int(since_us[keys[-1]]) if len(keys) else 0
        for us, image_bgr in pictures(self.path, jpegs=self.about.codec == "mjpeg", from_us=from_us):
            index = int(np.argmin(np.abs(since_us - us)))
            if index >= stop:
                return
            if index >= start:
                yield Frame(index, float(self.table.time_us[index] / 1e6), turned(image_bgr, self.about.rotate_deg))


@dataclass(frozen=True, slots=True)
class Parts:
    """Which stretch of a take is learned from and which is held out, in take time."""

    train_s: tuple[float, float]
    held_out_s: tuple[float, float]

    def train(self, take_time_s: Float64[ndarray, "n"]) -> Bool[ndarray, "n"]:
        """Which frames are learned from."""
        return (take_time_s >= self.train_s[0]) & (take_time_s < self.train_s[1])

    def held_out(self, take_time_s: Float64[ndarray, "n"]) -> Bool[ndarray, "n"]:
        """Which frames are held out."""
        return (take_time_s >= self.held_out_s[0]) & (take_time_s <= self.held_out_s[1])


@dataclass(frozen=True, slots=True)
class Take:
    """A folder with synced recordings. `repairs` says what was mended on opening, a line each."""

    folder: Path
    about: About
    cameras: Mapping[str, TakeCamera]
    rig: Rig | None
    sync: Sync | None
    repairs: tuple[str, ...] = ()

    @property
    def common_s(self) -> tuple[float, float]:
        """From when to when all cameras were recorded, take time. TakeError where there is no such time."""
        ranges = [(t[0], t[-1]) for t in (c.take_time_s for c in self.cameras.values()) if len(t)]
        if len(ranges) < len(self.cameras):
            raise TakeError(f"{self.folder}: a camera has no frame at all; record again")
        begin_s, end_s = max(r[0] for r in ranges), min(r[1] for r in ranges)
        if begin_s >= end_s:
            raise TakeError(f"{self.folder}: its cameras never recorded at the same time; are they synced?")
        return float(begin_s), float(end_s)

    def parts(self, share: float = HELD_OUT_SHARE, gap_s: float = GAP_S) -> Parts:
        """The last contiguous share of the common time is held out, after a gap that nobody learns from."""
        begin_s, end_s = self.common_s
        held_s = end_s - share * (end_s - begin_s)
        return Parts((begin_s, max(held_s - gap_s, begin_s)), (held_s, end_s))

    def pairs(self, a: str, b: str, *, apart_s: float | None = None) -> Int64[ndarray, "pairs 2"]:
        """Rows of two cameras that are each other's nearest in take time, at most `apart_s` apart.

        Without `apart_s` it is 0.6 of the slower camera's frame period: nearest frames lie within half of it.
        """
        time_a, time_b = self.cameras[a].take_time_s, self.cameras[b].take_time_s
        if apart_s is None:
            apart_s = 0.6 * max(period_s(time_a), period_s(time_b))
        return nearest_pairs(time_a, time_b, apart_s)


def open_take(folder: Path | str) -> Take:
    """A take, mended where a crash broke it off. TakeError where it is none, damaged, or still being recorded."""
    folder = Path(folder)
    about = read_about(folder)
    repairs: tuple[str, ...] = ()
    if not about.complete:
        repairs = tuple(repair(folder, about))
        about = replace(about, complete=True)
    sync, rig = read_sync(folder), _rig(folder)
    cameras = {name: _camera(folder, name, camera, rig, sync) for name, camera in about.cameras.items()}
    return Take(folder, about, cameras, rig, sync, repairs)


def on_take_clock(time_s: Float64[ndarray, "n"], clock: Clock) -> Float64[ndarray, "n"]:
    """A camera's moments on the clock that all cameras share."""
    return time_s + clock.offset_s + clock.drift_ppm * 1e-6 * time_s


def period_s(time_s: Float64[ndarray, "n"]) -> float:
    """The usual distance of two frames; 0 of fewer than two."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0


def nearest_pairs(
    time_a_s: Float64[ndarray, "a"], time_b_s: Float64[ndarray, "b"], apart_s: float
) -> Int64[ndarray, "pairs 2"]:
    """Numbers of moments that are each other's nearest, at most `apart_s` apart. Both increase."""
    if not len(time_a_s) or not len(time_b_s):
        return np.zeros((0, 2), np.int64)
    b_of_a, a_of_b = _nearest(time_a_s, time_b_s), _nearest(time_b_s, time_a_s)
    a = np.arange(len(time_a_s))
    good = (a_of_b[b_of_a] == a) & (np.abs(time_a_s - time_b_s[b_of_a]) <= apart_s)
    return np.stack([a[good], b_of_a[good]], axis=1).astype(np.int64)


def _nearest(of_s: ndarray, among_s: ndarray) -> ndarray:
    right = np.clip(np.searchsorted(among_s, of_s), 1, max(len(among_s) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(among_s) - 1)
    return np.where(of_s - among_s[left] <= among_s[right] - of_s, left, right)


def _rig(folder: Path) -> Rig | None:
    path = folder / "rig.toml"
    return read_rig(path).rig if path.is_file() else None


def _camera(folder: Path, name: str, about: CameraAbout, rig: Rig | None, sync: Sync | None) -> TakeCamera:
    table, torn = read_table(table_path(folder, name))
    if torn:
        raise TakeError(f"{table_path(folder, name)}: {torn} lines at its end are torn; copy the take again")
    lens = None if rig is None else rig.cameras.get(name)
    if lens is not None:
        try:
            lens = lens.scaled_to(*about.size_px)
        except ValueError as error:
            raise CalibError(f"{folder}/rig.toml was made for other pictures: {error}; calibrate again") from None
    clocks = sync.clocks if sync is not None else rig.clocks if rig is not None else {}
    return TakeCamera(name, video_path(folder, name), about, table, lens, clocks.get(name, Clock()))
