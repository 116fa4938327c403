"""The tables that lie beside a photo set's `NAME_joints.npz`, as a teacher network fills them row by row.

`NAME_teacher.npz` keeps what the network said, `NAME_depth.npz` what of it may teach depth; both have the rows of the
joints' table. `train.datasets.photo_points` reads them. Half of the numbers are enough: they are float16.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from numpy import ndarray

from engine.skeleton import L_SHOULDER, LSP14_TO_MPII16, MPII16, R_HIP, R_SHOULDER, THORAX, UPPER_NECK
from train.datasets.damage import DAMAGED, said
from train.datasets.labelled2d import THORAX_TOWARDS_NECK, DatasetError
from train.datasets.sample import decode_jpeg
from train.teachers.blazepose import POINTS, Points

FIELDS = {
    "px33": (POINTS, 2),
    "world33_m": (POINTS, 3),
    "visibility33": (POINTS,),
    "presence": (2,),
    "mirror_px_over_torso": (POINTS,),
    "mirror_depth_m": (POINTS,),
}


@dataclass(frozen=True, slots=True)
class Photos:
    """One table of labelled photos."""

    folder: Path
    stem: str
    zips: ndarray
    images: ndarray
    joints_px: Float64[ndarray, "n 16 2"]  # mpii16; NaN where not labelled; the thorax as `labelled2d` derives it

    def torso_px(self) -> Float64[ndarray, "n"]:
        """Left shoulder to right hip; NaN where one is not labelled."""
        return np.linalg.norm(self.joints_px[:, L_SHOULDER] - self.joints_px[:, R_HIP], axis=1)

    def pictures(self, rows: ndarray) -> Iterator[tuple[int, UInt8[ndarray, "h w 3"]]]:
        """Some rows and their pictures. DatasetError where one cannot be read."""
        with ExitStack() as stack:
            archives: dict[str, ZipFile] = {}
            for row in rows:
                archive, name = str(self.zips[row]), str(self.images[row])
                try:
                    if archive not in archives:
                        archives[archive] = stack.enter_context(ZipFile(self.folder / archive))
                    picture = decode_jpeg(archives[archive].read(name))
                except DAMAGED as error:
                    raise DatasetError(f"{self.folder / archive}: {name} cannot be read ({said(error)})") from None
                yield int(row), picture


def read_photos(folder: Path) -> list[Photos]:
    """Every table of a folder. DatasetError where there is none."""
    paths = sorted(folder.glob("*_joints.npz"))
    if not paths:
        raise DatasetError(f"{folder} holds no *_joints.npz; `docs/datasets.md` shows the layout that is read")
    return [_photos(path) for path in paths]


def _photos(path: Path) -> Photos:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as table:
            zips, images, lsp14 = table["zip"], table["image"], table["joints"].astype(np.float64)
    except DAMAGED as error:
        raise DatasetError(f"{path} is no table of joints ({said(error)})") from None
    if len(zips) != len(images) or lsp14.shape != (len(images), len(LSP14_TO_MPII16), 3):
        raise DatasetError(f"{path}: {len(images)} pictures in {len(zips)} zips, joints {lsp14.shape}, not (n, 14, 3)")
    px = np.full((len(images), len(MPII16), 2), np.nan)
    px[:, list(LSP14_TO_MPII16)] = np.where(lsp14[..., 2:] > 0, lsp14[..., :2], np.nan)
    shoulders = (px[:, R_SHOULDER] + px[:, L_SHOULDER]) / 2
    px[:, THORAX] = shoulders + THORAX_TOWARDS_NECK * (px[:, UPPER_NECK] - shoulders)
    return Photos(path.parent, path.name.removesuffix("_joints.npz"), zips, images, px)


@dataclass(frozen=True, slots=True)
class TeacherTable:
    """What a network said of photos; NaN where it was not asked, or nobody could say where the person is."""

    images: ndarray
    teacher: str
    done: Bool[ndarray, "n"]
    columns: Mapping[str, ndarray]  # of FIELDS

    @classmethod
    def empty(cls, images: ndarray, teacher: str) -> TeacherTable:
        """Nothing yet."""
        n = len(images)
        columns = {name: np.full((n, *shape), np.nan, np.float16) for name, shape in FIELDS.items()}
        return cls(images, teacher, np.zeros(n, bool), columns)

    def put(self, row: int, points: Points | None) -> None:
        """One photo is done; None where it could not be shown."""
        self.done[row] = True
        if points is None:
            return
        values = {
            "px33": points.px,
            "world33_m": points.world_m,
            "visibility33": points.visibility,
            "presence": points.presence,
            "mirror_px_over_torso": points.apart_px / max(points.torso_px, 1.0),
            "mirror_depth_m": points.apart_m,
        }
        for name, value in values.items():
            self.columns[name][row] = value

    def resume(self, path: Path) -> None:
        """Takes over the rows of a file that the same network wrote, by the names of their photos."""
        if not path.is_file():
            return
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:
                if "teacher" not in held.files or str(held["teacher"]) != self.teacher:
                    return
                done = held["done"] if "done" in held.files else np.ones(len(held["image"]), bool)
                at = {str(name): i for i, name in enumerate(held["image"]) if done[i]}
                rows = np.array([i for i, name in enumerate(self.images) if str(name) in at], np.int64)
                there = np.array([at[str(self.images[i])] for i in rows], np.int64)
                for name, column in self.columns.items():
                    column[rows] = held[name][there]
        except DAMAGED as error:
            raise DatasetError(f"{path} is damaged ({said(error)}); remove it, it is made anew") from None
        self.done[rows] = True

    def write(self, path: Path, **more: ndarray) -> None:
        """Replaces a file."""
        write_table(path, {"image": self.images, **self.columns, "teacher": np.array(self.teacher), **more})


def write_table(path: Path, arrays: Mapping[str, ndarray]) -> None:
    """An npz, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
