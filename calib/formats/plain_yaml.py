"""The part of YAML that Kalibr and ROS write: nested tables, lists, numbers, words. Anything else is one clear line.

Understood: `key: value`, tables by indentation, `- item` lists of values, `[a, b, [c]]` over one or more lines, strings
plain or in quotes, comments. Not understood, and refused: tabs, tags, anchors, block texts, `{...}`, several documents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from calib.errors import UserError

KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s\[\]{}&*!|>%@`#,:"'-][^:#]*?)\s*:(?:\s+(.*))?""")
INTEGER = re.compile(r"[-+]?\d+")
FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}
TOKEN = re.compile(r"""\s*(\[|\]|,|"[^"]*"|'[^']*'|[^\[\],"']+)""")
REFUSED = tuple("{}&*!|>%@`")
DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its place."""

    number: int
    indent: int
    text: str


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The document, a table. UserError names the line that is not understood."""
    lines = _lines(text, name)
    if not lines:
        raise UserError(f"{name} is empty; write the calibration anew")
    value, rest = _block(lines, name, 0)
    if rest:
        raise _fault(rest[0], name)
    if not isinstance(value, dict):
        raise UserError(f"{name} is a list, not a table; give the calibration file")
    return value


def _fault(line: Line, name: str) -> UserError:
    shown = line.text if len(line.text) <= 50 else line.text[:47] + "..."
    return UserError(f"{name}, line {line.number} is not understood: {shown}; is the file damaged?")


def _lines(text: str, name: str) -> list[Line]:
    lines: list[Line] = []
    depth = 0  # of brackets that are still open
    for number, raw in enumerate(text.splitlines(), 1):
        bare = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        if not bare.strip() or (bare in ("---", "%YAML 1.2", "...") and not lines):
            continue
        line = Line(number, len(bare) - len(bare.lstrip(" ")), bare.strip())
        if "\t" in bare:
            raise _fault(line, name)
        if depth > 0:
            lines[-1] = Line(lines[-1].number, lines[-1].indent, f"{lines[-1].text} {line.text}")
        else:
            lines.append(line)
        depth += bare.count("[") - bare.count("]")
    if depth > 0:
        raise UserError(f"{name}, line {lines[-1].number} has an open bracket; is the file cut short?")
    return lines


def _block(lines: list[Line], name: str, depth: int) -> tuple[Any, list[Line]]:
    """A table or a list: all lines of the first one's indentation and what is nested in them."""
    if depth > DEEPEST:
        raise _fault(lines[0], name)
    if lines[0].text.startswith("- "):
        return _list(lines, name)
    indent, table = lines[0].indent, {}
    while lines and lines[0].indent == indent and not lines[0].text.startswith("- "):
        line, lines = lines[0], lines[1:]
        found = KEY.fullmatch(line.text)
        if not found:
            raise _fault(line, name)
        key, raw = found[1].strip("\"'"), (found[2] or "").strip()
        if key in table:
            raise UserError(f"{name}, line {line.number}: `{key}` is there twice; remove one")
        # a list may stand at its key's own indentation
        nested = lines and (lines[0].indent > indent or (lines[0].indent == indent and lines[0].text.startswith("- ")))
        if raw or not nested:
            table[key] = _value(raw, line, name)
        else:
            table[key], lines = _block(lines, name, depth + 1)
    return table, lines


def _list(lines: list[Line], name: str) -> tuple[list[Any], list[Line]]:
    indent, items = lines[0].indent, []
    while lines and lines[0].indent == indent and lines[0].text.startswith("- "):
        items.append(_value(lines[0].text[2:].strip(), lines[0], name))
        lines = lines[1:]
    return items, lines


def _value(raw: str, line: Line, name: str) -> Any:
    if not raw.startswith("["):
        return _scalar(raw, line, name)
    tokens = TOKEN.findall(raw)
    if "".join(tokens).replace(" ", "") != raw.replace(" ", ""):
        raise _fault(line, name)
    items, rest = _flow([token.strip() for token in tokens if token.strip()], line, name)
    if rest:
        raise _fault(line, name)
    return items


def _flow(tokens: list[str], line: Line, name: str) -> tuple[list[Any], list[str]]:
    """`[a, b, [c]]` from its opening bracket on."""
    items: list[Any] = []
    tokens = tokens[1:]
    while tokens and tokens[0] != "]":
        if tokens[0] == "[":
            item, tokens = _flow(tokens, line, name)
        else:
            item, tokens = _scalar(tokens[0], line, name), tokens[1:]
        items.append(item)
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
        elif not tokens or tokens[0] != "]":
            raise _fault(line, name)
    if not tokens:
        raise _fault(line, name)
    return items, tokens[1:]


def _scalar(raw: str, line: Line, name: str) -> Any:
    if len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "\"'":
        return raw[1:-1]
    if raw in WORDS:
        return WORDS[raw]
    if INTEGER.fullmatch(raw):
        return int(raw)
    if FLOAT.fullmatch(raw):
        return float(re.sub(r"\.(?=[inIN])", "", raw))
    if raw.startswith(REFUSED) or raw[0] in ",\"'-[" or ": " in raw:
        raise _fault(line, name)
    return raw
