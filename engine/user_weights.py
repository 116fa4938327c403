"""A user's own weights: where they lie, which of them `auto` takes, and the way back.

`$POSE_DATA/weights/NAME.safetensors`, else in the folder that the system has for a program's data; `index.json` beside
them says which are in use, which were before, and which belong to which lens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from engine.errors import UserError
from engine.places import DATA_VARIABLE, data_place

SCHEMA = 1
TAKEN = ("auto", "lite", "full")  # they mean something else
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class OwnWeightsError(UserError):
    """Own weights that are not there, or cannot be kept."""


@dataclass(frozen=True, slots=True)
class Index:
    """What is in use. None: the bundled ones."""

    in_use: str | None = None
    before: tuple[str | None, ...] = ()  # the latest last
    lenses: Mapping[str, str] = field(default_factory=dict)  # weights by key of the lens they were taught with


def weights_folder() -> Path:
    """Where own weights lie; it need not exist yet."""
    return data_place() / "weights"


def own_path(name: str) -> Path:
    """The file of own weights. OwnWeightsError for what cannot be a name."""
    if not NAME.fullmatch(name) or name in TAKEN:
        raise OwnWeightsError(f"'{name}' is no name for own weights; use letters, digits, points, dashes")
    return weights_folder() / f"{name}.safetensors"


def own_names() -> list[str]:
    """All that there are, by name."""
    return sorted(path.stem for path in weights_folder().glob("*.safetensors"))


def read_index() -> Index:
    """OwnWeightsError where it is damaged."""
    path = weights_folder() / "index.json"
    if not path.is_file():
        return Index()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("schema") > SCHEMA:
            raise OwnWeightsError(f"{path} comes from a newer version of this program; update it")
        return Index(**{**record, "before": tuple(record["before"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OwnWeightsError(f"{path} is damaged ({error}); remove it, the weights themselves stay") from None


def chosen(lens: str | None = None) -> Path | None:
    """The file that `auto` takes: that of the lens, else the one in use; None: the bundled ones."""
    index = read_index()
    name = index.lenses.get(lens, index.in_use) if lens is not None else index.in_use
    if name is None:
        return None
    path = own_path(name)
    if not path.is_file():
        raise OwnWeightsError(f"own weights '{name}' are in use but {path} is gone; python run.py weights undo")
    return path


def use(name: str | None, *, lenses: tuple[str, ...] = ()) -> None:
    """Makes them the ones that `auto` takes, also for these lenses; None: the bundled ones."""
    if name is not None and not own_path(name).is_file():
        known = ", ".join(own_names()) or "none yet"
        raise OwnWeightsError(f"there are no own weights '{name}'; there are: {known}")
    index = read_index()
    kept = {} if name is None else {**index.lenses, **dict.fromkeys(lenses, name)}
    _write(Index(name, (*index.before, index.in_use)[-20:], kept))


def undo() -> str | None:
    """Back to what was in use before; its name. OwnWeightsError where there is nothing before."""
    index = read_index()
    if not index.before:
        raise OwnWeightsError("nothing to undo: no weights were put to use yet")
    name = index.before[-1]
    kept = {lens: own for lens, own in index.lenses.items() if own != index.in_use}
    _write(replace(index, in_use=name, before=index.before[:-1], lenses=kept))
    return name


def _write(index: Index) -> None:
    folder = weights_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / ".index.json.partial"
        partial.write_text(json.dumps({"schema": SCHEMA, **asdict(index)}, indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / "index.json")
    except OSError as error:
        text = f"cannot write to {folder} ({error.strerror}); set {DATA_VARIABLE} to a folder that can be written to"
        raise OwnWeightsError(text) from error
