"""What reading a damaged file raises: every library, and every layer below it, has errors of its own."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib

# found by reading files of every format here cut short and with bytes changed
DAMAGED = (
    OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, MemoryError, OverflowError,
    NotImplementedError, zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError,
)  # fmt: skip


def said(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
