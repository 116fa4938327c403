"""What the keys of the window do."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any, Literal

from realtime.viewer.eye import ViewName
from realtime.viewer.slot import Command

Action = Command | ViewName | Literal["trails", "confidence", "screenshot", "help", "quit"]

# key codes of GLFW: letters and digits are those of ASCII
_ESCAPE, _TAB, _RIGHT, _SPACE = 256, 258, 262, 32
ACTIONS: dict[int, Action] = {
    ord("Q"): "quit", _ESCAPE: "quit",
    _SPACE: "pause", ord("N"): "step", _RIGHT: "step",
    ord("1"): "free", ord("2"): "front", ord("3"): "side", ord("4"): "top",
    ord("T"): "trails", ord("C"): "confidence", ord("M"): "mirror", ord("S"): "screenshot",
    ord("R"): "record", ord("P"): "next_person", _TAB: "next_person", ord("H"): "help",
}  # fmt: skip
# Open3D's own keys would change the look or write files of their own
SILENCED = [ord(c) for c in string.ascii_uppercase + string.digits if ord(c) not in ACTIONS] + [96, 283, 44, 46]
_PRESSED, _REPEATED = 1, 2


def listen(vis: Any, press: Callable[[Action], None]) -> None:
    """Calls `press` for each key; one that is held down repeats only where that makes sense."""
    for key, action in ACTIONS.items():
        vis.register_key_action_callback(key, _handler(action, press))
    for key in SILENCED:
        vis.register_key_action_callback(key, lambda _vis, _action, _mods: False)


def _handler(action: Action, press: Callable[[Action], None]) -> Callable[[Any, int, int], bool]:
    def handle(_vis: Any, event: int, _mods: int) -> bool:
        if event == _PRESSED or (event == _REPEATED and action == "step"):
            press(action)
        return False

    return handle
