"""A real recording: a man who balances for 1.7 s before two cameras, with OpenPose's joints as the teacher's file."""

from dataclasses import replace

import numpy as np
import pytest

from calib.formats import read_rig, write_rig
from calib.rig import Rig
from realtime.takes.importing import import_videos
from train.datasets.openpose import NAMES
from train.own_rig.label_report import lines
from train.own_rig.labelling import label_take
from train.own_rig.teachers import FileTeacher


@pytest.mark.slow
def test_labels_of_a_real_recording_lie_near_the_four_camera_reference(shared_data, tmp_path):
    source = shared_data / "multiview" / "pose2sim_balance_cam12"
    take = tmp_path / "t"
    import_videos([source / "videos" / f"cam0{i}.mp4" for i in (1, 2)], take)
    found = list(read_rig(source / "calibration" / "Calib_scene.toml").rig.cameras.values())[:2]
    # eight columns were cut off on the right of the videos
    cameras = {f"cam{i}": replace(camera, width=1080) for i, camera in enumerate(found)}
    write_rig(take / "rig.toml", Rig(cameras))
    teacher = FileTeacher([source / f"openpose_body25b_cam0{i}.npz" for i in (1, 2)])
    done = label_take(take, teacher, step=lambda *_: None)
    said = "\n".join(lines(done, teacher=teacher.name))
    assert done.labels is not None, said
    with np.load(source / "reference3d_4view_scene.npz") as table:
        points, names = table["points"].astype(np.float64), [str(name) for name in table["names"]]
    errors_mm = []
    for name, camera in cameras.items():
        rows = done.labels.of(name)
        world_m = (done.labels.joints_cam_m[rows] - camera.t) @ camera.R
        for joint, called in NAMES.items():
            reference = points[done.labels.frame[rows], names.index(called)]
            kept = done.labels.kept[rows, joint]
            errors_mm.append(1000 * np.linalg.norm(world_m[kept, joint] - reference[kept], axis=-1))
    error_mm = float(np.nanmean(np.concatenate(errors_mm)))
    print(f"{error_mm:.1f} mm over {sum(map(len, errors_mm))} joints\n{said}")
    assert error_mm < 60
