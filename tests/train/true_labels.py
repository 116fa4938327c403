"""Labels of a made-up take that are the truth itself, and its truth.npz."""

from pathlib import Path

import numpy as np

from calib.formats import write_rig
from calib.rig import Clock, Quality, Rig
from realtime.takes import Sync, write_sync
from realtime.takes.arrays import write_arrays
from tests.realtime.takes.walked_take import Scene
from train.own_rig.labels import TakeLabels, write_labels


def labelled_take(scene: Scene, folder: Path, *, truth: bool = False) -> Path:
    """A take with a rig, its clocks, and exact labels of every frame."""
    scene.write(folder)
    write_rig(folder / "rig.toml", Rig(scene.cameras, quality=Quality("green", made_from="board", metric=True)))
    write_sync(folder, Sync("epipolar", {"cam1": Clock(scene.offset_s)}, {"cam1": 1.0}))
    parts = []
    for i, lens in enumerate(scene.cameras.values()):
        joints = scene.people_m(i)[:, 0]
        px = np.stack([lens.project(pose) for pose in joints])
        parts.append((np.full(len(joints), i, np.int64), np.arange(len(joints), dtype=np.int64), joints, px))
    camera, frame, joints, px = (np.concatenate(column) for column in zip(*parts, strict=True))
    labels = TakeLabels(
        names=tuple(scene.cameras),
        camera=camera,
        frame=frame,
        joints_cam_m=joints,
        weight=np.ones((len(frame), 16, 3), np.float32),
        flags=np.zeros((len(frame), 16), np.int64),
        px=px,
        K=np.stack([lens.K for lens in scene.cameras.values()]),
        noise_mm=np.full(16, 5.0),
        teacher="the truth",
        metric=True,
        height_m=scene.walker.height_m,
    )
    write_labels(folder, labels)
    if truth:
        lenses = list(scene.cameras.values())
        arrays = {"names": np.array(list(scene.cameras))}
        for key in ("K", "dist", "cam_from_world"):
            arrays[key] = np.stack([getattr(lens, key) for lens in lenses])
        arrays["size_px"] = np.array([(lens.width, lens.height) for lens in lenses])
        for i, name in enumerate(scene.cameras):
            arrays[f"{name}_joints_world_m"] = scene.walker.joints_m(scene.rig_s(i))
        write_arrays(folder / "truth.npz", arrays)
    return folder
