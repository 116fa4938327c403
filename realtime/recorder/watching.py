"""Following a recording until it ends: on the terminal, and in a window where one is wanted."""

from __future__ import annotations

from contextlib import ExitStack

from realtime.preview import Preview
from realtime.recorder.mosaic import mosaic
from realtime.recorder.recorder import Recorder
from realtime.recorder.terminal import shown
from realtime.viewer.display import has_screen

END_KEYS = {"q", "esc"}
NO_SCREEN = "no screen: no preview"


def watch(recorder: Recorder, *, window: bool) -> str | None:
    """Runs a recording to its end; Q in the window, or closing it, ends it. Why there was no window, if it failed."""
    with ExitStack() as stack:
        preview = stack.enter_context(Preview("record")) if window and has_screen() else None
        show = stack.enter_context(shown("Ctrl-C ends" if preview is None else "Q or Ctrl-C ends"))
        for status in recorder.run():
            show(status)
            if preview is None:
                continue
            if preview.wants:
                preview.show(mosaic(status, recorder.glimpses.images))
            if set(preview.keys()) & END_KEYS or (preview.closed and preview.failure is None):
                recorder.end()
        if preview is not None:
            return preview.failure
    return NO_SCREEN if window else None
