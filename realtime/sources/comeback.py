"""A live source that goes away is awaited: a plug that was touched must not end an hour's session."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from realtime.frame import Absence
from realtime.sources import SourceError

log = logging.getLogger(__name__)

# a try costs a driver some 100 ms, and nobody minds a second more
RETRY_S = 1.0
# enough to find the plug and for a router to start again; a run that nobody watches still ends and closes its files
GIVE_UP_S = 30.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a source that is gone is tried, and for how long."""

    retry_s: float = RETRY_S
    give_up_s: float = GIVE_UP_S


class Comeback:
    """Follows one source through its absences, each said in one line when it begins and when it ends.

    `try_s` is the longest that one try to open it may take; `advice` is what to do when it stays away.
    """

    def __init__(
        self,
        name: str,
        *,
        try_s: float,
        advice: str,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._try_s, self._advice, self._clock = name, try_s, advice, clock
        self._patience = patience or Patience()
        self._since_s: float | None = None

    @property
    def retry_s(self) -> float:
        """The wait before the next try."""
        return self._patience.retry_s

    @property
    def away(self) -> bool:
        """Whether no frame came since it went."""
        return self._since_s is not None

    def came(self) -> None:
        """A frame came."""
        if self._since_s is not None:
            log.warning("%s is back", self._name)
            self._since_s = None

    def absence(self) -> Absence:
        """A read or a try failed: word for the reader. SourceError when it has been away for too long."""
        now_s = self._clock()
        if self._since_s is None:
            log.warning("%s is gone; waiting for it to come back", self._name)
            self._since_s = now_s
        if now_s - self._since_s >= self._patience.give_up_s:
            raise SourceError(
                f"{self._name} is gone and did not come back in {self._patience.give_up_s:g} s; {self._advice}"
            )
        return Absence(self._patience.retry_s + self._try_s)
