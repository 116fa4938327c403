"""A table that follows a recording on a terminal; a line now and then where the output is a file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from realtime.recorder.events import LOGGER
from realtime.recorder.status import Status
from realtime.recorder.words import COLUMNS, headline, is_well, rows

LINE_S = 10.0  # between lines in a file
REDRAW_S = 0.2


@contextmanager
def shown(end: str = "Ctrl-C ends") -> Iterator[Callable[[Status], None]]:
    """Call what it gives with each status. On a terminal warnings stand under the table, not in between."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(status: Status) -> Group:
        table = Table(*COLUMNS, expand=False)
        for lane, cells in zip(status.lanes, rows(status), strict=True):
            table.add_row(*cells, style="" if is_well(lane) else "bold red")
        title = Text(f"{headline(status)}   {end}", style="bold")
        rig = [Text(status.rig, style="bold red" if status.alarm else "")] if status.rig else []
        return Group(title, table, *rig, *(Text(event, style="yellow") for event in status.events))

    logger = logging.getLogger(LOGGER)
    due_s = 0.0
    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        logger.propagate = False

        def show(status: Status) -> None:
            nonlocal due_s
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + REDRAW_S
                live.update(drawn(status), refresh=True)

        try:
            yield show
        finally:
            logger.propagate = True


class _Lines:
    def __init__(self) -> None:
        self._due_s = time.monotonic() + LINE_S

    def __call__(self, status: Status) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + LINE_S
        cameras = "; ".join(f"{cells[0]} {cells[1]} a second, {cells[3]} dropped" for cells in rows(status))
        print(f"{headline(status)}; {cameras}", file=sys.stderr, flush=True)
