"""A zip file that is whole after each piece, whatever ends the program.

Python's own writes the directory when the file is closed; until then there is nothing to open. Here each piece and a
new directory replace the old directory in one call to the system. Always in the 64-bit form, so length has no limit.
After the file format specification of PKWARE (APPNOTE 6.3, sections 4.3 and 4.5.3).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

VERSION = 45  # of the specification: 64-bit sizes
DATE_1980 = 0x21  # the first of January: a time of writing would only make equal runs differ
ALL_ONES_16, ALL_ONES_32 = 0xFFFF, 0xFFFFFFFF  # "see the 64-bit record"
MEMBER = struct.Struct("<4s5H3L2H")
ENTRY = struct.Struct("<4s6H3L5H2L")
ENTRY_64 = struct.Struct("<2HQ")
END_64 = struct.Struct("<4sQ2H2L4Q")
END_64_AT = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
MEMBER_SIGN = b"PK\3\4"


class GrowingZip:
    """Pieces are stored as they are, not compressed. OSError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by close()
        self._directory = b""
        self._count = 0
        self._end = 0  # where the pieces end and the directory begins

    def append(self, pieces: dict[str, bytes]) -> None:
        """All of them or none: where they do not fit, the file keeps what it had, and is closed."""
        body, entries = b"", b""
        for name, data in pieces.items():
            entries += _entry(name, data, self._end + len(body))
            body += _member(name, data)
        directory, count = self._directory + entries, self._count + len(pieces)
        end = self._end + len(body)
        try:
            self._put(self._end, body + directory + _end_records(end, len(directory), count))
        except OSError:
            with suppress(OSError):
                old = self._directory + _end_records(self._end, len(self._directory), self._count)
                self._put(self._end, old if self._count else b"")
                self._file.truncate(self._file.tell())
            self._file.close()
            raise
        self._directory, self._count, self._end = directory, count, end

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._file.close()

    def _put(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def first_name(file: BinaryIO) -> str | None:
    """The name of a zip file's first piece; None where the file is something else."""
    head = file.read(MEMBER.size)
    if len(head) < MEMBER.size or not head.startswith(MEMBER_SIGN):
        return None
    return file.read(MEMBER.unpack(head)[-2]).decode(errors="replace")


def whole_pieces(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Name and data of each piece, without the directory: what a torn file still has is found too."""
    while len(head := file.read(MEMBER.size)) == MEMBER.size and head.startswith(MEMBER_SIGN):
        *_, crc, size, _, name_size, extra_size = MEMBER.unpack(head)
        name = file.read(name_size).decode()
        file.seek(extra_size, 1)
        data = file.read(size)
        if len(data) < size or zlib.crc32(data) != crc:
            return
        yield name, data


def _member(name: str, data: bytes) -> bytes:
    crc, size = zlib.crc32(data), len(data)
    return MEMBER.pack(MEMBER_SIGN, VERSION, 0, 0, 0, DATE_1980, crc, size, size, len(name), 0) + name.encode() + data


def _entry(name: str, data: bytes, offset: int) -> bytes:
    crc, size = zlib.crc32(data), len(data)
    fixed = (b"PK\1\2", VERSION, VERSION, 0, 0, 0, DATE_1980, crc, size, size, len(name), ENTRY_64.size)
    head = ENTRY.pack(*fixed, 0, 0, 0, 0, ALL_ONES_32)
    return head + name.encode() + ENTRY_64.pack(1, 8, offset)


def _end_records(offset: int, size: int, count: int) -> bytes:
    """What follows a directory of `count` entries that lies at `offset`."""
    ones = (ALL_ONES_16, ALL_ONES_16, ALL_ONES_32, ALL_ONES_32)
    return (
        END_64.pack(b"PK\6\6", END_64.size - 12, VERSION, VERSION, 0, 0, count, count, size, offset)
        + END_64_AT.pack(b"PK\6\7", 0, offset + size, 1)
        + END.pack(b"PK\5\6", 0, 0, *ones, 0)
    )
