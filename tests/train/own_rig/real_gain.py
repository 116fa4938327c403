"""A real recording of 1.7 s, taught with its first 60 frames and judged on the rest: whichever way it goes.

`python -m tests.train.own_rig.real_gain [--own] FOLDER`, FOLDER being the shared `pose2sim_balance_cam12`: labels from
its OpenPose joints, or with --own from our own weights; N-MPJPE of one camera against the labels, and against the
reference of four cameras, before and after. Far too short for `finetune` itself, which asks for ten seconds.
"""

import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from calib.formats import read_rig, write_rig
from calib.rig import Rig
from engine.backends import open_engine
from engine.skeleton import L_HIP, R_HIP, ROOT
from engine.weights import load_weights
from realtime.pipeline import Pipeline
from realtime.take_joints import lens_of
from realtime.takes import Take, open_take
from realtime.takes.importing import import_videos
from realtime.takes.take import Parts
from train.datasets.openpose import NAMES
from train.datasets.takes import read_take
from train.own_rig import finetuning, lessons
from train.own_rig.labelling import label_take
from train.own_rig.teachers import FileTeacher, OwnTeacher
from train.pose_errors import mean_mm, pose_errors

FIRST, RATE_HZ = 60, 60.0
ENGINE = "auto"


def quiet(*_, **__):
    pass


def imported(source, folder):
    """The recording as a take with its rig; eight columns were cut off on the right of the videos."""
    import_videos([source / "videos" / f"cam0{i}.mp4" for i in (1, 2)], folder)
    found = list(read_rig(source / "calibration" / "Calib_scene.toml").rig.cameras.values())[:2]
    cameras = {f"cam{i}": replace(camera, width=1080) for i, camera in enumerate(found)}
    write_rig(folder / "rig.toml", Rig(cameras))
    return cameras


def against_reference_mm(source, folder, cameras, weights):
    """N- and P-MPJPE against the reference, frames after the first 60, each camera by itself."""
    with np.load(source / "reference3d_4view_scene.npz") as table:
        points, names = table["points"].astype(np.float64), [str(name) for name in table["names"]]
    take, parts = open_take(folder), []
    with open_engine(ENGINE, weights) as engine:
        for name, camera in cameras.items():
            lens = replace(lens_of(take.cameras[name]), cam_from_world=None)
            pipeline = Pipeline(engine, lens, smooth=False, height_m=1.73)
            for frame in take.cameras[name].frames(FIRST, 100):
                people = pipeline(frame).people
                true_m = np.full((16, 3), np.nan)
                for joint, called in NAMES.items():
                    true_m[joint] = points[frame.index, names.index(called)] @ camera.R.T + camera.t
                true_m[ROOT] = true_m[[R_HIP, L_HIP]].mean(axis=0)  # BODY_25B has none
                if people:
                    parts.append((max(people, key=lambda p: p.joints.box.side_px).offsets_m, true_m))
    predicted, true = (np.stack(column) for column in zip(*parts, strict=True))
    errors = pose_errors(predicted, np.nan_to_num(true), np.isfinite(true).all(-1))
    return mean_mm(errors.n_mpjpe), mean_mm(errors.p_mpjpe)


def main(source, *, own):
    base = load_weights("lite")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "take"
        cameras = imported(source, folder)
        with open_engine(ENGINE, base) as engine:
            files = FileTeacher([source / f"openpose_body25b_cam0{i}.npz" for i in (1, 2)])
            done = label_take(folder, OwnTeacher(engine) if own else files, step=quiet)
        assert done.labels is not None, [reason.text for reason in done.placed.verdict.reasons]
        cut_s = FIRST / RATE_HZ - 0.5 / RATE_HZ
        Take.parts = lambda *_: Parts((-1.0, cut_s), (cut_s, 10.0))
        lessons.read_take = partial(read_take, every_s=0.5 / RATE_HZ)
        plan = finetuning.Plan((folder,), Path(place) / "run", 1.0, crops=3200, people=512, pictures=False)
        finetuned = finetuning.finetune(plan, base, engine=ENGINE, step=lambda _: quiet)
        for when, figures, weights in (
            ("before", finetuned.before.takes, base),
            ("after", finetuned.after.takes, finetuned.weights),
        ):
            (of_take,) = figures.values()
            n_mm, p_mm = against_reference_mm(source, folder, cameras, weights)
            print(f"{when}: agreement {of_take[0].n_mpjpe_mm:.1f} mm; reference N-MPJPE {n_mm:.1f}, P-MPJPE {p_mm:.1f}")
        print(f"share of new {finetuned.rounds[-1].mix.share}; {finetuned.verdict.light}")
        print("\n".join(reason.text for reason in finetuned.verdict.reasons))


if __name__ == "__main__":
    main(Path(sys.argv[-1]), own="--own" in sys.argv)
