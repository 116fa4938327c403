"""A progress bar on a terminal, nothing where the output is a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Step(Protocol):
    """Call it as work goes on."""

    def __call__(self, done: int, total: int | None = None, text: str = "") -> None:
        """`done` of `total` pieces; None where the end is not known."""
        ...


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Step]:
    """A bar with rate and remaining time on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    ]
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total, rate="", text="")

        def step(done: int, total: int | None = None, text: str = "") -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:.1f}/s" if speed else ""
            bar.update(task, completed=done, total=total, rate=rate, text=text)

        yield step


class Stages:
    """Bars of work that has several stages: one at a time, each drawn from its first step on. A context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __call__(self, what: str) -> Step:
        """A stage begins; the bar of the one before goes away."""
        self._stack.close()
        begun: list[Step] = []

        def step(done: int, total: int | None = None, text: str = "") -> None:
            if not begun:
                begun.append(self._stack.enter_context(progress(what)))
            begun[0](done, total, text)

        return step

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
