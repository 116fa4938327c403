"""`sync.toml`: each camera's clock against the take's, however it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from calib.formats.source import read_text, write_whole
from calib.formats.toml_text import key, parse_toml, table
from calib.rig import Clock
from realtime.takes.errors import TakeError

SCHEMA = 1
NAME = "sync.toml"


@dataclass(frozen=True, slots=True)
class Sync:
    """take time = camera time + offset + drift * camera time; `sigma_ms` is the offset's, where it is known."""

    method: str  # "stamps", "epipolar", ...
    clocks: Mapping[str, Clock]
    sigma_ms: Mapping[str, float]


def write_sync(folder: Path, sync: Sync) -> None:
    """Replaces the take's `sync.toml`."""
    pieces = [table("top", {"schema": SCHEMA, "method": sync.method}).split("\n", 1)[1]]
    for name, clock in sync.clocks.items():
        items = {
            "clock_offset_s": clock.offset_s,
            "clock_drift_ppm": clock.drift_ppm,
            "sigma_ms": sync.sigma_ms.get(name),
        }
        pieces.append(table(f"cameras.{key(name)}", items))
    write_whole(folder / NAME, "\n".join(pieces))


def read_sync(folder: Path) -> Sync | None:
    """None where the take has none: then its stamps are taken as they are. TakeError where it is damaged."""
    path = folder / NAME
    if not path.is_file():
        return None
    document = parse_toml(read_text(path), str(path))
    if document.get("schema") != SCHEMA:
        raise TakeError(
            f"{path} has schema {document.get('schema')!r}, this program reads {SCHEMA}; update the program"
        )
    try:
        cameras = document["cameras"]
        clocks = {n: Clock(float(c["clock_offset_s"]), float(c["clock_drift_ppm"])) for n, c in cameras.items()}
        sigma_ms = {n: float(c["sigma_ms"]) for n, c in cameras.items() if "sigma_ms" in c}
        return Sync(str(document["method"]), clocks, sigma_ms)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise TakeError(f"{path} does not fit (missing {error}); remove it and sync the take again") from error
