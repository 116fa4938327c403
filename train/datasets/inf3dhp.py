"""The test set of MPI-INF-3DHP (Mehta et al., 3DV 2017): six recordings, in a studio and outdoors.

    FOLDER/TS1 ... TS6/annot_data.mat (MATLAB 7.3, which is HDF5)   FOLDER/TS1/imageSequence/img_000001.jpg

`annot2` are pixels, `annot3` the joints in camera axes (mm), `univ_annot3` the same scaled to one body height: the
errors of the field are taken against those. The lens is not in the file; it is what projects annot3 onto annot2.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from calib.camera import Camera
from engine.crop import box_around
from engine.skeleton import ROOT, UPPER_NECK
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import DatasetError
from train.datasets.reading import Reading
from train.datasets.sample import SPINE, Captured, Sample

ACTIONS = ("Stand/Walk", "Exercise", "Sit on Chair", "Crouch/Reach", "On the Floor", "Sports", "Misc.")
# of the set's 17: head top, neck, right arm, left arm, right leg, left leg, pelvis, spine, head. Its neck lies between
# the shoulders as our thorax does; our upper neck it does not have
TO_MPII16_AND_SPINE = (10, 9, 8, 11, 12, 13, 14, 1, 16, 0, 4, 3, 2, 5, 6, 7, 15)
FIELDS = ("annot2", "annot3", "univ_annot3", "valid_frame", "activity_annotation")
PROJECTION_PX = 2.0  # by which its own lens may miss


def holds_inf3dhp(folder: Path) -> bool:
    """Whether a folder looks like the test set."""
    return any(folder.glob("TS*/annot_data.mat"))


def read_inf3dhp(folder: Path, *, every: int = 1) -> Reading:
    """All valid frames. DatasetError where a recording cannot be read. Needs h5py: `pip install -e ".[paper]"`."""
    reading = Reading(folder)
    for path in sorted(folder.glob("TS*/annot_data.mat")):
        _read_recording(path, reading, every)
    return reading.checked("MPI-INF-3DHP")


def fitted_pinhole(px: Float64[ndarray, "n 2"], joints_m: Float64[ndarray, "n 3"]) -> Float64[ndarray, "3 3"]:
    """The pinhole of least squares in u Z = f X + c Z."""
    K = np.eye(3)
    for axis in (0, 1):
        A = np.column_stack([joints_m[:, axis], joints_m[:, 2]])
        K[axis, axis], K[axis, 2] = np.linalg.lstsq(A, px[:, axis] * joints_m[:, 2], rcond=None)[0]
    return K


def _read_recording(path: Path, reading: Reading, every: int) -> None:
    px, joints_m, universal_m, valid, action = _arrays(path)
    whole = [np.isfinite(part).all((1, 2)) for part in (px, joints_m, universal_m)]
    good = valid & np.all(whole, axis=0) & (joints_m[..., 2] > 0).all(1)
    for frame in np.flatnonzero(valid & ~good):
        reading.leave(f"{path.parent.name} frame {frame + 1}", "a joint is not a number or lies behind the camera")
    if not good.any():
        return
    K = fitted_pinhole(px[good].reshape(-1, 2), joints_m[good].reshape(-1, 3))
    projected = (joints_m[good] @ K.T)[..., :2] / joints_m[good][..., 2:]
    if (off_px := float(np.median(np.linalg.norm(projected - px[good], axis=-1)))) > PROJECTION_PX:
        raise DatasetError(f"{path}: no lens projects annot3 onto annot2, the best is {off_px:.0f} px off")
    for frame in np.flatnonzero(good)[::every]:
        picture = path.parent / "imageSequence" / f"img_{frame + 1:06d}.jpg"
        name = f"{path.parent.name}/{picture.name}"
        if (size := reading.picture_size(name, picture)) is None:
            continue
        what = ACTIONS[int(action[frame]) - 1] if 1 <= action[frame] <= len(ACTIONS) else "unknown"
        ours = universal_m[frame][list(TO_MPII16_AND_SPINE)].copy()
        ours[UPPER_NECK] = np.nan
        test = path.parent.name
        captured = Captured(test, what, test, test, int(frame) + 1, ours, Camera(*size, K))
        reading.samples.append(_sample(name, picture, px[frame], joints_m[frame], captured))


def _sample(name: str, picture: Path, px17: ndarray, joints17_m: ndarray, captured: Captured) -> Sample:
    index = np.array(TO_MPII16_AND_SPINE[:SPINE])
    px, z_m = px17[index], joints17_m[index][:, 2]
    weight = np.ones((SPINE, 3), np.float32)
    weight[UPPER_NECK] = 0
    return Sample(
        name=name,
        jpeg=picture,
        K=captured.lens.K,
        joints_px=px.astype(np.float32),
        relative_depth=((z_m - z_m[ROOT]) / z_m[ROOT]).astype(np.float32),
        weight=weight,
        box=box_around(px[weight[:, 0] > 0]),
        captured=captured,
    )


def _arrays(path: Path) -> tuple[ndarray, ndarray, ndarray, ndarray, ndarray]:
    """Pixels (n, 17, 2), joints and universal joints (n, 17, 3) in metres, valid (n), activity (n)."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            held = [np.asarray(file[name], np.float64) for name in FIELDS]
    except DAMAGED as error:
        raise DatasetError(f"{path} is not the test set's annotation ({said(error)})") from None
    n = held[0].shape[0]
    sizes = (17 * 2, 17 * 3, 17 * 3, 1, 1)
    if any(a.size != n * size for a, size in zip(held, sizes, strict=True)):
        raise DatasetError(f"{path}: the shapes {[a.shape for a in held]} are not those of {n} frames of 17 joints")
    px, joints, universal, valid, action = held
    return (
        px.reshape(n, 17, 2),
        joints.reshape(n, 17, 3) / 1000,
        universal.reshape(n, 17, 3) / 1000,
        valid.reshape(n) > 0,
        action.reshape(n),
    )
