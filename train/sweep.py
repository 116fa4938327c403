"""A table of runs that goes on where it was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

Record = dict[str, object]


class Results:
    """Records of finished runs by their names, in one JSON file that is whole at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, Record] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def once(self, name: str, make: Callable[[], Record]) -> Record:
        """The record of that name: from the file, or made now and written down."""
        if name not in self.records:
            self.records[name] = make()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part = self.path.with_suffix(".part")
            with open(part, "w", encoding="utf-8") as file:
                file.write(json.dumps(self.records, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self.path)
        return self.records[name]
