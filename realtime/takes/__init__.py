"""Takes: a folder with the recordings of one or more cameras, each frame with its moment.

    take = open_take("takes/kick")                  # mends what a crash left; take.repairs says what
    camera = take.cameras["cam0"]                   # name, path, about, table, lens (None: not calibrated), size_px
    camera.time_s, camera.take_time_s               # (n): as stamped; steady, on the clock that all share (sync.toml)
    for frame in camera.frames(): ...               # Frame(index, time_s, image_bgr), upright; index = row of the table
    take.pairs("cam0", "cam1")                      # (pairs, 2) rows that belong together, by the shared clock
    take.parts().held_out(camera.take_time_s)       # (n) bool: the last 20 %, after a gap of 1 s; .train likewise

    with create_take(folder, {"cam0": CameraAbout(source, width, height), ...}, made_by="synth") as writer:
        writer["cam0"].write_image(image_bgr, Row(time_us))        # or write_jpeg(bytes, Row(...))
        np.savez(writer.folder / "truth.npz", ...)
    write_sync(folder, Sync("epipolar", {"cam1": Clock(offset_s, drift_ppm)}, {"cam1": sigma_ms}))

A camera's rows are written by one thread, in order of strictly increasing `time_us`. Leaving the `with` by an exception
leaves a take that the next `open_take` mends. Other files of the folder (`rig.toml`, `joints_camN.npz`, `labels.npz`,
`truth.npz`, reports) are written by whoever makes them.
"""

from realtime.takes.about import About, CameraAbout, ClockMapping
from realtime.takes.errors import TakeError
from realtime.takes.sync import Sync, read_sync, write_sync
from realtime.takes.table import UNKNOWN, Flag, FrameTable, Row
from realtime.takes.take import Parts, Take, TakeCamera, nearest_pairs, on_take_clock, open_take
from realtime.takes.writer import CameraWriter, TakeWriter, create_take, live_clock

__all__ = [
    "UNKNOWN",
    "About",
    "CameraAbout",
    "CameraWriter",
    "ClockMapping",
    "Flag",
    "FrameTable",
    "Parts",
    "Row",
    "Sync",
    "Take",
    "TakeCamera",
    "TakeError",
    "TakeWriter",
    "create_take",
    "live_clock",
    "nearest_pairs",
    "on_take_clock",
    "open_take",
    "read_sync",
    "write_sync",
]
