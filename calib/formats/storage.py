"""OpenCV's FileStorage (YAML, XML, JSON) as plain values.

Read here, not by OpenCV: its reader overwrites memory and ends the program on some damaged files.
"""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.errors import UserError
from calib.formats import checked
from calib.formats.plain_yaml import parse_yaml
from calib.formats.xml_text import parse_xml

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
NOT_FINITE = {".nan", ".inf", "-.inf", "+.inf"}
WORD = re.compile(r'"([^"]*)"|(\S+)')
KINDS = tuple("ucwsifdh")  # OpenCV's element types; a digit before it counts channels


class Storage:
    """A parsed file: tables, lists and texts; numbers are made where they are asked for."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        start = text.lstrip()
        if start.startswith("<"):
            root: Any = _from_xml(parse_xml(text, name))
        elif start.startswith("{"):
            try:
                root = json.loads(text, parse_float=str, parse_int=str)
            except (json.JSONDecodeError, RecursionError) as error:
                raise UserError(f"{name} is no valid JSON: {error}; is the file cut short?") from None
        else:
            root = parse_yaml(text, name, opencv=True)
        self.root = checked.mapping(root, name)

    def first(self, *names: str, of: Any = None) -> Any:
        """What stands under the first of these names that is there, else None."""
        table = self.root if of is None else checked.mapping(of, self.name)
        return next((table[name] for name in names if name in table), None)

    def numbers(self, value: Any, where: str) -> Float64[ndarray, "..."]:
        """A matrix, a list of numbers or one number."""
        where = f"{self.name}, {where}"
        if isinstance(value, str):
            return checked.array(_number(value, where), where)
        if isinstance(value, list):
            return checked.array([_number(item, where) for item in value], where)
        if not isinstance(value, dict) or not {"rows", "cols", "dt", "data"} <= set(value):
            raise UserError(f"{where} is no matrix of OpenCV; is the file cut short?")
        data = value["data"] if isinstance(value["data"], list) else [value["data"]]
        rows, columns = (_number(value[side], where) for side in ("rows", "cols"))
        if value["dt"] not in KINDS:
            raise UserError(f"{where} has elements of type {str(value['dt'])[:20]!r}; known: {', '.join(KINDS)}")
        if rows * columns != len(data):
            raise UserError(f"{where} is {rows:g}x{columns:g} but has {len(data)} numbers; is the file damaged?")
        numbers = np.array([_number(item, where) for item in data])
        return checked.array(numbers.reshape(int(rows), int(columns)), where)

    def texts(self, value: Any) -> list[str]:
        """A list of texts; one text alone is a list of it."""
        items = value if isinstance(value, list) else [value]
        return [item for item in items if isinstance(item, str)]


def _number(value: Any, where: str) -> float:
    if isinstance(value, str) and value.lower() in NOT_FINITE:
        return float("nan")
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        raise UserError(f"{where} is not made of numbers: {str(value)[:50]}")
    return float(value)


def _from_xml(element: ElementTree.Element, depth: int = 0) -> Any:
    """Tables of elements, lists of `_`, words."""
    children = list(element)
    if depth > 20:
        raise UserError("the XML is nested too deeply; is the file damaged?")
    if children and all(child.tag == "_" for child in children):
        return [_from_xml(child, depth + 1) for child in children]
    if children:
        return {child.tag: _from_xml(child, depth + 1) for child in children}
    words = [quoted or bare for quoted, bare in WORD.findall(element.text or "")]
    return words[0] if len(words) == 1 else words
