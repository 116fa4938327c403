"""What the process holds."""

from __future__ import annotations

import psutil


def resident_mb() -> float:
    """Resident memory, MB."""
    return psutil.Process().memory_info().rss / 1e6


def open_files() -> int:
    """Open files, sockets and pipes (handles on Windows)."""
    process = psutil.Process()
    count = process.num_fds if hasattr(process, "num_fds") else process.num_handles  # pyright: ignore[reportAttributeAccessIssue]
    return count()
