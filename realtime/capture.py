"""The capture thread: it drains the source without pause, so that no driver's buffer grows old frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from realtime.frame import Frame
from realtime.handover import End, FrameQueue, LatestFrame
from realtime.sources import Source, SourceError

# a camera that gives nothing for so long is gone; a file on a slow disk gets more
LIVE_TIMEOUT_S, FILE_TIMEOUT_S = 5.0, 30.0
JOIN_S = 2.0


class Capture:
    """Frames of a source, read in a thread of its own. Closing it closes the source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._handover = LatestFrame() if source.live else FrameQueue()
        self._timeout_s = LIVE_TIMEOUT_S if source.live else FILE_TIMEOUT_S
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def frames(self) -> Iterator[Frame]:
        """Every frame of a file, the newest of a camera. SourceError where it stalls, and whatever reading raised."""
        while True:
            try:
                yield self._handover.take(self._timeout_s)
            except End:
                return
            except TimeoutError:
                raise SourceError(
                    f"{self._source.name} gave no frame in {self._timeout_s:g} s; is it still connected?"
                ) from None

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones before anybody looked at them."""
        return self._handover.dropped

    def close(self) -> None:
        """Ends the thread, then the source. A thread stuck in a driver is left behind; it is a daemon."""
        self._handover.close()
        self._thread.join(JOIN_S)
        if not self._thread.is_alive():
            self._source.close()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            for frame in self._source.frames():
                if not self._handover.put(frame):
                    return
            self._handover.close()
        except BaseException as error:  # noqa: BLE001 - handed over: the reader raises it
            self._handover.close(error)
