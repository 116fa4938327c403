"""Videos with OpenPose joints: `openpose_*_NAME.npz` (`keypoints (frames, n, 3)`, `names`) beside videos/NAME.mp4.

`reference3d_*.npz` (`points (frames, n, 3)` in metres, `names`), where there is one, holds the same person in space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from train.datasets.labelled2d import DatasetError

# OpenPose name of each mpii16 joint that it knows directly; pelvis is the middle of the hips
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


UNKNOWN = [8, 9]  # upper neck and head top: OpenPose has neither


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video and the joints that another program found in each of its frames."""

    path: Path
    joints: Float64[ndarray, "frames 16 3"]  # x, y in pixels, score; NaN and 0 where unknown
    reference_m: Float64[ndarray, "frames 16 3"] | None  # in a world of its own; NaN where unknown


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


def _reference(folder: Path) -> Float64[ndarray, "frames 16 3"] | None:
    path = next(iter(sorted(folder.glob("reference3d_*.npz"))), None)
    if path is None:
        return None
    with np.load(path, allow_pickle=False) as table:
        points = _by_name(table["points"].astype(np.float64), [str(n) for n in table["names"]])
    points[:, UNKNOWN] = np.nan
    return points


def mpii16_of(keypoints: Float64[ndarray, "frames n 3"], names: list[str]) -> Float64[ndarray, "frames 16 3"]:
    """OpenPose's joints by name in our order; NaN and 0 where unknown. ValueError where a name is missing."""
    joints = _by_name(keypoints, names)
    joints[joints[..., 2] <= 0] = (np.nan, np.nan, 0)
    return joints


def _by_name(points: Float64[ndarray, "frames n 3"], names: list[str]) -> Float64[ndarray, "frames 16 3"]:
    joints = np.full((len(points), 16, 3), np.nan)
    joints[..., 2] = 0  # a score of nothing, where the third number is one
    for joint, name in NAMES.items():
        joints[:, joint] = points[:, names.index(name)]
    joints[:, 6] = (joints[:, 2] + joints[:, 3]) / 2
    return joints
