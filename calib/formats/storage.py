"""OpenCV's FileStorage (YAML, XML, JSON) as plain values, without its chatter on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
from jaxtyping import Float64
from numpy import ndarray

from calib.errors import UserError
from calib.formats import checked


class Storage:
    """A parsed file; keys that are not there give None."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            with _quiet():
                self._storage = cv2.FileStorage(text, cv2.FileStorage_READ | cv2.FileStorage_MEMORY)
            opened = self._storage.isOpened()
        except (cv2.error, SystemError):
            opened = False
        if not opened:
            raise UserError(f"{name} is no valid file of OpenCV's FileStorage; is it cut short?")
        self.root = self._storage.root()

    def keys(self) -> list[str]:
        """The names on the top level."""
        return list(self.root.keys()) if self.root.isMap() else []

    def first(self, *names: str, of: Any = None) -> Any:
        """The node with the first of these names that is there."""
        parent = self.root if of is None else of
        known = set(parent.keys()) if parent.isMap() else set()
        return next((parent.getNode(name) for name in names if name in known), None)

    def numbers(self, node: Any, where: str) -> Float64[ndarray, "..."]:
        """A matrix, a list of numbers or one number."""
        try:
            with _quiet():
                if node.isReal() or node.isInt():
                    return checked.array(node.real(), where)
                if node.isSeq():
                    return checked.array([node.at(i).real() for i in range(node.size())], where)
                matrix = node.mat()
        except (cv2.error, SystemError):
            matrix = None
        if matrix is None:
            raise UserError(f"{self.name}: {where} is no matrix; is the file damaged?")
        return checked.array(matrix, where)

    def texts(self, node: Any) -> list[str]:
        """A list of strings or of whole numbers."""
        items = [node.at(i) for i in range(node.size())] if node is not None and node.isSeq() else []
        return [str(int(item.real())) if item.isInt() else item.string() for item in items]


@contextmanager
def _quiet() -> Iterator[None]:
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
