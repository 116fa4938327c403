"""TOML: read by the standard library, written by these few lines."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import numpy as np

from calib.errors import UserError


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The document. UserError with the line where it breaks."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name} is no valid TOML: {error}; is the file cut short?") from None


def quoted(text: str) -> str:
    """A string in quotes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def value(item: Any) -> str:
    """Strings, numbers, booleans and (nested) lists or arrays of them; floats to the last bit."""
    if isinstance(item, np.ndarray):
        return value(item.tolist())
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, str):
        return quoted(item)
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(value, item))}]"
    return repr(float(item)) if isinstance(item, float) else repr(int(item))


def table(header: str, items: dict[str, Any]) -> str:
    """A table, without what is None."""
    lines = [f"{key(name)} = {value(item)}" for name, item in items.items() if item is not None]
    return "\n".join([f"[{header}]", *lines]) + "\n"
