"""A traffic light with reasons: what a person may rely on, said in one word and then in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Light = Literal["green", "yellow", "red"]
_ORDER: tuple[Light, ...] = ("green", "yellow", "red")


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding: how bad it is, what was found, and what to do."""

    light: Light  # green: a check that was passed and is worth saying
    text: str  # one sentence, figures with units


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst of its reasons; green without any."""

    reasons: tuple[Reason, ...] = field(default=())

    @property
    def light(self) -> Light:
        """Green: use it. Yellow: usable, with what the reasons say in mind. Red: do not use it."""
        lights: list[Light] = ["green", *(reason.light for reason in self.reasons)]
        return max(lights, key=_ORDER.index)

    def with_reasons(self, more: Iterable[Reason]) -> Verdict:
        """The same with more reasons."""
        return Verdict((*self.reasons, *more))

    def texts(self) -> list[str]:
        """What speaks against it, worst first."""
        against = [reason for reason in self.reasons if reason.light != "green"]
        return [reason.text for reason in sorted(against, key=lambda r: -_ORDER.index(r.light))]
