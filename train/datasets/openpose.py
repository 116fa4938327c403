"""Videos with OpenPose joints: `openpose_*_NAME.npz` (`keypoints (frames, n, 3)`, `names`) beside videos/NAME.mp4.

`reference3d_*.npz` (`points (frames, n, 3)` in metres, `names`), where there is one, holds the same person in space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from engine.skeleton import (
    BODY25,
    L_EAR,
    L_HEEL,
    L_HIP,
    L_TOE,
    MPII16,
    NOSE,
    R_EAR,
    R_HEEL,
    R_HIP,
    R_TOE,
    ROOT,
)
from train.datasets.labelled2d import DatasetError

# OpenPose name of each joint that it knows directly; pelvis is the middle of the hips
NAMES = {
    0: "RAnkle",
    1: "RKnee",
    2: "RHip",
    3: "LHip",
    4: "LKnee",
    5: "LAnkle",
    7: "Neck",
    10: "RWrist",
    11: "RElbow",
    12: "RShoulder",
    13: "LShoulder",
    14: "LElbow",
    15: "LWrist",
}
# what only BODY_25 has all of
MORE_NAMES = {
    R_HEEL: "RHeel",
    R_TOE: "RBigToe",
    L_HEEL: "LHeel",
    L_TOE: "LBigToe",
    NOSE: "Nose",
    R_EAR: "REar",
    L_EAR: "LEar",
}


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video and the joints that another program found in each of its frames."""

    path: Path
    joints: Float64[ndarray, "frames joints 3"]  # x, y in pixels, score; NaN and 0 where unknown
    reference_m: Float64[ndarray, "frames joints 3"] | None  # in a world of its own; NaN where unknown


def read_labelled_videos(folder: Path) -> list[LabelledVideo]:
    """Every video of the folder that has joints. DatasetError when there is none."""
    found = []
    reference_m = _reference(folder)
    for table_path in sorted(folder.glob("openpose_*.npz")):
        video = folder / "videos" / f"{table_path.stem.rsplit('_', 1)[-1]}.mp4"
        if not video.is_file():
            continue
        with np.load(table_path, allow_pickle=False) as table:
            joints = mpii16_of(table["keypoints"].astype(np.float64), [str(n) for n in table["names"]])
        found.append(LabelledVideo(video, joints, reference_m))
    if not found:
        raise DatasetError(f"{folder} holds no openpose_*.npz with a video of its name in videos/")
    return found


def _reference(folder: Path) -> Float64[ndarray, "frames joints 3"] | None:
    path = next(iter(sorted(folder.glob("reference3d_*.npz"))), None)
    if path is None:
        return None
    with np.load(path, allow_pickle=False) as table:
        names = [str(name) for name in table["names"]]
        return _by_name(table["points"].astype(np.float64), names)[:, : len(MPII16)]


def mpii16_of(keypoints: Float64[ndarray, "frames n 3"], names: list[str]) -> Float64[ndarray, "frames joints 3"]:
    """OpenPose's joints by name as those of `mpii16`; NaN and 0 where unknown. ValueError where a name is missing."""
    return body25_of(keypoints, names)[:, : len(MPII16)]


def body25_of(keypoints: Float64[ndarray, "frames n 3"], names: list[str]) -> Float64[ndarray, "frames joints 3"]:
    """OpenPose's joints by name as those of `body25`; NaN and 0 where unknown. ValueError where a limb's is missing.

    Feet, nose and ears are those of BODY_25; there are no hands, no upper neck and no head top.
    """
    joints = _by_name(keypoints, names)
    joints[~(joints[..., 2] > 0)] = (np.nan, np.nan, 0)
    return joints


def _by_name(points: Float64[ndarray, "frames n 3"], names: list[str]) -> Float64[ndarray, "frames joints 3"]:
    """NaN where OpenPose has no such joint."""
    joints = np.full((len(points), len(BODY25), 3), np.nan)
    for joint, name in NAMES.items():
        joints[:, joint] = points[:, names.index(name)]
    for joint, name in MORE_NAMES.items():
        if name in names:
            joints[:, joint] = points[:, names.index(name)]
    joints[:, ROOT] = (joints[:, R_HIP] + joints[:, L_HIP]) / 2
    return joints
