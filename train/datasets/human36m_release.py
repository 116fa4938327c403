"""Human3.6M's own release, extracted: CDF files of joints and videos; no other tool is needed.

    FOLDER/S1/MyPoseFeatures/D3_Positions_mono/Directions 1.54138969.cdf   (1, frames, 96): 32 joints, mm, camera axes
    FOLDER/S1/MyPoseFeatures/D2_Positions/Directions 1.54138969.cdf        (1, frames, 64): pixels
    FOLDER/S1/Videos/Directions 1.54138969.mp4

`python -m train.datasets.human36m_release FOLDER` writes the frames that train and test into FOLDER/images. A camera's
lens, with distortion, is what projects its joints onto its pixels: they were made by it, so the fit is exact.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import least_squares

from calib.camera import Camera
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError

SIZES = {"54138969": (1000, 1002), "55011271": (1000, 1000), "58860488": (1000, 1000), "60457274": (1000, 1002)}
FIT_POINTS = 3000
FIT_PX = 0.5  # a lens that misses by more was fitted to joints that belong to another
JPEG_QUALITY = 95


def holds_release(folder: Path, subjects: Sequence[str]) -> bool:
    """Whether a folder has the release's joints of one of these subjects."""
    return any(any(_joints_in(folder, subject)) for subject in subjects)


def recordings(folder: Path, subjects: Sequence[str]) -> Iterator[tuple[str, str, ndarray, ndarray, Camera]]:
    """Of each recording by each camera: subject, name, pixels (n, 32, 2), joints (n, 32, 3) in metres, lens.

    DatasetError where a file is damaged or its two tables do not fit. Needs cdflib: `pip install -e ".[paper]"`.
    """
    lenses: dict[tuple[str, str], Camera] = {}
    for subject in subjects:
        for path in _joints_in(folder, subject):
            flat = path.parents[1] / "D2_Positions" / path.name
            joints_m, px = _table(path, 96).reshape(-1, 32, 3) / 1000, _table(flat, 64).reshape(-1, 32, 2)
            if len(px) != len(joints_m):
                raise DatasetError(f"{flat} has {len(px)} frames, {path} {len(joints_m)}")
            camera = path.stem.rsplit(".", 1)[-1]
            if (subject, camera) not in lenses:
                lenses[subject, camera] = fitted_lens(px, joints_m, SIZES.get(camera, (1000, 1000)), str(path))
            yield subject, _name(subject, path), px, joints_m, lenses[subject, camera]


def fitted_lens(
    px: Float64[ndarray, "n 32 2"], joints_m: Float64[ndarray, "n 32 3"], size: tuple[int, int], where: str
) -> Camera:
    """K and five distortions of least squares. DatasetError where no lens fits within half a pixel."""
    points, seen = joints_m.reshape(-1, 3), px.reshape(-1, 2)
    good = np.isfinite(points).all(1) & np.isfinite(seen).all(1) & (points[:, 2] > 0)
    rows = np.flatnonzero(good)
    if not len(rows):
        raise DatasetError(f"{where} has no joint that is a number")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, FIT_POINTS).astype(int))]
    points, seen = points[rows], seen[rows]

    def lens(p: ndarray) -> Camera:
        K = np.array([[p[0] * 1000, 0, p[2] * 1000], [0, p[1] * 1000, p[3] * 1000], [0, 0, 1]])
        return Camera(*size, K, p[4:])

    start = np.concatenate([[1.145, 1.145], np.array(size) / 2000, np.zeros(5)])
    found = lens(least_squares(lambda p: (lens(p).project(points) - seen).ravel(), start, x_scale="jac").x)
    off_px = float(np.median(np.linalg.norm(found.project(points) - seen, axis=1)))
    if off_px > FIT_PX:
        raise DatasetError(f"{where}: no lens projects its joints onto its pixels, the best is {off_px:.1f} px off")
    return found


def extract_frames(folder: Path, subjects: Sequence[str], *, every: int) -> tuple[int, list[str]]:
    """Writes every so many frames of each video as JPEGs, those that are missing; how many, and videos that failed."""
    written, failed = 0, []
    for subject in subjects:
        for path in sorted((folder / subject / "Videos").glob("*.mp4")):
            if path.stem.startswith("_"):  # the release has some beginnings twice
                continue
            name = _name(subject, path)
            place = folder / "images" / subject / name
            place.mkdir(parents=True, exist_ok=True)
            count = _extracted(path, place, name, every)
            written += count
            if not any(place.iterdir()):
                failed.append(str(path))
    return written, failed


def _extracted(path: Path, place: Path, name: str, every: int) -> int:
    video, frame, written = cv2.VideoCapture(str(path)), 0, 0
    while video.grab():
        target = place / f"{name}_{frame + 1:06d}.jpg"
        if frame % every == 0 and not target.is_file():
            ok, image = video.retrieve()
            if not ok:
                break
            cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            written += 1
        frame += 1
    video.release()
    return written


def _joints_in(folder: Path, subject: str) -> list[Path]:
    return sorted((folder / subject / "MyPoseFeatures" / "D3_Positions_mono").glob("*.cdf"))


def _name(subject: str, path: Path) -> str:
    """`S1_Directions_1.54138969`, as other tools call it."""
    return f"{subject}_{path.stem.replace(' ', '_')}"


def _table(path: Path, width: int) -> Float64[ndarray, "n w"]:
    import cdflib

    if not path.is_file():
        raise DatasetError(f"{path} is missing; extract the release's archives of poses, D2 and D3 mono")
    try:
        pose = np.asarray(cdflib.CDF(str(path)).varget("Pose"), np.float64)
    except DAMAGED as error:
        raise DatasetError(f"{path} is no readable CDF ({said(error)})") from None
    if pose.shape[-1] != width:
        raise DatasetError(f"{path} holds Pose of {pose.shape}, wanted (1, frames, {width})")
    return pose.reshape(-1, width)


def main(folder: Path) -> None:
    """Extracts what the paper trains and tests on."""
    from train.datasets.human36m import EVERY, SUBJECTS

    for part in ("train", "test"):
        count, failed = extract_frames(folder, SUBJECTS[part], every=EVERY[part])
        print(f"{part}: {count} frames written to {folder / 'images'}")
        for path in failed:
            print(f"{path} could not be read")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
