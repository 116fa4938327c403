"""Faults that are the user's to mend."""

from __future__ import annotations

# no part of a plain Debian or Ubuntu server
LIBRARIES_COMMAND = "sudo apt install libusb-1.0-0 libgl1 libgomp1 libx11-6"


class UserError(RuntimeError):
    """A fault whose message is meant for the person at the keyboard: one line, what and what to do."""


def library_advice(error: ImportError) -> str | None:
    """What to do about a package that misses a library of the system; None where that is not what is wrong."""
    library, _, reason = str(error).partition(":")
    if "cannot open shared object file" not in reason:
        return None
    return f"the system's library {library} is missing: `{LIBRARIES_COMMAND}`"
