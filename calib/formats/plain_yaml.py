"""The part of YAML that Kalibr, ROS and OpenCV write: tables, lists, numbers, words. Anything else is one clear line.

Understood: `key: value`, tables by indentation, `- item` lists of values, `[a, b, [c]]` over one or more lines, strings
plain or in quotes, comments. Not understood, and refused: tabs, anchors, block texts, `{...}`, several documents, and
tags, of which OpenCV's for matrices is passed over. Words such as `true` stay words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from calib.errors import UserError

KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s\[\]{}&*!|>%@`#,:"'-][^:#]*?)\s*:(?:\s+(.*))?""")
INTEGER = re.compile(r"[-+]?\d+")
FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
MATRIX = "!!opencv-matrix"
TOKEN = re.compile(r"""\s*(\[|\]|,|"[^"]*"|'[^']*'|[^\[\],"']+)""")
REFUSED = tuple("{}&*!|>%@`")
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its place; one that goes on after an open bracket is whole here."""

    number: int
    indent: int
    text: str

    @property
    def item(self) -> bool:
        """Whether it is an item of a list."""
        return self.text == "-" or self.text.startswith("- ")


def parse_yaml(text: str, name: str, *, opencv: bool = False) -> dict[str, Any]:
    """The document, a table. UserError names the line that is not understood.

    `opencv`: matrices of FileStorage are tables, and numbers stay texts.
    """
    return Parser(_lines(text, name), name, opencv).document()


def _fault(line: Line, name: str) -> UserError:
    shown = " ".join(line.text.split())
    shown = shown if len(shown) <= 50 else shown[:47] + "..."
    return UserError(f"{name}, line {line.number} is not understood: {shown}; is the file damaged?")


def _lines(text: str, name: str) -> list[Line]:
    lines: list[Line] = []
    parts: list[str] = []  # of the line whose bracket is still open
    depth = 0
    for number, raw in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        line = Line(number, len(bare) - len(bare.lstrip(" ")), bare.strip())
        if not line.text or (not lines and (line.text == "---" or line.text.startswith("%YAML"))):
            continue
        if "\t" in bare:
            raise _fault(line, name)
        if depth > 0:
            parts.append(line.text)
        else:
            parts = [line.text]
            lines.append(line)
        depth += bare.count("[") - bare.count("]")
        if depth <= 0 and len(parts) > 1:
            lines[-1] = replace(lines[-1], text=" ".join(parts))
    if depth > 0:
        raise UserError(f"{name}, line {lines[-1].number} has an open bracket; is the file cut short?")
    return lines


class Parser:
    """Walks the lines once."""

    def __init__(self, lines: list[Line], name: str, opencv: bool) -> None:
        self.lines, self.name, self.opencv = lines, name, opencv
        self.at = 0

    @property
    def next(self) -> Line | None:
        """The line to come."""
        return self.lines[self.at] if self.at < len(self.lines) else None

    def document(self) -> dict[str, Any]:
        """The whole file."""
        if not self.lines:
            raise UserError(f"{self.name} is empty; write the calibration anew")
        value = self.block(self.lines[0], 0)
        if self.next is not None:
            raise _fault(self.next, self.name)
        if not isinstance(value, dict):
            raise UserError(f"{self.name} is a list, not a table; give the calibration file")
        return value

    def block(self, first: Line, depth: int) -> Any:
        """A table or a list: all lines of the first one's indentation and what is nested in them."""
        if depth > DEEPEST:
            raise _fault(first, self.name)
        return self.items(first, depth) if first.item else self.table(first, depth)

    def items(self, first: Line, depth: int) -> list[Any]:
        """`- value` lines; a dash alone has its item below it."""
        found = []
        while (line := self.next) is not None and line.indent == first.indent and line.item:
            self.at += 1
            below = self.next
            if line.text == "-" and below is not None and below.indent > line.indent:
                found.append(self.block(below, depth + 1))
            else:
                found.append(self.value(line.text[1:].strip(), line))
        return found

    def table(self, first: Line, depth: int) -> dict[str, Any]:
        """`key: value` lines; a key alone has its value below it."""
        table: dict[str, Any] = {}
        while (line := self.next) is not None and line.indent == first.indent and not line.item:
            self.at += 1
            found = KEY.fullmatch(line.text)
            if not found:
                raise _fault(line, self.name)
            key, raw = found[1].strip("\"'"), (found[2] or "").strip()
            if key in table:
                raise UserError(f"{self.name}, line {line.number}: `{key}` is there twice; remove one")
            if self.opencv and raw == MATRIX:
                raw = ""
            below = self.next
            # a list may stand at its key's own indentation
            nested = below is not None and (below.indent > line.indent or (below.indent == line.indent and below.item))
            table[key] = (
                self.block(below, depth + 1) if below is not None and nested and not raw else self.value(raw, line)
            )
        return table

    def value(self, raw: str, line: Line) -> Any:
        """What stands behind a key or a dash."""
        if not raw.startswith("["):
            return self.scalar(raw, line)
        tokens = [token.strip() for token in TOKEN.findall(raw)]
        if "".join(tokens).replace(" ", "") != raw.replace(" ", ""):
            raise _fault(line, self.name)
        return self.flow([token for token in tokens if token], line)

    def flow(self, tokens: list[str], line: Line) -> list[Any]:
        """`[a, b, [c]]`."""
        stack: list[list[Any]] = [[]]
        wanted = True  # an item, not a comma
        for token in tokens:
            if token == "]":
                if len(stack) < 2:
                    raise _fault(line, self.name)
                done = stack.pop()
                stack[-1].append(done)
                wanted = False
            elif token == ",":
                if wanted or len(stack) < 2:
                    raise _fault(line, self.name)
                wanted = True
            elif not wanted or len(stack) > DEEPEST or (len(stack) == 1 and token != "["):
                raise _fault(line, self.name)
            elif token == "[":
                stack.append([])
            else:
                stack[-1].append(self.scalar(token, line))
                wanted = False
        if len(stack) != 1 or len(stack[0]) != 1:
            raise _fault(line, self.name)
        return stack[0][0]

    def scalar(self, raw: str, line: Line) -> Any:
        """A number, a text, or None where there is nothing."""
        if len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "\"'":
            return raw[1:-1]
        if not raw:
            return None
        if not self.opencv and INTEGER.fullmatch(raw):
            return int(raw)
        if not self.opencv and FLOAT.fullmatch(raw):
            return float(re.sub(r"\.(?=[inIN])", "", raw))
        if self.opencv and FLOAT.fullmatch(raw):
            return raw
        if raw.startswith(REFUSED) or raw[0] in ",\"'-[" or ": " in raw:
            raise _fault(line, self.name)
        return raw
