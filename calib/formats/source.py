"""Bytes on disk: text that is safe to parse, and files that are whole or not there."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from calib.errors import UserError

LARGEST_BYTES = 32 << 20  # a calibration is text of a few kilobytes
# protocol 2 and newer say so in two bytes; the text protocols begin with a mark, a container or an import
PICKLE = re.compile(rb"\x80[\x01-\x08]|\([dl]p\d|[}\])]q\x00|c[\w.]+\n[\w.]+\n")


def read_text(path: Path) -> str:
    """The file as text. UserError where it is missing, empty, too large, a pickle or not UTF-8."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise UserError(f"{path.name} has {size >> 20} MiB, which no calibration needs; give the calibration file")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if PICKLE.match(data):
        raise UserError(f"{path.name} is a pickle, and reading one may run a program; save it as TOML, JSON or YAML")
    if not data.removeprefix(b"\xef\xbb\xbf").strip():
        raise UserError(f"{path.name} is empty; write the calibration anew")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path.name} is no text (byte {error.start} is not UTF-8); give the calibration file"
        ) from None


def make_folder(folder: Path) -> None:
    """The folder with its parents, where they are not there yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror or error}") from error


def write_whole(path: Path, text: str) -> None:
    """Replaces the file at once: whoever reads it sees the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
