"""What can be wrong with a take."""

from __future__ import annotations

from engine.errors import UserError


class TakeError(UserError):
    """A take that cannot be read or written, and what to do."""
