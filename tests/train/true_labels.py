"""Labels of a made-up take that are the truth itself, and its truth.npz."""

from pathlib import Path

import numpy as np

from calib.formats import write_rig
from calib.rig import Clock, Quality, Rig
from realtime.takes import Sync, write_sync
from tests.realtime.takes.walked_take import Scene
from train.own_rig.labels import TakeLabels, write_labels
from train.synthetic.truth import Shots, Truth


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
        weight=np.ones(joints.shape, np.float32),
        flags=np.zeros(joints.shape[:2], np.int64),
        px=px,
        K=np.stack([lens.K for lens in scene.cameras.values()]),
        noise_mm=np.full(joints.shape[1], 5.0),
        teacher="the truth",
        metric=True,
        height_m=scene.walker.height_m,
    )
    write_labels(folder, labels)
    if truth:
        moments_s = [scene.rig_s(i) for i in range(2)]
        shots = {
            name: Shots(at_s, scene.walker.joints_m(at_s)) for name, at_s in zip(scene.cameras, moments_s, strict=True)
        }
        clocks = {"cam0": Clock(), "cam1": Clock(scene.offset_s)}
        whole = scene.walker.joints_m(moments_s[0])
        Truth(moments_s[0], whole, scene.cameras, clocks, shots, scene.walker.height_m).save(folder)
    return folder
